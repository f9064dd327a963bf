"""A headless browser for tests of pages, and a page opened in it whose errors are collected."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def a_browser() -> Iterator[Any]:
    """Chromium, driven by Playwright; the test is skipped where one of them is missing."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    with api.sync_playwright() as play:
        if found is None and not Path(play.chromium.executable_path).exists():
            pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed, nor Playwright's own")
        browser = play.chromium.launch(executable_path=found, args=["--no-sandbox"])  # the sandbox needs more than root
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Any, address: str, **context: Any) -> Iterator[Any]:
    """The page at an address, when its scripts are done. Any error of a script, and any request elsewhere, fails."""
    own = browser.new_context(
        **{"viewport": {"width": 1200, "height": 900}, "offline": address.startswith("file:"), **context}
    )
    page, wrong = own.new_page(), []
    page.set_default_timeout(120_000)  # a busy machine is no failure of the page
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on(
        "request",
        lambda asked: (
            None if asked.url.startswith((address.split("#")[0], "data:", "blob:")) else wrong.append(asked.url)
        ),
    )
    page.goto(address)
    page.wait_for_selector("html[data-ready=yes]")
    try:
        yield page
        assert not wrong, wrong
    finally:
        own.close()


def drag(page: Any, place: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag over a place, from and to shares of its width and height."""
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=3)
    page.mouse.up()
    settle(page)


def settle(page: Any) -> None:
    """Wait until two frames have been drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
