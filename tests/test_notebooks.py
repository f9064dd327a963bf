"""Notebooks: the examples run whole, progress is one place that updates, and an interrupt ends a cell in order."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

import mi_tune
from mi_tune.runtime.notebook import Place

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
LINES_OF_A_STUDY = 6
"""The most lines that a study may print beside its progress."""


@pytest.fixture(autouse=True)
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel is another process, which finds the same mi_tune."""
    monkeypatch.setenv("PYTHONPATH", str(Path(mi_tune.__file__).parents[1]))


def text_of(cell: nbformat.NotebookNode) -> str:
    return "".join(output.get("text", "") for output in cell.outputs if output.output_type == "stream")


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_example_notebooks_run_whole_in_smoke_size(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    assert any("SMOKE = True" in cell.source for cell in notebook.cells)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    studies = [cell for cell in notebook.cells if "mi_tune.tune(" in cell.source and cell.cell_type == "code"]
    assert studies
    for cell in studies:
        shown = [output.data for output in cell.outputs if output.output_type == "display_data"]
        assert len(shown) == 1, "one place of progress"
        shown_last = re.sub(r"<[^>]*>", "", shown[0]["text/html"])
        assert re.search(r"\b([46])/\1\b", shown_last), f"not all trials are counted: {shown_last}"
        printed = text_of(cell)
        assert printed.count("\n") <= LINES_OF_A_STUDY, printed
        assert "ipywidgets" not in printed and "WARNING" not in printed, printed


def test_the_notebooks_are_stored_without_results():
    for path in NOTEBOOKS:
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert cells and not any(cell.outputs or cell.execution_count for cell in cells)


BEGIN = """
import mi_tune
options = dict(out="results", name="stopped", trials=40, epochs=3, resolution=16, identities=6, workers=1)
study = mi_tune.tune("orl", smoke=True, **options)
"""
GO_ON = """
options["trials"] = len(mi_tune.load("results/stopped").table) + 1
study = mi_tune.tune("orl", smoke=True, resume=True, **options)
print(study.finished, len(study.table))
"""
OWN_RAY = """
import ray
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
import mi_tune
for name in ("first", "second"):
    options = dict(out="results", name=name, trials=4, resolution=16, identities=6)
    study = mi_tune.tune("orl", smoke=True, **options)
print(ray.is_initialized(), study.finished)
ray.shutdown()
"""


def kernel(*cells: str) -> NotebookClient:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    return NotebookClient(notebook, timeout=240)


@pytest.mark.slow
@pytest.mark.ray
def test_an_interrupt_ends_the_cell_and_the_study_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    client = kernel(BEGIN, GO_ON)

    async def interrupt_once_three_trials_have_ended() -> None:
        table = tmp_path / "results" / "stopped" / "trials.csv"
        until = time.monotonic() + 200
        while time.monotonic() < until:
            await asyncio.sleep(0.5)
            if table.exists() and table.read_text().count("complete") >= 3:
                await client.km.interrupt_kernel()
                return

    async def both() -> None:
        async with client.async_setup_kernel():
            waiting = asyncio.create_task(interrupt_once_three_trials_have_ended())
            with pytest.raises(CellExecutionError, match="KeyboardInterrupt"):
                await client.async_execute_cell(client.nb.cells[0], 0)
            await waiting
            assert "resume=True" in str(client.nb.cells[0].outputs)
            await client.async_execute_cell(client.nb.cells[1], 1)

    asyncio.run(both())
    finished, trials = text_of(client.nb.cells[1]).split()[-2:]
    assert finished == "True" and 3 < int(trials) < 40


@pytest.mark.slow
@pytest.mark.ray
def test_two_studies_run_one_after_another_on_a_ray_that_the_user_started_and_leave_it_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    client = kernel(OWN_RAY)
    client.execute()
    printed = text_of(client.nb.cells[0])
    assert "the one of this process" in printed
    assert printed.split()[-2:] == ["True", "True"]


def test_a_place_is_updated_at_most_twice_a_second(monkeypatch):
    pytest.importorskip("IPython")
    now, seen = [0.0], []

    class Handle:
        def update(self, page: object) -> None:
            seen.append(page)

    place = Place(lambda: "text", clock=lambda: now[0])
    place.handle, place.shown = Handle(), 0.0
    for _ in range(10):
        now[0] += 0.1
        place.update()
    assert len(seen) in (1, 2)  # 0.1 is no binary number
    place.update(now=True)
    assert len(seen) in (2, 3) and "text" in seen[-1].data
