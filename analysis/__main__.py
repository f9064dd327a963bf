"""Rebuild the report of a study and of its confirmation, or of a property study: `python -m analysis results/orl`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mi_tune.runtime.command import Command, run_command
from mi_tune.runtime.shadowing import exit_if_hidden


@click.command(cls=Command, kept="the report was not written")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--include-images/--no-images",
    default=None,
    help="Whether to show faces and reconstructions.  [default: as the study was run; never for own data]",
)
@click.option("--output", type=click.Path(path_type=Path), help="File to write.  [default: report.html in FOLDER]")
@click.option(
    "--figures",
    type=click.Path(path_type=Path),
    help="Write figures as PDF, SVG and PNG, the front as LaTeX and Markdown, and a citation here instead.",
)
def report(folder: Path, include_images: bool | None, output: Path | None, figures: Path | None) -> None:
    """Write the report of the study in FOLDER as one HTML file, and the report of its confirmation if there is one."""
    from analysis.pages.confirm_report import write_confirmation_report
    from analysis.pages.property_report import write_property_report
    from analysis.pages.report import write_report
    from analysis.statistics.confirmation import has_confirmation
    from analysis.statistics.contrast import is_property

    if figures is not None:
        from analysis.pages.paper import write_paper

        written = write_paper(folder, figures)
        click.echo(f"{figures}: {', '.join(sorted({path.name for path in written}))}")
        return
    if is_property(folder):
        click.echo(write_property_report(folder))
        return
    click.echo(write_report(folder, include_images, output))
    if has_confirmation(folder):
        click.echo(write_confirmation_report(folder))


def main() -> int:
    """Run the command."""
    exit_if_hidden("analysis")
    return run_command(report, name="python -m analysis")


if __name__ == "__main__":
    sys.exit(main())
