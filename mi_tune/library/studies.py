"""A study in hand: its table, front, recommendation, figures and report, read from its folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mi_tune.defences.columns import described
from mi_tune.defences.defence import Defence
from mi_tune.defences.export import treatment_snippet
from mi_tune.erasing import ErasingLaw
from mi_tune.erasing.picture import law_html
from mi_tune.judging.intervals import Estimate
from mi_tune.library.frames import FRONT_COLUMNS, percent, table_html
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.shadowing import check_packages
from mi_tune.search.state import State
from mi_tune.trial.table_columns import MEANINGS

if TYPE_CHECKING:
    import optuna
    from plotly.graph_objects import Figure

    from analysis.statistics import Study as Records


@dataclass(frozen=True)
class Recommendation:
    """The law that a study recommends for an allowed loss of natural accuracy.

    Args:
        trial: number of its first trial. name: of the reference point, or `law <trial>`.
        law: with its fill as numbers, ready to use. defences: what else the targets were trained with.
        max_loss: the allowed loss, as a share (0.05: five points).
        natural_accuracy, attack_accuracy: measured, each with a 95 % interval over people.
        natural_change, attack_change: measured change from no defence, paired by person; None if it is no defence.
        over_controls: attack accuracy of the lowest undefended control that is at least as accurate (stopped early, on
            fewer images, a smaller network, with another start), minus the law's, with an interval over people; None if
            it is no defence or cannot be compared. lowest_control: the kind of that control, or "".
        code: Python code to paste, with torchvision where that can express the law.
    """

    trial: int
    name: str
    law: ErasingLaw
    defences: tuple[Defence, ...]
    max_loss: float
    natural_accuracy: Estimate
    attack_accuracy: Estimate
    natural_change: Estimate | None
    attack_change: Estimate | None
    over_controls: Estimate | None
    lowest_control: str
    code: str

    @property
    def undefended(self) -> bool:
        """Whether it is the training without defence."""
        return self.law.probability == 0 and not self.defences

    @property
    def helps(self) -> bool | None:
        """Whether the attack accuracy is significantly below the one without defence (95 %); None if unknown."""
        if self.undefended:
            return False
        return None if self.attack_change is None else self.attack_change.high < 0

    @property
    def transform(self) -> ErasingLaw:
        """A step for a transform pipeline, before normalisation.

        It takes one image (channels, height, width) or a batch, uint8 or floats in [0, 1], and returns the same.
        """
        return self.law

    def __repr__(self) -> str:
        text = f"natural {percent(self.natural_accuracy)}, attack {percent(self.attack_accuracy)}"
        return f"<{self.name}: {text}; {self.verdict}>"

    @property
    def verdict(self) -> str:
        """Whether it helps, in a few words."""
        if self.undefended:
            return "no law within this loss had a lower attack accuracy"
        if self.attack_change is None:
            return "its difference from no defence has no interval"
        change = percent(self.attack_change, "+")
        text = f"attack {change} against no defence{'' if self.helps else ', no significant reduction'}"
        if self.over_controls is None:
            return text
        less, told = percent(self.over_controls, "+"), self.over_controls.low > 0
        return (
            f"{text}; {less} less than the lowest control ({self.lowest_control}){'' if told else ', not told from it'}"
        )

    def _repr_html_(self) -> str:
        text = f"natural {percent(self.natural_accuracy)}, attack {percent(self.attack_accuracy)}"
        return (
            f"<div><b>{escape(self.name)}</b>: {escape(text)}<br>{escape(self.verdict)}"
            f"{law_html(self.law)}<pre>{escape(self.code)}</pre></div>"
        )


class Study:
    """A study, by its folder. What it says follows the folder: a study that goes on elsewhere can be watched.

    Args:
        folder: of the study, such as `results/orl`.

    Raises:
        InputError: the folder holds no study.

    Example:
        >>> study = Study("results/orl")
        >>> print(study.name, study.state)
        orl 5 of 5 trials: 4 complete, 1 infeasible
    """

    columns: pd.Series = pd.Series(MEANINGS, name="meaning")
    """What each column of `table` means."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).absolute()
        self._read: tuple[int, Records] | None = None
        self._records  # noqa: B018  a folder that is no study is refused at once

    @property
    def _records(self) -> Records:
        """The study as read from its folder; read again when its table has changed."""
        check_packages("analysis")
        from analysis.statistics import load_study

        table = self.folder / "trials.parquet"
        changed = table.stat().st_mtime_ns if table.exists() else 0
        if self._read is None or self._read[0] != changed:
            self._read = changed, load_study(self.folder)
        return self._read[1]

    @property
    def name(self) -> str:
        """Name of the study."""
        return str(self._records.config["name"])

    @property
    def setup(self) -> dict[str, Any]:
        """The resolved set-up, as plain values; `build_setup` makes one from a file."""
        return self._records.config["config"]

    @property
    def table(self) -> pd.DataFrame:
        """One row a trial; `columns` explains the columns."""
        return self._records.runs.reset_index(drop=True).copy()

    @property
    def laws(self) -> pd.DataFrame:
        """One row a law, with its repeats combined; the same columns and `runs`."""
        return self._records.trials.reset_index(drop=True).copy()

    @property
    def front(self) -> pd.DataFrame:
        """The laws that no other law beats on both accuracies, by decreasing natural accuracy."""
        return self._records.front.reset_index(drop=True).copy()

    @property
    def finished(self) -> bool:
        """Whether all trials that the set-up asks for have ended."""
        runs = self._records.runs
        return len(runs) >= self._planned and not (runs.state == State.RUNNING).any()

    @property
    def _planned(self) -> int:
        return int(self.setup["search"]["trials"])

    @property
    def state(self) -> str:
        """How many trials have ended, and how, in a few words."""
        counts = self._records.runs.state.value_counts().sort_index()
        ended = int(counts.sum() - counts.get(State.RUNNING, 0))
        return (
            f"{ended} of {self._planned} trials: {', '.join(f'{n} {state}' for state, n in counts.items()) or 'none'}"
        )

    def law(self, trial: int) -> ErasingLaw:
        """The erasing law of a trial, with its fill as numbers. Raises InputError if there is no such trial."""
        runs = self._records.runs
        if trial not in runs.index:
            raise InputError(f"{self.folder}: no trial {trial}; there are {len(runs)}")
        first = runs.repeat_of[trial]
        return self._records.law(trial if pd.isna(first) else int(first))

    def recommend(self, max_loss: float = 0.05) -> Recommendation:
        """The law with the lowest expected attack accuracy, if natural accuracy may fall by `max_loss`.

        Args:
            max_loss: share of natural accuracy below no defence, in [0, 1]; 0.05 is five points.

        Raises:
            InputError: `max_loss` is outside [0, 1], or the trial without defence has not ended.

        Example:
            >>> found = Study("results/orl").recommend(max_loss=0.2)
            >>> found.name, found.law.fill, found.helps
            ('law 4', (0.45,), True)
            >>> import torch
            >>> found.transform(torch.rand(8, 1, 32, 32)).shape
            torch.Size([8, 1, 32, 32])
        """
        from analysis.statistics.control_line import control_line, gain_of
        from analysis.statistics.recommendation import recommend

        if isinstance(max_loss, bool) or not isinstance(max_loss, (int, float)) or not 0 <= max_loss <= 1:
            raise InputError(f"max_loss {max_loss!r}: give a share in [0, 1], such as 0.05 for five points")
        records = self._records
        found = recommend(records, float(max_loss))
        if found is None:
            raise InputError(
                f"{self.folder}: the trial without defence has not ended, so no law can be recommended yet"
            )
        row, treatment = records.trials.loc[found.trial], records.treatment(found.trial)
        law = treatment.law
        line = None if treatment.undefended else control_line(records)
        gain = gain_of(records, line, found.trial) if line is not None else None
        side, channels = records.config["data"]["resolution"], records.config["data"]["channels"]
        natural, attack = (
            Estimate(*(float(row[f"{column}{end}"]) for end in ("", "_low", "_high")))
            for column in ("natural_accuracy", "attack_accuracy")
        )
        return Recommendation(
            trial=found.trial,
            name=str(row.reference) or f"law {found.trial}",
            law=law,
            defences=treatment.defences,
            max_loss=float(max_loss),
            natural_accuracy=natural,
            attack_accuracy=attack,
            natural_change=found.natural_change,
            attack_change=found.attack_change,
            over_controls=gain.points if gain is not None else None,
            lowest_control=gain.lowest if gain is not None else "",
            code=treatment_snippet(treatment, side, channels),
        )

    def figure(self, name: str = "front") -> Figure:
        """A figure of the report as a Plotly figure, which a notebook shows.

        Args:
            name: `front`, `progress`, `training`, `parameters`, `maps`, `importance-natural`, `importance-attack`,
                `importance-towards` or `importance-along`.

        Raises:
            InputError: an unknown name, or the study has too few trials for the figure.

        Example:
            >>> figure = Study("results/orl").figure("front")
            >>> figure.data[-1].name
            'infeasible'
        """
        from analysis.figures.of_study import study_figure

        return study_figure(self._records, name)

    def report(self, include_images: bool | None = None) -> Path:
        """Write report.html, one file that works offline; returns its path.

        Args:
            include_images: whether it may show faces. Default: as the study was run; never for your own images.
        """
        from analysis.pages import write_report

        return write_report(self.folder, include_images)

    def to_optuna(self, storage: str | None = None) -> optuna.Study:
        """The study as one Optuna study: both objectives, the floor as a constraint, all parameters of every law.

        Args:
            storage: URL of an Optuna storage to write it to, for optuna-dashboard. Default: in memory.

        Raises:
            InputError: the storage cannot be used, or holds a study of this name.

        Example:
            >>> study = Study("results/orl").to_optuna()
            >>> [direction.name for direction in study.directions], len(study.trials)
            (['MAXIMIZE', 'MINIMIZE'], 5)
        """
        from mi_tune.library.optuna_study import optuna_study

        return optuna_study(self._records.runs, self.name, storage)

    def __repr__(self) -> str:
        return f"<mi_tune study '{self.name}': {self.state}; {self.folder}>"

    def _repr_html_(self) -> str:
        from analysis.pages import headline

        records = self._records
        front = records.front.assign(law=[described(row) for _, row in records.front.iterrows()])
        return (
            f"<div><b>{escape(self.name)}</b>: {escape(self.state)}<p>{escape(headline(records))}</p>"
            f"{table_html(front, FRONT_COLUMNS)}<small>{escape(str(self.folder))}</small></div>"
        )


def load(folder: str | os.PathLike[str]) -> Study:
    """The study in a folder.

    Args:
        folder: such as `results/orl`.

    Raises:
        InputError: the folder is missing or holds no study.

    Example:
        >>> load("results/orl")
        <mi_tune study 'orl': 5 of 5 trials: 4 complete, 1 infeasible; ...results/orl>
    """
    return Study(folder)
