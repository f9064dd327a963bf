"""The study's event log: an Optuna journal of the trials that were started, their results, and those still open.

One process writes it. However that process ends, the journal can be opened again: trials that were handed out but
never got a result are handed out once more under their old number.
"""

from __future__ import annotations

import math
import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from mi_tune.defences.columns import treatment_columns
from mi_tune.erasing import REFERENCE_LAWS, ErasingLaw
from mi_tune.search.optuna_private import ask, open_trial, storage_id
from mi_tune.search.repeats import Repeats
from mi_tune.search.samplers import REFERENCE, make_sampler
from mi_tune.search.space import distributions, law_from, mix_from
from mi_tune.search.state import State
from mi_tune.search.warm import WarmStart
from mi_tune.setup import SearchSetup
from mi_tune.study.fixed_laws import FixedLaws, reference_points
from mi_tune.study.floor import Floor
from mi_tune.study.journal_file import JournalFile
from mi_tune.study.journal_storage import OpenTrialsStorage
from mi_tune.study.trial_index import TrialIndex
from mi_tune.trial.table import frame_of

OBJECTIVES = ["natural_accuracy", "attack_accuracy"]


@dataclass(frozen=True)
class Asked:
    """A trial to run.

    Args:
        number: of the trial in the study.
        law: to train with. defences: the others, as `Treatment.mix` writes them.
        reference: name of the reference point, or "".
        floor: natural accuracy below which the trial is infeasible, or None.
        again: an earlier run of the study started this trial and did not end it.
        repeat: how many earlier trials ran the same law; the seeds of this trial differ from theirs.
    """

    number: int
    law: ErasingLaw
    reference: str
    floor: float | None
    again: bool
    repeat: int = 0
    defences: str = ""


class StudyJournal:
    """Two-objective Optuna study in a journal file, with an ask-and-tell interface.

    Reference points are the first trials. The sampler learns from those inside the search space. The others are kept
    in a second Optuna study in the same file, `<name> references`, because a model of the space cannot represent them.

    How the states of a trial map to Optuna's:

    - complete: COMPLETE.
    - failed: FAIL.
    - infeasible: COMPLETE with a violated constraint, the only way to tell model-based samplers about it. Its attack
      accuracy was not measured; Optuna is given 1, the worst value, and the attribute
      `attack_accuracy_told_not_measured` marks this.
    - stopped: PRUNED, without values, because a half-trained target says little about the finished one.
    - running: RUNNING. So is a trial that has ended while the floor is still unknown; its results are stored in its
      attributes at once.

    Args:
        path: the journal file, made if missing; None keeps everything in memory.
        name: of the study.
        search: space, sampler, number of trials and floor.
        seed: of the study; the sampler is seeded with it.
        people: number of people whose accuracies a trial averages; determines the noise of a trial's accuracies.
        references: whether the reference points are trials of this study.
        warm: what is taken over from an earlier study: laws that are run right after the reference points, and trials
            that the sampler may learn from.
    """

    def __init__(
        self,
        path: Path | None,
        name: str,
        search: SearchSetup,
        seed: int,
        people: int,
        references: bool = True,
        warm: WarmStart | None = None,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._file = None if path is None else JournalFile(path)
        self._storage: BaseStorage = InMemoryStorage() if self._file is None else OpenTrialsStorage(self._file)
        self.search, self.seed = search, seed
        self.space = distributions(search.space)
        self._references = reference_points(search.space)
        self.main = _open(self._storage, name)
        self.aside = _open(self._storage, f"{name} references")
        self.main.sampler = make_sampler(
            search.sampler,
            self.space,
            seed,
            search.startup,
            None if warm is None else warm.observed,
            search.min_accuracy_kept,
        )
        self.repeats = Repeats(search.repeats, people)
        self._running: dict[int, tuple[optuna.Study, Trial]] = {}
        self._ended: list[tuple[optuna.Study, Trial]] = []
        self._left_open: list[tuple[optuna.Study, Trial]] = []
        self._index = TrialIndex()
        self._floor = Floor(search.min_accuracy, search.min_accuracy_kept, self._undefended)
        self._finished = 0
        self._law_columns: dict[int, dict[str, Any]] = {}
        for study, frozen in self._all():
            self._index.note((study, storage_id(frozen)), frozen.user_attrs)
            self._finished += frozen.state.is_finished()
            if frozen.state == TrialState.RUNNING:
                ended = frozen.user_attrs.get("state", State.RUNNING) != State.RUNNING
                (self._ended if ended else self._left_open).append((study, open_trial(study, storage_id(frozen))))
        self._left_open.sort(key=lambda pair: pair[1].user_attrs.get("trial", math.inf))
        self._fixed = FixedLaws(search.space, references, warm, (t.user_attrs for _, t in self._all()))
        for record in self._records():
            self.repeats.handed_out(record["trial"], record.get("repeat_of", record["trial"]))
            if record["state"] != State.RUNNING:
                self.repeats.over(record["trial"], _measured(record))
        with self.batch_writes():
            self._settle()

    def _all(self) -> list[tuple[optuna.Study, FrozenTrial]]:
        return [(study, t) for study in (self.main, self.aside) for t in study.get_trials(deepcopy=False)]

    def _records(self) -> list[dict[str, Any]]:
        """Attributes of all trials that were handed out, in the order of their numbers."""
        # a trial's state is the last attribute written when it is handed out
        found = [t.user_attrs for _, t in self._all() if "state" in t.user_attrs]
        return sorted(found, key=lambda record: record["trial"])

    def batch_writes(self) -> AbstractContextManager[None]:
        """Context in which log entries are collected, and written to the file together when it ends."""
        return nullcontext() if self._file is None else self._file.batch_writes()

    # --------------------------------------------------------------------------------------------------- asking

    def remaining(self) -> int:
        """Number of trials still to be handed out, including those that an earlier run left open."""
        finished = self._finished + len(self._ended)
        return max(self.search.trials - finished - len(self._running), len(self._left_open))

    @property
    def running(self) -> int:
        """Number of trials that were handed out and have no result yet."""
        return len(self._running)

    def ask(self) -> Asked | None:
        """The next trial to run, or None if the study has all its trials."""
        with self.batch_writes():
            return self._ask()

    def _ask(self) -> Asked | None:
        if self._left_open:
            return self._hand_out(*self._left_open.pop(0), again=True)
        if self.remaining() == 0:
            return None
        if (fixed := self._fixed.next()) is not None:
            if fixed.params is None:
                trial = self.aside.ask()
                for key, value in fixed.attributes.items():
                    trial.set_user_attr(key, value)
                return self._hand_out(self.aside, trial)
            self.main.enqueue_trial(fixed.params, user_attrs=fixed.attributes)
        elif (number := self.repeats.next()) is not None:
            return self._repeat(number)
        return self._hand_out(self.main, ask(self.main, self.space))

    def _repeat(self, number: int) -> Asked:
        """A new trial, with other seeds, of the law that trial `number` was the first to run."""
        study, trial_id = self._index.handed_out[number]
        first = self._storage.get_trial(trial_id)
        attributes: dict[str, Any] = {"repeat_of": number, "repeat": 1 + self._index.repeats_of(number)}
        if first.user_attrs.get(REFERENCE):
            attributes[REFERENCE] = first.user_attrs[REFERENCE]
        with self.batch_writes():
            study.enqueue_trial(first.params, user_attrs=attributes)
            return self._hand_out(study, ask(study, self.space if study is self.main else {}))

    def _hand_out(self, study: optuna.Study, trial: Trial, again: bool = False) -> Asked:
        attributes = trial.user_attrs
        reference = attributes.get(REFERENCE, "")
        # computed here, because the process may have ended before it wrote the attributes of an earlier trial
        if reference:
            law, defences = self._references[reference]
        else:
            law, defences = law_from(self.search.space, trial.params), mix_from(self.search.space, trial.params)
        number = attributes.get("trial", self._index.next_number)
        # repeats are always attacked: they are run for the mean of both accuracies
        # reference points of erasing are too, because everybody wants to see them; those of other defences are not: one
        # that breaks the training would look perfectly private
        floor = None if reference in REFERENCE_LAWS or "repeat_of" in attributes else self.floor()
        treatment = {"law": law.to_dict()} | ({"defences": defences} if defences else {})
        for key, value in {"trial": number, **treatment, "floor": floor, "state": State.RUNNING}.items():
            trial.set_user_attr(key, value)
        self._index.note((study, storage_id(trial)), trial.user_attrs)
        self._running[number] = (study, trial)
        self.repeats.handed_out(number, attributes.get("repeat_of", number))
        return Asked(number, law, reference, floor, again, attributes.get("repeat", 0), defences)

    def floor(self) -> float | None:
        """Natural accuracy below which a trial is infeasible, as far as known now; None without a floor."""
        return self._floor.value()

    def _undefended(self) -> dict[str, Any] | None:
        """Attributes of the trial without defence, or None if it was not handed out."""
        if self._index.undefended is None:
            return None
        _, trial_id = self._index.undefended
        return self._storage.get_trial(trial_id).user_attrs

    # -------------------------------------------------------------------------------------------------- telling

    def tell(self, number: int, state: str, record: dict[str, Any]) -> str:
        """Store the result of a trial.

        Args:
            number: of the trial.
            state: `complete`, `infeasible`, `stopped` or `failed`.
            record: columns of the trial's row.

        Returns:
            The final state. It differs from `state` if the floor made the trial infeasible, or if an accuracy is
            missing or not finite, which makes it failed.
        """
        with self.batch_writes():
            return self._tell(number, state, record)

    def _tell(self, number: int, state: str, record: dict[str, Any]) -> str:
        study, trial = self._running.pop(number)
        for name in OBJECTIVES:
            measured = record.get(name)
            due = state == State.COMPLETE or (state == State.INFEASIBLE and name == "natural_accuracy")
            if due and (measured is None or not math.isfinite(measured)):
                state, record = State.FAILED, {**record, "reason": f"{name} is {measured}"}
        # the state last: from then on the trial has ended, even if this process ends before it reports that to Optuna
        for key, value in {**record, "state": state}.items():
            trial.set_user_attr(key, value)
        self._ended.append((study, trial))
        self._settle()
        return trial.user_attrs["state"]

    def _settle(self) -> None:
        """Report ended trials to Optuna, once the floor that they are compared with is known."""
        if self._floor.pending(self._fixed.undefended_to_come):
            return
        floor = self.floor()
        while self._ended:
            study, trial = self._ended.pop(0)
            self._finished += 1
            attributes = trial.user_attrs
            self.repeats.over(attributes["trial"], _measured(attributes))
            if attributes["state"] in (State.FAILED, State.STOPPED):
                study.tell(trial, state=TrialState.FAIL if attributes["state"] == State.FAILED else TrialState.PRUNED)
                continue
            natural = attributes["natural_accuracy"]
            # Optuna's Gaussian-process sampler needs the constraint on every trial, or raises
            excess = (floor if floor is not None else 0.0) - natural
            with warnings.catch_warnings():
                # already set if an earlier process ended between this line and `study.tell`; the first value stays
                warnings.filterwarnings("ignore", message="The constraint value is ignored")
                trial.set_constraint("natural_accuracy_floor", excess)
            exempt = attributes.get(REFERENCE) in REFERENCE_LAWS or "repeat_of" in attributes
            if attributes["state"] == State.COMPLETE and excess > 0 and not exempt:
                # it started before the floor was known; its attack accuracy stays in the table
                trial.set_user_attr("floor", floor)
                trial.set_user_attr("reason", f"natural accuracy below the floor {floor:.3f}")
                trial.set_user_attr("state", State.INFEASIBLE)
                self.repeats.over(attributes["trial"], None)
            attack = attributes.get("attack_accuracy")
            if attack is None:
                trial.set_user_attr("attack_accuracy_told_not_measured", True)
            study.tell(trial, [natural, 1.0 if attack is None else attack])

    # ---------------------------------------------------------------------------------------------------- table

    def table(self) -> pd.DataFrame:
        """The table of trials, one row per trial; see `mi_tune.trial.table`."""
        return frame_of(
            self._row(t)
            for _, t in self._all()
            if "state" in t.user_attrs  # a trial without a state was not fully handed out
        )

    def row(self, number: int) -> dict[str, Any]:
        """The row of one trial, with the columns that it has so far."""
        _, trial_id = self._index.handed_out[number]
        return self._row(self._storage.get_trial(trial_id))

    def _row(self, trial: FrozenTrial) -> dict[str, Any]:
        attributes = trial.user_attrs
        if (key := storage_id(trial)) not in self._law_columns:
            self._law_columns[key] = treatment_columns(attributes["law"], attributes.get("defences", ""))
        own = {"reference": attributes.get(REFERENCE, ""), "seed": self.seed}
        return {**attributes, **own, **self._law_columns[key]}


def _measured(record: dict[str, Any]) -> tuple[float, float] | None:
    """Natural and attack accuracy of a complete trial, or None for another."""
    return (record["natural_accuracy"], record["attack_accuracy"]) if record["state"] == State.COMPLETE else None


def _open(storage: BaseStorage, name: str) -> optuna.Study:
    study = optuna.create_study(
        study_name=name, storage=storage, directions=["maximize", "minimize"], load_if_exists=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names(OBJECTIVES)
    return study
