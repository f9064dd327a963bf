"""Published figures beside a study's own, for the report of a set-up that follows a publication."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.statistics.records import Study
from mi_tune.paper import PaperSetup, PublishedFigure

TWIN = "this is the small twin of the set-up: its figures mean nothing beside published ones"


@dataclass(frozen=True)
class PublishedBeside:
    """What the page says of the publication.

    rows: one a figure, in words: what the target was trained with, natural and attack accuracy (or their change against
    no defence), attack budget and source. own: the study's reference points, as (name, natural, attack). differs: why
    the two cannot be compared.
    """

    title: str
    cell: str
    rows: list[dict[str, str]]
    own: list[dict[str, str]]
    differs: list[str]


def published_beside(study: Study) -> PublishedBeside | None:
    """The publication's figures and the study's own; None for a study that follows none."""
    stored = study.config["config"].get("paper")
    if not stored:
        return None
    paper = PaperSetup.model_validate(stored)
    attack = study.config["attack"]
    people = study.config["data"]["private"]["identities"]
    differs = [TWIN] if study.config.get("smoke") else []
    differs.append(f"here: attack {attack['name']} at the budget {attack['budget']} on {people} people")
    named = study.trials[study.trials.reference.notna()]
    own = [
        {
            "name": str(row.reference),
            "natural": _share(row.natural_accuracy, row.natural_accuracy_low, row.natural_accuracy_high),
            "attack": _share(row.attack_accuracy, row.attack_accuracy_low, row.attack_accuracy_high),
        }
        for row in named.itertuples()
    ]
    rows = [_row(figure) for figure in paper.figures]
    return PublishedBeside(paper.title, paper.cell, rows, own, [*differs, *paper.differs])


def _row(figure: PublishedFigure) -> dict[str, str]:
    return {
        "defence": figure.defence,
        "natural": _either(figure.natural_accuracy, figure.natural_change),
        "attack": _either(figure.attack_accuracy, figure.attack_change),
        "budget": figure.budget,
        "source": f"{figure.where} ({figure.status})",
    }


def _either(value: float | None, change: float | None) -> str:
    if value is not None:
        return f"{value:.1%}"
    return "" if change is None else f"{change * 100:+.1f} points"


def _share(value: float, low: float, high: float) -> str:
    """An accuracy with its interval; empty for one that a trial does not have, such as an infeasible one."""
    return "" if value != value else f"{value:.1%} [{low * 100:.0f}, {high * 100:.0f}]"
