"""The page of a running study: it follows the table, writes nothing, and is for this machine alone."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
from browsing import a_browser, opened
from synthetic_study import DEFAULT, write_study

from analysis.pages.live_page import LivePage
from mi_tune.runtime.errors import InputError

WATCH = "import sys; from studies.cli import main; sys.argv = ['mi-tune', 'watch', sys.argv[1]]; main()"


def grow(folder: Path, table: pd.DataFrame) -> None:
    """Replace the table as a study does: at once."""
    table.to_parquet(folder / "new.parquet", index=False)
    (folder / "new.parquet").replace(folder / "trials.parquet")


def test_a_watched_study_grows_in_the_browser_keeps_the_selection_and_ends_with_ctrl_c(tmp_path):
    folder = write_study(tmp_path / "known", DEFAULT, images_allowed=False)
    whole = pd.read_parquet(folder / "trials.parquet")
    grow(folder, whole[:3])
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    server = subprocess.Popen([sys.executable, "-c", WATCH, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().split()[0]
        assert address.startswith("http://127.0.0.1:")
        asked = urllib.request.Request(address, headers={"Host": "elsewhere.example"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(asked, timeout=60)
        with a_browser() as browser, opened(browser, address) as page:
            assert page.locator("#trials tbody tr").count() == 3
            assert page.evaluate("page.data.faces") is None
            page.evaluate("page.selection.set([1, 2], 'test')")
            grow(folder, whole)
            page.wait_for_function("document.querySelectorAll('#trials tbody tr').length === 7", timeout=120000)
            assert page.evaluate("page.selection.numbers") == [1, 2]
            assert page.locator("#trials tr.chosen").count() == 2
            assert "3 complete" not in page.inner_text("header")
            page.wait_for_function(
                "document.querySelector('.plot[data-figure=front]').data.some(one => one.name === 'infeasible')"
            )
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before


def test_the_page_is_made_again_only_when_the_table_has_changed(tmp_path, monkeypatch):
    folder = write_study(tmp_path / "known", DEFAULT[:3])
    made = []
    monkeypatch.setattr(LivePage, "_made", lambda self, shown: made.append(shown) or f"page {len(made)}")
    page = LivePage(folder)

    async def look() -> list[str]:
        texts = [await page.text(), await page.text()]
        os.utime(folder / "trials.parquet", ns=(1, 1))
        page._rested = 0.0
        assert page.news != made[-1]
        return [*texts, await page.text()]

    assert asyncio.run(look()) == ["page 1", "page 1", "page 2"]


def test_a_table_that_is_being_replaced_leaves_the_page_before(tmp_path):
    folder = write_study(tmp_path / "known", DEFAULT[:3])
    page = LivePage(folder)

    async def look() -> list[str]:
        first = await page.text()
        (folder / "trials.parquet").write_bytes(b"half")
        page._rested = 0.0
        return [first, await page.text()]

    first, second = asyncio.run(look())
    assert first == second


def test_a_folder_that_is_no_study_is_refused_before_anything_is_served(tmp_path):
    with pytest.raises(InputError, match=r"no study\.yaml"):
        LivePage(tmp_path)
