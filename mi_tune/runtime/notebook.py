"""A console for notebooks, and the one place below a cell whose content is replaced while the cell runs."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from rich.console import Console, RenderableType

LEAST_SECONDS = 0.5
"""Least time between two updates of a place."""
WIDTH = 110


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = sys.modules.get("IPython")
    if shell is None or shell.get_ipython() is None:
        return False
    return hasattr(shell.get_ipython(), "kernel")


class NotebookConsole(Console):
    """Prints plain lines to the cell's output. rich's own notebook output needs ipywidgets and cannot be stored."""

    def __init__(self) -> None:
        super().__init__(force_jupyter=False, force_terminal=False, width=WIDTH)


def new_console(quiet: bool = False) -> Console:
    """The console of a function of the library: silent, of a notebook, or of the terminal."""
    if quiet:
        return Console(quiet=True)
    return NotebookConsole() if in_notebook() else Console()


class Place:
    """One place in a notebook's output; it is a context, and what it showed last stays.

    Args:
        render: returns what to show now.
        clock: monotonic time in seconds.
    """

    def __init__(self, render: Callable[[], RenderableType], clock: Callable[[], float] = time.monotonic) -> None:
        self.render, self.clock = render, clock
        self.handle: Any = None
        self.shown = -LEAST_SECONDS

    def __enter__(self) -> Place:
        from IPython.display import HTML, display

        self.handle = display(HTML(self._html()), display_id=True)
        self.shown = self.clock()
        return self

    def update(self, now: bool = False) -> None:
        """Show the present state, at most every `LEAST_SECONDS` unless `now`."""
        if self.handle is not None and (now or self.clock() - self.shown >= LEAST_SECONDS):
            from IPython.display import HTML

            self.handle.update(HTML(self._html()))
            self.shown = self.clock()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.update(now=True)

    def _html(self) -> str:
        page = Console(
            record=True,
            file=io.StringIO(),
            width=WIDTH,
            force_jupyter=False,
            force_terminal=True,
            color_system="truecolor",
        )
        page.print(self.render())
        form = '<pre style="line-height:1.25;font-family:monospace">{code}</pre>'
        return page.export_html(inline_styles=True, code_format=form)
