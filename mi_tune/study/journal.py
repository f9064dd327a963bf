"""The study's event log: an Optuna journal that says what was asked, what came back, and what is still open.

One process writes it. Whatever happens to that process, the journal can be opened again: trials that it asked for
and that were never told are handed out once more under their old number.
"""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from mi_tune.erasing import REFERENCE_LAWS, ErasingLaw
from mi_tune.erasing.columns import law_columns
from mi_tune.search.repeats import Repeats
from mi_tune.search.samplers import REFERENCE, make_sampler
from mi_tune.search.space import distributions, law_from, params_of
from mi_tune.search.warm import WarmStart
from mi_tune.setup import SearchSetup
from mi_tune.study.journal_file import JournalFile
from mi_tune.study.journal_storage import OpenTrialsStorage
from mi_tune.trial.table import frame_of

NO_DEFENCE = "no defence"
WARM = "warm"
"""Attribute of the laws that an earlier study had found: their place among them."""
OBJECTIVES = ["natural_accuracy", "attack_accuracy"]


@dataclass(frozen=True)
class Asked:
    """A trial to run: its number, law, reference name (or "") and floor; `again` if an earlier run left it open.

    `repeat` is 0, or k where the law was handed out k times before and is to be run with other seeds.
    """

    number: int
    law: ErasingLaw
    reference: str
    floor: float | None
    again: bool
    repeat: int = 0


class StudyJournal:
    """Two-objective Optuna study in a journal file.

    Reference points come first. Those that lie in the searched space teach the sampler; the others are kept in a
    second study of the same file, `<name> references`, because a model of the space cannot hold them.

    To Optuna a complete trial is COMPLETE, a failed one FAIL. An infeasible one is COMPLETE with its constraint
    violated, which is the only way to tell the model samplers about it; its attack accuracy was not measured, and
    is told as 1, the worst, and marked `attack_accuracy_told_not_measured`. An open one stays RUNNING, and so does
    one that is over, until the floor is known: its results are in its attributes from the moment they are in.
    A stopped one is PRUNED and has no values: what it had reached is not what it would have become.

    Args:
        path: the journal file, made if missing; None keeps everything in memory.
        people: whose accuracies a trial averages, of which depends how far they can be trusted.
        references: whether the reference points are trials of this study.
        warm: what is taken over from an earlier study: laws that come right after the reference points, and trials
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
        storage = InMemoryStorage() if self._file is None else OpenTrialsStorage(self._file)
        self.search, self.seed = search, seed
        self.space = distributions(search.space)
        self.main = _open(storage, name)
        self.aside = _open(storage, f"{name} references")
        self.main.sampler = make_sampler(
            search.sampler,
            self.space,
            seed,
            search.startup,
            len(self.main.get_trials()),
            None if warm is None else warm.observed,
            search.min_accuracy_kept,
        )
        self.repeats = Repeats(search.repeats, people)
        self._live: dict[int, tuple[optuna.Study, Trial]] = {}
        self._held: list[tuple[optuna.Study, Trial]] = []
        self._orphans: list[tuple[optuna.Study, Trial]] = []
        # what would otherwise be counted in all trials, each time
        self._handed_out: dict[int, tuple[optuna.Study, int]] = {}
        self._runs: defaultdict[int, set[int]] = defaultdict(set)
        self._next = self._finished = 0
        self._undefended_at: tuple[optuna.Study, int] | None = None
        self._law_columns: dict[int, dict[str, Any]] = {}
        for study, frozen in self._all():
            self._note(study, frozen._trial_id, frozen.user_attrs)
            self._finished += frozen.state.is_finished()
            if frozen.state == TrialState.RUNNING:
                over = frozen.user_attrs.get("state", "running") != "running"
                (self._held if over else self._orphans).append((study, Trial(study, frozen._trial_id)))
        self._orphans.sort(key=lambda pair: pair[1].user_attrs.get("trial", math.inf))
        present = {t.user_attrs.get(REFERENCE) for _, t in self._all()}
        self._references = [name for name in REFERENCE_LAWS if references and name not in present]
        known = [t.user_attrs[WARM] for t in self.main.get_trials(deepcopy=False) if WARM in t.user_attrs]
        self._first = [k for k in range(0 if warm is None else len(warm.first)) if k not in known]
        self._warm = warm
        for record in self._records():
            self.repeats.handed_out(record["trial"], record.get("repeat_of", record["trial"]))
            if record["state"] != "running":
                self.repeats.over(record["trial"], _measured(record))
        with self.together():
            self._settle()

    def _all(self) -> list[tuple[optuna.Study, FrozenTrial]]:
        return [(study, t) for study in (self.main, self.aside) for t in study.get_trials(deepcopy=False)]

    def _records(self) -> list[dict[str, Any]]:
        """Attributes of the trials that were handed out, by number."""
        # the state is written last when a trial is handed out
        found = [t.user_attrs for _, t in self._all() if "state" in t.user_attrs]
        return sorted(found, key=lambda record: record["trial"])

    def _note(self, study: optuna.Study, trial_id: int, attributes: dict[str, Any]) -> None:
        """Remember where a trial is, under the numbers that it is asked for by."""
        if "trial" in attributes:
            self._handed_out[attributes["trial"]] = study, trial_id
            self._next = max(self._next, attributes["trial"] + 1)
        if "repeat_of" in attributes:
            self._runs[attributes["repeat_of"]].add(trial_id)
        if attributes.get(REFERENCE) == NO_DEFENCE and self._undefended_at is None:
            self._undefended_at = study, trial_id

    def together(self) -> AbstractContextManager[None]:
        """Within it, everything is written to the file at once, when it ends."""
        return nullcontext() if self._file is None else self._file.together()

    # --------------------------------------------------------------------------------------------------- asking

    def remaining(self) -> int:
        """Trials still to be handed out, those left open by an earlier run among them."""
        finished = self._finished + len(self._held)
        return max(self.search.trials - finished - len(self._live), len(self._orphans))

    @property
    def out(self) -> int:
        """Trials that are handed out and not told."""
        return len(self._live)

    def ask(self) -> Asked | None:
        """The next trial, or None when the study has all it was asked for."""
        with self.together():
            return self._ask()

    def _ask(self) -> Asked | None:
        if self._orphans:
            return self._hand_out(*self._orphans.pop(0), again=True)
        if self.remaining() == 0:
            return None
        if self._references:
            name = self._references.pop(0)
            params = params_of(self.search.space, REFERENCE_LAWS[name])
            if params is None:
                trial = self.aside.ask()
                trial.set_user_attr(REFERENCE, name)
                return self._hand_out(self.aside, trial)
            self.main.enqueue_trial(params, user_attrs={REFERENCE: name})
        elif self._warm is not None and self._first:
            k = self._first.pop(0)
            self.main.enqueue_trial(self._warm.first[k], user_attrs={WARM: k})
        elif (doubted := self.repeats.next()) is not None:
            return self._ask_again(doubted)
        return self._hand_out(self.main, self.main.ask(self.space))

    def _ask_again(self, number: int) -> Asked:
        """The law that trial `number` was the first to run, once more, as a trial of its own with other seeds."""
        study, trial_id = self._handed_out[number]
        first = study._storage.get_trial(trial_id)
        attributes: dict[str, Any] = {"repeat_of": number, "repeat": 1 + len(self._runs[number])}
        if first.user_attrs.get(REFERENCE):
            attributes[REFERENCE] = first.user_attrs[REFERENCE]
        with self.together():
            study.enqueue_trial(first.params, user_attrs=attributes)
            return self._hand_out(study, study.ask(self.space if study is self.main else None))

    def _hand_out(self, study: optuna.Study, trial: Trial, again: bool = False) -> Asked:
        attributes = trial.user_attrs
        reference = attributes.get(REFERENCE, "")
        # also for a trial whose asking was cut short before its attributes were written
        law = REFERENCE_LAWS[reference] if reference else law_from(self.search.space, trial.params)
        number = attributes.get("trial", self._next)
        # a law is run again because its means count, which a missing attack would spoil
        floor = None if reference or "repeat_of" in attributes else self.floor()
        for key, value in {"trial": number, "law": law.to_dict(), "floor": floor, "state": "running"}.items():
            trial.set_user_attr(key, value)
        self._note(study, trial._trial_id, trial.user_attrs)
        self._live[number] = (study, trial)
        self.repeats.handed_out(number, attributes.get("repeat_of", number))
        return Asked(number, law, reference, floor, again, attributes.get("repeat", 0))

    def floor(self) -> float | None:
        """Natural accuracy below which a trial is infeasible, as far as it is known now."""
        floors = [self.search.min_accuracy]
        undefended = self._undefended()
        if self.search.min_accuracy_kept is not None and undefended and undefended.get("state") == "complete":
            floors.append(self.search.min_accuracy_kept * undefended["natural_accuracy"])
        return max((f for f in floors if f is not None), default=None)

    def _floor_to_come(self) -> bool:
        """Whether the floor waits for the trial without defence."""
        if self.search.min_accuracy_kept is None:
            return False
        undefended = self._undefended()
        return NO_DEFENCE in self._references or (undefended is not None and undefended.get("state") == "running")

    def _undefended(self) -> dict[str, Any] | None:
        """Attributes of the trial without defence, if it was handed out."""
        if self._undefended_at is None:
            return None
        study, trial_id = self._undefended_at
        return study._storage.get_trial(trial_id).user_attrs

    # -------------------------------------------------------------------------------------------------- telling

    def tell(self, number: int, state: str, record: dict[str, Any]) -> str:
        """Write what became of a trial; returns its state, which the floor may have turned to `infeasible`.

        `state` is `complete`, `infeasible`, `stopped` or `failed`. A trial that is never told stays open.
        """
        with self.together():
            return self._tell(number, state, record)

    def _tell(self, number: int, state: str, record: dict[str, Any]) -> str:
        study, trial = self._live.pop(number)
        for name in OBJECTIVES:
            measured = record.get(name)
            due = state == "complete" or (state == "infeasible" and name == "natural_accuracy")
            if due and (measured is None or not math.isfinite(measured)):
                state, record = "failed", {**record, "reason": f"{name} is {measured}"}
        # the state last: with it the trial counts as over, even if this process ends before Optuna is told
        for key, value in {**record, "state": state}.items():
            trial.set_user_attr(key, value)
        self._held.append((study, trial))
        self._settle()
        return trial.user_attrs["state"]

    def _settle(self) -> None:
        """Tell Optuna of the trials that are over, once the floor that they are held against is known."""
        if self._floor_to_come():
            return
        floor = self.floor()
        while self._held:
            study, trial = self._held.pop(0)
            self._finished += 1
            attributes = trial.user_attrs
            self.repeats.over(attributes["trial"], _measured(attributes))
            if attributes["state"] in ("failed", "stopped"):
                study.tell(trial, state=TrialState.FAIL if attributes["state"] == "failed" else TrialState.PRUNED)
                continue
            natural = attributes["natural_accuracy"]
            # every trial needs the constraint, or the Gaussian process refuses them all
            excess = (floor if floor is not None else 0.0) - natural
            with warnings.catch_warnings():
                # set already where an earlier process ended between this line and the telling; then it stays
                warnings.filterwarnings("ignore", message="The constraint value is ignored")
                trial.set_constraint("natural_accuracy_floor", excess)
            exempt = attributes.get(REFERENCE) or "repeat_of" in attributes
            if attributes["state"] == "complete" and excess > 0 and not exempt:
                # it started before the floor was known; what its attack found stays in the table
                trial.set_user_attr("floor", floor)
                trial.set_user_attr("reason", f"natural accuracy below the floor {floor:.3f}")
                trial.set_user_attr("state", "infeasible")
                self.repeats.over(attributes["trial"], None)
            attack = attributes.get("attack_accuracy")
            if attack is None:
                trial.set_user_attr("attack_accuracy_told_not_measured", True)
            study.tell(trial, [natural, 1.0 if attack is None else attack])

    # ---------------------------------------------------------------------------------------------------- table

    def table(self) -> pd.DataFrame:
        """One row a trial, in the order of their numbers; see `mi_tune.trial.table`."""
        return frame_of(
            self._row(t)
            for _, t in self._all()
            if "state" in t.user_attrs  # written last when a trial is handed out
        )

    def row(self, number: int) -> dict[str, Any]:
        """The row of one trial, as far as it has columns."""
        study, trial_id = self._handed_out[number]
        return self._row(study._storage.get_trial(trial_id))

    def _row(self, trial: FrozenTrial) -> dict[str, Any]:
        attributes = trial.user_attrs
        if trial._trial_id not in self._law_columns:
            self._law_columns[trial._trial_id] = law_columns(ErasingLaw.from_dict(attributes["law"]))
        own = {"reference": attributes.get(REFERENCE, ""), "seed": self.seed}
        return {**attributes, **own, **self._law_columns[trial._trial_id]}


def _measured(record: dict[str, Any]) -> tuple[float, float] | None:
    """Both accuracies of a complete trial."""
    return (record["natural_accuracy"], record["attack_accuracy"]) if record["state"] == "complete" else None


def _open(storage: BaseStorage, name: str) -> optuna.Study:
    study = optuna.create_study(
        study_name=name, storage=storage, directions=["maximize", "minimize"], load_if_exists=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names(OBJECTIVES)
    return study
