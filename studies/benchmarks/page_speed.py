"""How large is a study's page, how soon is it seen, how fast is a brush? `page_speed.py results/orl --laws 1000`

The study's laws are repeated, each time with a little noise, until there are as many as asked for; maps, curves and
people stay those of the original. Sentences, recommendations and importance are left out: their statistics take long
for a thousand laws, and add next to nothing to the page. A brush is measured in headless Chromium from the change of
the selection to the end of the frame in which everything in view shows it (at the front, at the parallel coordinates,
at the table), and to when everything does.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from pathlib import Path
from unittest import mock

import click
import numpy as np
import pandas as pd
from rich.console import Console

from analysis.pages import write_report
from analysis.pages.report import ALLOWED_LOSSES
from mi_tune.runtime.command import Command, run_command
from mi_tune.runtime.errors import InputError

LEFT_OUT: dict = {
    **{name: lambda *_: "" for name in ("controlled", "believable", "headline")},
    **{name: lambda *_: [] for name in ("importances", "study_sentences")},
    "_recommendations": lambda *_: [None] * len(ALLOWED_LOSSES),
}
BRUSH = """async (share) => {
  const numbers = Object.keys(page.data.trials).map(Number).filter(() => Math.random() < share);
  const begun = performance.now();
  page.selection.set(numbers, "benchmark");
  await new Promise((done) => requestAnimationFrame(() => { const channel = new MessageChannel();
    channel.port1.onmessage = done; channel.port2.postMessage(0); }));
  const frame = performance.now() - begun;
  while (!page.selection.settled) await new Promise((done) => setTimeout(done));
  return [frame, performance.now() - begun];
}"""
PLACES = {"front": "document.body", "parallel coordinates": "page.byId('parallel')", "table": "page.byId('trials')"}
SORT = """(name) => { const begun = performance.now();
  document.querySelector(`#trials th[data-name="${name}"] button`).click();
  document.body.offsetHeight; return performance.now() - begun; }"""


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--laws", type=click.IntRange(1), default=1000)
@click.option("--brushes", type=click.IntRange(3), default=20)
def measure(folder: Path, laws: int, brushes: int) -> None:
    """Measure the page of the study in FOLDER with so many laws."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise InputError("this needs Playwright and a Chromium: pip install playwright") from None
    console = Console()
    with tempfile.TemporaryDirectory() as place:
        grown = repeated(folder, Path(place) / "grown", laws)
        with mock.patch.multiple("analysis.pages.report", **LEFT_OUT):
            path = write_report(grown, include_images=False)
        console.print(f"{laws} laws: {path.stat().st_size / 1e6:.2f} MB")
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(path.as_uri())
            page.wait_for_selector("html[data-ready=yes]")
            paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            page.wait_for_timeout(500)
            console.print(f"first paint {paint:.0f} ms")
            for place, element in PLACES.items():
                page.evaluate(f"{element}.scrollIntoView()")
                page.wait_for_timeout(300)
                times = [page.evaluate(BRUSH, share) for share in np.linspace(0.02, 0.6, brushes)]
                frames, settled = zip(*times, strict=True)
                usual, whole = statistics.median(frames), statistics.median(settled)
                console.print(f"brush, {place}: median {usual:.0f} ms, longest {max(frames):.0f}; all: {whole:.0f} ms")
            sorts = [page.evaluate(SORT, name) for name in ("attack_accuracy", "natural_accuracy", "seconds")]
            console.print(f"sort: longest {max(sorts):.0f} ms")
            browser.close()


def repeated(folder: Path, target: Path, laws: int) -> Path:
    """A copy of a study whose laws are repeated with noise until there are `laws` of them."""
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("ray", "confirmation", "attacks", "journal.log"))
    table = pd.read_parquet(target / "trials.parquet")
    own = table[table.repeat_of.isna()]
    copies = [own] + [own[own.reference == ""]] * (1 + laws // max(1, int((own.reference == "").sum())))
    grown = pd.concat(copies, ignore_index=True)[:laws]
    rng = np.random.default_rng(0)
    new = np.arange(len(grown)) >= len(own)
    for column in ("natural_accuracy", "attack_accuracy", "probability", "realised_area"):
        noise = np.where(new, rng.normal(0, 0.03, len(grown)), 0.0)
        grown[column] = (grown[column] + noise).clip(0.01, 0.99)
        for end in ("_low", "_high"):
            if column + end in grown:
                grown[column + end] = (grown[column + end] + noise).clip(0, 1)
    grown["trial"] = np.arange(len(grown))
    grown.to_parquet(target / "trials.parquet", index=False)
    return target


if __name__ == "__main__":
    raise SystemExit(run_command(measure))
