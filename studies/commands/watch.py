"""Watch a study in a browser while it runs: `mi-tune watch results/orl`."""

from __future__ import annotations

from pathlib import Path

import click

from mi_tune.runtime.command import Command


@click.command(cls=Command, kept="the study goes on")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(1, 65535), help="Port on this machine.  [default: a free one]")
@click.option(
    "--include-images/--no-images",
    default=None,
    help="Whether to show faces and reconstructions.  [default: as the study was run; never for own data]",
)
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser of this machine.")
def watch(folder: Path, port: int | None, include_images: bool | None, opens: bool) -> None:
    """Serve the report of the study in FOLDER on this machine alone; new trials appear while it runs.

    Nothing is written. Ctrl-C ends it; the study goes on.
    """
    from analysis.pages.live_page import serve

    def ready(address: str) -> None:
        click.echo(f"{address}  (Ctrl-C ends it; nothing is written)")
        if opens:
            click.launch(address)

    serve(folder, port, include_images, ready)
