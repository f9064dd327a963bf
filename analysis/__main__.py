"""Rebuild the reports of a study and of its confirmation, or of a study of one property:
`python -m analysis results/orl`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from analysis.confirm_report import write_confirmation_report
from analysis.confirmation import has_confirmation
from analysis.contrast import is_property
from analysis.property_report import write_property_report
from analysis.report import write_report
from mi_tune.errors import InputError


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--include-images/--no-images",
    default=None,
    help="Show faces and reconstructions, or not.  [default: as the study was run; never for own data]",
)
@click.option("--output", type=click.Path(path_type=Path), help="File to write.  [default: report.html in FOLDER]")
def report(folder: Path, include_images: bool | None, output: Path | None) -> None:
    """Write the report of the study in FOLDER as one HTML file, and that of its confirmation if it has one."""
    if is_property(folder):
        click.echo(write_property_report(folder))
        return
    click.echo(write_report(folder, include_images, output))
    if has_confirmation(folder):
        click.echo(write_confirmation_report(folder))


def main() -> int:
    """Run the command; a foreseen problem is one line and exit status 2."""
    try:
        report.main(standalone_mode=False, prog_name="python -m analysis")
        return 0
    except click.ClickException as error:
        print(f"error: {' '.join(error.format_message().split())}", file=sys.stderr)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
    except click.Abort:
        return 130
    return 2


if __name__ == "__main__":
    sys.exit(main())
