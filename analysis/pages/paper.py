"""What a paper takes from a study: its figures, the front as a table, and a citation, written into one folder."""

from __future__ import annotations

from pathlib import Path

import plotly.graph_objects as go

from analysis.figures import FIGURES
from analysis.figures.importance import plot_importance
from analysis.figures.of_study import IMPORTANCE
from analysis.figures.printed import write_figures
from analysis.pages.confirm_report import confirmation_figures
from analysis.pages.exported import citation, latex_front, markdown_front
from analysis.statistics import has_confirmation, load_confirmation, load_study
from analysis.statistics.importance import Importance, importances
from mi_tune.runtime.errors import InputError


def write_paper(study_folder: Path, folder: Path) -> list[Path]:
    """Write every figure of a study (and of its confirmation) as PDF, SVG and PNG, and the texts beside them.

    The texts are `front.tex`, `front.md`, `citation.txt` and `citation.bib`. No face is among the figures.

    Raises:
        InputError: the folder is no study, no law is complete, Matplotlib is missing, or `folder` cannot be written to.
    """
    study = load_study(study_folder)
    if not len(study.complete):
        raise InputError(f"{study_folder}: no law has been trained and attacked yet, so there is nothing to draw")
    drawn: dict[str, go.Figure] = {name: draw(study) for name, draw in FIGURES.items()}
    for answer in importances(study):
        if isinstance(answer, Importance):
            drawn[f"{IMPORTANCE}{answer.question}"] = plot_importance(answer)
    if has_confirmation(study_folder):
        confirmed = confirmation_figures(load_confirmation(study_folder))
        drawn |= {f"confirmed-{name}": figure for name, figure in confirmed.items()}
    written = write_figures(drawn, folder)
    cited = citation(study)
    texts = {"front.tex": latex_front(study), "front.md": markdown_front(study)}
    texts |= {"citation.txt": f"{cited['text']}\n", "citation.bib": cited["bibtex"]}
    for name, text in texts.items():
        written.append(folder / name)
        written[-1].write_text(text, encoding="utf-8")
    return written
