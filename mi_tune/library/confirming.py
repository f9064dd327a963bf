"""Confirm a study's front: fresh seeds, more attacks, other judges."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from rich.console import Console

from mi_tune.confirmation.plan import BUDGET_LADDER, CONTROL_ATTACKS, PORTFOLIO, QUICK_PORTFOLIO, Plan
from mi_tune.confirmation.run import ConfirmOptions
from mi_tune.confirmation.run import confirm as run_confirmation
from mi_tune.library.frames import table_html
from mi_tune.library.studies import Study
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.notebook import new_console
from mi_tune.runtime.shadowing import check_packages
from mi_tune.runtime.wording import did_you_mean
from mi_tune.trial.attempts import check_attacks

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class Confirmation:
    """The confirmation of a study, by the study's folder.

    Args:
        study: the study, or its folder.

    Raises:
        InputError: the folder holds no confirmed study.
    """

    def __init__(self, study: Study | str | os.PathLike[str]) -> None:
        check_packages("analysis")
        from analysis.statistics import load_confirmation

        self.study = study if isinstance(study, Study) else Study(study)
        self._records = load_confirmation(self.study.folder)
        self._verdicts: pd.DataFrame | None = None

    @property
    def folder(self) -> Path:
        """Folder of the confirmation, in the study's."""
        return self._records.folder

    @property
    def verdicts(self) -> pd.DataFrame:
        """One row a law that erases: `law`, the `verdict` in a word, and the sentences that say `why`."""
        if self._verdicts is None:
            from analysis.statistics.comparisons import compare
            from analysis.statistics.evidence import draw_evidence
            from analysis.statistics.verdict import verdicts

            evidence = draw_evidence(self._records)
            found = verdicts(evidence, compare(evidence))
            rows = [
                {"law": one.law, "verdict": one.word, "why": f"{one.sentence} {one.reason}".strip()} for one in found
            ]
            self._verdicts = pd.DataFrame(rows, columns=["law", "verdict", "why"])
        return self._verdicts.copy()

    @property
    def table(self) -> pd.DataFrame:
        """One row an attack on a fresh target; docs/study_folder.md explains the columns."""
        return self._records.tables["attacks"].copy()

    def figure(self, name: str = "front") -> Figure:
        """A figure of the report: `front`, or `ladder` where budgets rise. Raises InputError if it is not there."""
        from analysis.pages import confirmation_figures

        found = confirmation_figures(self._records)
        if name not in found:
            raise InputError(f"no figure '{name}' of this confirmation; {did_you_mean(name, found, otherwise=found)}")
        return found[name]

    def report(self) -> Path:
        """Write its report.html; returns the path."""
        from analysis.pages import write_confirmation_report

        return write_confirmation_report(self.study.folder)

    def __repr__(self) -> str:
        laws = len(self._records.defended)
        return f"<mi_tune confirmation of '{self.study.name}': {laws} laws, {self._records.seeds} seeds; {self.folder}>"

    def _repr_html_(self) -> str:
        titles = {name: name for name in ("law", "verdict", "why")}
        return f"<div><b>{escape(self.study.name)}</b>, confirmed{table_html(self.verdicts, titles)}</div>"


def plan_confirmation(
    seeds: int | None,
    points: int | None,
    attacks: Sequence[str] | None,
    quick: bool,
    augmentations: bool,
    address: str | None,
    gpus_per_trial: float | None,
    workers: int | None,
) -> ConfirmOptions:
    """The options of a confirmation with their defaults; see `confirm`. Raises InputError for an unknown attack."""
    portfolio = check_attacks(attacks or (QUICK_PORTFOLIO if quick else PORTFOLIO))
    plan = Plan(
        seeds=seeds or (2 if quick else 3),
        portfolio=portfolio,
        ladder=() if quick else BUDGET_LADDER,
        controls=check_attacks(CONTROL_ATTACKS),
    )
    return ConfirmOptions(
        plan=plan,
        points=points if points is not None else (2 if quick else 4),
        augmentations=augmentations and not quick,
        address=address,
        gpus_per_trial=gpus_per_trial,
        workers=workers,
    )


def run_planned(study: Path, options: ConfirmOptions, console: Console) -> None:
    """Confirm the study in a folder. Raises InputError."""
    run_confirmation(study, options, console)


def confirm(
    study: Study | str | os.PathLike[str],
    *,
    seeds: int | None = None,
    points: int | None = None,
    attacks: Sequence[str] | None = None,
    quick: bool = False,
    augmentations: bool = True,
    address: str | None = None,
    gpus_per_trial: float | None = None,
    workers: int | None = None,
    quiet: bool = False,
) -> Confirmation:
    """Train the reference points and the best laws of a study anew, and attack them with a portfolio.

    Finished work is kept: the same call continues after an interrupt.

    Args:
        study: the study, or its folder.
        seeds: fresh targets of every law. Default: 3, or 2 if `quick`.
        points: laws beside the reference points. Default: 4, or 2 if `quick`.
        attacks: as `name` or `name:budget`. Default: those of docs/confirm.md.
        quick: two seeds, two laws, three attacks, no budget ladder: a first look.
        augmentations: whether other augmentations are controls too; not if `quick`.
        address, gpus_per_trial, workers, quiet: see `tune`.

    Raises:
        InputError: the study is not finished or its images have changed, or an attack is unknown.

    Example:
        >>> study = tune("orl", smoke=True, out="results", name="small", trials=4, resolution=16, identities=6,
        ...     workers=2, quiet=True)
        >>> confirmed = confirm(study, seeds=1, points=0, attacks=["map_logit"], quick=True, workers=2, quiet=True)
        >>> confirmed.verdicts.columns.tolist()
        ['law', 'verdict', 'why']
    """
    options = plan_confirmation(seeds, points, attacks, quick, augmentations, address, gpus_per_trial, workers)
    folder = study.folder if isinstance(study, Study) else Path(study)
    run_planned(folder, options, new_console(quiet))
    return Confirmation(folder)
