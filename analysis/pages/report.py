"""The report of a study: one HTML file that works offline and can be shared."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from analysis import figures
from analysis.figures.texts import figure_texts
from analysis.pages.exported import caption, citation, latex_front, markdown_front
from analysis.pages.faces import face_strips
from analysis.pages.law_data import laws_data
from analysis.pages.plain_words import study_sentences
from analysis.pages.published import published_beside
from analysis.pages.settings import settings_text
from analysis.pages.switch_table import switch_table
from analysis.pages.template import render_page
from analysis.statistics.control_line import ControlLine, control_line, gain_of, gains
from analysis.statistics.edges import edges
from analysis.statistics.importance import TITLES, Importance, Unanswered, answer_text, importances, question_text
from analysis.statistics.parameters import LABELS, study_parameters
from analysis.statistics.recommendation import Expectation, Recommendation, recommend
from analysis.statistics.records import Study, load_study
from mi_tune.judging.intervals import Estimate
from mi_tune.runtime.cache import save_atomically
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.wording import duration
from mi_tune.trial.ceiling import ceiling_sentence

ALLOWED_LOSSES = [k / 100 for k in range(21)]
"""Allowed losses of natural accuracy on the slider."""
DEFAULT_LOSS = 0.05
SCRIPTS = (
    *("selection", "columns", "brush", "front", "parallel", "parameters", "maps"),
    *("table", "law", "pins", "recommendation", "bar", "live"),
)
"""Files of `script/` that only this page needs, in the order in which they build on each other."""
PAGE_DRAWS = ("parameters", "maps")
"""Figures that the page draws itself from the data of the laws, so that they share its selection."""


def write_report(folder: Path | str, include_images: bool | None = None, output: Path | None = None) -> Path:
    """Write the report of the study in `folder`, from the files of this folder alone.

    Args:
        include_images: whether the page may show real faces and reconstructions. None uses the study's own setting
            (built-in public faces: yes; own data: only if it was run with images).
        output: file to write; by default `report.html` in the folder.

    Returns:
        Path of the report.

    Raises:
        InputError: the folder is not a study, or the report cannot be written.
    """
    study = load_study(folder)
    if include_images is None:
        include_images = bool(study.config.get("images_allowed"))
    page = render(study, include_images)
    path = output or study.folder / "report.html"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_atomically(path, lambda p: p.write_text(page, encoding="utf-8"), owner_only=include_images)
    except OSError as error:
        raise InputError(f"{path}: cannot write the report ({error.strerror})") from error
    return path


def render(study: Study, include_images: bool, live: str = "") -> str:
    """The HTML text of the report.

    Args:
        live: which state of the study the page shows, where a server hands it out while the study runs; the page then
            follows the study. "" in a file.
    """
    faces = face_strips(study) if include_images else None
    line = control_line(study)
    recommendations = _recommendations(study, line)
    unfinished = bool(live) and len(study.runs) < study.config["config"]["search"]["trials"]
    # the slowest part of the page by far, and the study needs the processor
    answers = importances(study) if len(study.complete) and not unfinished else []
    shown = study_parameters(study)
    drawn = _figures(study, answers)
    data = {
        **laws_data(study, shown, line),
        "described": list(LABELS),
        "name": str(study.config["name"]),
        "recommendations": recommendations,
        "defaultLoss": ALLOWED_LOSSES.index(DEFAULT_LOSS),
        "faces": asdict(faces) if faces else None,
        "pins": _first_pins(study, recommendations),
        "recogniser": (study.config.get("recogniser") or {}).get("name"),
        "exports": _exports(study),
        "live": live,
    }
    return render_page(
        "report.html.j2",
        drawn,
        data,
        scripts=SCRIPTS,
        study=study,
        config=study.config,
        settings=settings_text(study.config),
        counts=study.runs.state.value_counts().to_dict(),
        sentences=study_sentences(study, DEFAULT_LOSS),
        headline=headline(study),
        controlled=controlled(study),
        believable=believable(study),
        recogniser=study.config.get("recogniser"),
        published=published_beside(study),
        texts=figure_texts(study) if drawn else {},
        cost=_cost(study),
        repeated=bool((study.trials.runs > 1).any()),
        answers=[_importance_text(answer) for answer in answers],
        switches=switch_table(study) if len(study.complete) and not unfinished else None,
        edges=edges(study) if len(study.complete) else [],
        has_faces=faces is not None,
        some_faces=faces is not None and len(faces.trials) < len(study.complete),
        images_known=bool(study.config.get("images_allowed")) or include_images,
        losses=[int(loss * 100) for loss in ALLOWED_LOSSES],
        live=bool(live),
        unfinished=unfinished,
    )


def _exports(study: Study) -> dict[str, str] | None:
    """The front as LaTeX and Markdown, and the citation; None before anything is complete."""
    if not len(study.complete):
        return None
    cited = citation(study)
    return {
        "latex": latex_front(study),
        "markdown": markdown_front(study),
        "caption": caption(study),
        "citation": cited["text"],
        "bibtex": cited["bibtex"],
    }


def _recommendations(study: Study, line: ControlLine | None) -> list[dict[str, Any] | None]:
    """The recommendation for each of `ALLOWED_LOSSES`; a law that is recommended for several is described once."""
    described: dict[tuple[int, tuple[int, ...]], dict[str, Any]] = {}
    found: list[dict[str, Any] | None] = []
    for loss in ALLOWED_LOSSES:
        one = recommend(study, loss)
        if one is None:
            found.append(None)
            continue
        key = (one.trial, (*one.equals, one.costs_more))
        if key not in described:
            described[key] = _recommendation(study, one, line)
        found.append(described[key])
    return found


def _figures(study: Study, answers: list[Importance | Unanswered]) -> dict[str, go.Figure]:
    if not len(study.complete):
        return {}
    return {
        **{name: draw(study) for name, draw in figures.FIGURES.items() if name not in PAGE_DRAWS},
        **{_figure_of(a): figures.plot_importance(a) for a in answers if isinstance(a, Importance)},
    }


def _figure_of(answer: Importance | Unanswered) -> str:
    return f"{figures.IMPORTANCE}{answer.question}"


def _importance_text(answer: Importance | Unanswered) -> dict[str, str | None]:
    """Texts of a question on the page; `why` if it has no answer."""
    title = TITLES[answer.question]
    if isinstance(answer, Unanswered):
        return {"title": title, "why": answer.why}
    return {
        "title": title,
        "why": None,
        "figure": _figure_of(answer),
        "question_text": question_text(answer),
        "words": answer_text(answer),
    }


def _recommendation(study: Study, found: Recommendation, line: ControlLine | None) -> dict[str, Any]:
    row, undefended = study.trials.loc[found.trial], study.undefended
    assert undefended is not None  # or there would be no recommendation
    if found.trial == undefended.trial:
        verdict = "No erasing is recommended: no law within this loss had a lower attack accuracy."
    elif found.helps is None:
        verdict = "Per-class accuracies are missing, so the difference from no defence has no interval."
    elif found.helps:
        verdict = f"Compared with no defence, attack accuracy changes by {_change(found.attack_change)}."
    else:
        verdict = (
            f"No significant reduction: compared with no defence, attack accuracy changes by "
            f"{_change(found.attack_change)}, and this interval is not entirely below zero."
        )
    if line is not None and found.trial != undefended.trial:
        verdict += f" {_against_control(study, line, found.trial)}"
    others = len(found.equals)
    return {
        "trial": found.trial,
        "name": row.reference or f"law {found.trial}",
        "natural": f"{_percent(row.natural_accuracy)} {_interval(row, 'natural_accuracy')}",
        "naturalBase": _percent(undefended.natural_accuracy),
        "naturalChange": _change(found.natural_change) if found.natural_change else "",
        "attack": f"{_percent(row.attack_accuracy)} {_interval(row, 'attack_accuracy')}",
        "attackBase": f"{_percent(undefended.attack_accuracy)} {_interval(undefended, 'attack_accuracy')}",
        "verdict": verdict,
        "expected": _expected(found),
        "helps": found.helps,
        "equals": list(found.equals),
        "ties": ""
        if not others
        else f"{others} other law{'s' if others > 1 else ''} within this loss cannot be distinguished from it.",
    }


def _against_control(study: Study, line: ControlLine, trial: int) -> str:
    """What a law gains over the undefended classifiers that are at least as accurate."""
    gain = gain_of(study, line, trial)
    if gain is None:
        return "It is less accurate than every undefended control, so there is nothing to compare it with."
    law = float(study.trials.loc[trial].attack_accuracy)
    without = (
        f"Without defence, the lowest control of this natural accuracy ({gain.lowest}) leaks "
        f"{_percent(law + gain.points.value)}"
    )
    change = _change(_negative(gain.points))
    if gain.points.low > 0:
        share = f", {_share(gain.share)} of it" if gain.share is not None else ""
        return f"{without}, so that erasing itself changes {change}{share}."
    return f"{without}: erasing is not told from a classifier without defence ({change})."


def _negative(estimate: Estimate) -> Estimate:
    return Estimate(-estimate.value, -estimate.high, -estimate.low)


def _share(estimate: Estimate) -> str:
    value, low, high = (round(100 * one) for one in estimate)
    return f"{value} % [{low}, {high}]"


def _expected(found: Recommendation) -> str:
    """Why this law was chosen: the model's expectation, or "" if the measurements decided."""
    if found.expected is None:
        return ""
    warning = " Its measured loss is significantly larger than allowed: confirm it first." if found.costs_more else ""
    return (
        f"This law was chosen by a model that is fitted to all trials. It expects {_expectation_text(found.expected)}. "
        f"Its expectation depends less on luck than the measurement of a single law.{warning}"
    )


def _expectation_text(expected: Expectation) -> str:
    return (
        f"a natural accuracy of {_percent(expected.natural_accuracy)} ({expected.natural_loss * 100:.1f} points lost) "
        f"and an attack accuracy of {_percent(expected.attack_accuracy)}"
    )


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _interval(row: pd.Series, name: str) -> str:
    return f"[{row[f'{name}_low'] * 100:.0f}, {row[f'{name}_high'] * 100:.0f}]"


def _change(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    value, low, high = (round(v * 100, 1) + 0.0 for v in estimate)  # + 0.0: no minus zero
    return f"{value:+.1f} points [{low:+.0f}, {high:+.0f}]"


def headline(study: Study) -> str:
    """A few sentences that summarise the study, and what the recommended law gains over the undefended controls."""
    text, found, line = _summary(study), recommend(study, DEFAULT_LOSS), control_line(study)
    if found is None or line is None or study.undefended is None or found.trial == study.undefended.trial:
        return text
    return f"{text} {_against_control(study, line, found.trial)}"


def _summary(study: Study) -> str:
    complete, front = len(study.complete), len(study.front)
    if not complete:
        return "No law has been trained and attacked yet."
    text = (
        f"{complete} erasing law{'s were' if complete > 1 else ' was'} trained and attacked{_repeats(study)}; "
        f"{front} of them {'is' if front == 1 else 'are'} on the front."
    )
    found = recommend(study, DEFAULT_LOSS)
    if found is None or study.undefended is None or found.trial == study.undefended.trial:
        return text
    row = study.trials.loc[found.trial]
    name = row.reference or f"law {found.trial}"
    attack = (
        f"{_percent(row.attack_accuracy)} {_interval(row, 'attack_accuracy')} instead of "
        f"{_percent(study.undefended.attack_accuracy)} {_interval(study.undefended, 'attack_accuracy')} "
        f"({row.attack}, {row.budget} budget; judge {row.judge}, {_percent(row.judge_accuracy)} on real images)."
    )
    loss = f"{DEFAULT_LOSS * 100:.0f} points"
    advice = f"{text} If natural accuracy may fall by at most {loss}, the recommended law is {name}"
    if found.expected is None:
        return f"{advice}, with an attack accuracy of {attack}"
    return (
        f"{advice}, chosen by a model that is fitted to all trials. "
        f"The model expects {_expectation_text(found.expected)}. "
        f"Measured: natural accuracy {_percent(row.natural_accuracy)} {_interval(row, 'natural_accuracy')} instead of "
        f"{_percent(study.undefended.natural_accuracy)} {_interval(study.undefended, 'natural_accuracy')}, "
        f"attack accuracy {attack}"
    )


def controlled(study: Study) -> str:
    """Whether erasing buys more than a less accurate classifier without defence, in sentences; "" if that is unknown.

    A judge from outside that recognises anybody is asked as well.
    """
    judge, recogniser = (study.config.get("judge") or {}).get("name", ""), study.config.get("recogniser")
    asked = [("attack_accuracy", judge)]
    if recogniser and recogniser["name"] != judge:
        asked.append(("recognised", recogniser["name"]))
    sentences = []
    for column, name in asked:
        line = control_line(study, column)
        if line is None:
            continue
        found = gains(study, line, column)
        if not found.by_trial:
            continue
        against = f"classifiers without defence that are as accurate ({', '.join(line.kinds)})"
        kind, count = found.lowest
        all_laws = len(found.by_trial)
        if not found.better:
            sentences.append(f"Before {name}, no erasing law leaks less than all {against}.")
        else:
            best = max(found.better, key=lambda trial: found.by_trial[trial].points.low)
            gain = found.by_trial[best]
            title = study.trials.loc[best].reference or f"law {best}"
            value, low, high = (round(100 * v) for v in gain.points)
            share = f", {_share(gain.share)} of what the lowest leaks" if gain.share is not None else ""
            better = len(found.better)
            sentences.append(
                f"Before {name}, {better} of {all_laws} erasing laws leak{'s' if better == 1 else ''} less than all "
                f"{against}; surest is {title}, by {value} points [{low}, {high}]{share}."
            )
        if len(line.kinds) > 1:
            sentences.append(f"Lowest of them is {kind} for {count} of {all_laws} laws.")
    if sentences:
        sentences.append(
            "(95% intervals over people, not corrected for the number of laws; other trainings may differ.)"
        )
    return " ".join(sentences)


def believable(study: Study) -> str:
    """What the judge from outside and the prior's ceiling say of the headline, in sentences; "" if neither is known."""
    sentences = []
    recogniser, undefended = study.config.get("recogniser"), study.undefended
    if recogniser and undefended is not None and pd.notna(undefended.recognised):
        text = (
            f"The recogniser {recogniser['name']}, which has seen none of these people and is right on "
            f"{_percent(recogniser['held_out_accuracy'])} of their photographs, recognises "
            f"{_percent(undefended.recognised)} {_interval(undefended, 'recognised')} of the people in the "
            f"reconstructions from the model without defence"
        )
        found = recommend(study, DEFAULT_LOSS)
        if found is not None and found.trial != undefended.trial:
            row = study.trials.loc[found.trial]
            if pd.notna(row.recognised):
                text += f", and {_percent(row.recognised)} {_interval(row, 'recognised')} with the recommended law"
        chance = 1 / study.config["data"]["private"]["identities"]
        sentences.append(f"{text} (chance: {chance:.1%}).")
        if undefended.recognised_low <= chance:
            sentences.append("It may find nobody at all: what the judge recognises need not be faces.")
    if study.config.get("prior"):
        text = ceiling_sentence(study.config["prior"]["name"], study.config.get("ceilings", []))
        sentences += [text[0].upper() + text[1:] + "."] if text else []
    return " ".join(sentences)


def _repeats(study: Study) -> str:
    again = int((study.complete.runs > 1).sum())
    return f", {again} of them more than once" if again else ""


def _cost(study: Study) -> dict[str, str]:
    trials = study.runs
    ended = pd.to_datetime(trials.finished[trials.finished != ""], utc=True)
    begun = pd.to_datetime(trials.started[trials.started != ""], utc=True)
    wall = (ended.max() - begun.min()).total_seconds() if len(ended) and len(begun) else 0.0
    passes = trials.forward_passes.sum() + trials.backward_passes.sum()
    return {
        "wall": duration(wall),
        "worker": duration(float(trials.seconds.sum())),
        "passes": f"{passes / 1e6:.1f} million",
        "memory": f"{trials.peak_memory_mb.max():.0f} MB" if trials.peak_memory_mb.notna().any() else "not measured",
    }


def _first_pins(study: Study, recommendations: list[dict | None]) -> list[int]:
    """The trials that are pinned at first: no defence and the recommended law."""
    pins = [] if study.undefended is None else [int(study.undefended.trial)]
    found = recommendations[ALLOWED_LOSSES.index(DEFAULT_LOSS)]
    if found and found["trial"] not in pins:
        pins.append(found["trial"])
    return pins or [int(t) for t in study.complete.trial[:2]]
