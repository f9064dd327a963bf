"""The Ray Tune trainable: trains and attacks a law, in steps that Ray can checkpoint and move to another worker."""

from __future__ import annotations

import io
import time
import traceback
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune
from ray.exceptions import RayError
from ray.tune.result import DONE

from mi_tune.defences.registry import read_mix
from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import ErasingLaw
from mi_tune.runtime.device import pick_device, use_one_thread
from mi_tune.runtime.errors import DivergedError, InputError, disk_is_full
from mi_tune.runtime.imported import one_line
from mi_tune.runtime.seeds import derive_seed
from mi_tune.search.state import State
from mi_tune.setup import Setup
from mi_tune.study.order import KEPT
from mi_tune.study.shared_folder import FolderError, SharedFolder
from mi_tune.trial.assets import Attacker, StudyData, cheap_attacker
from mi_tune.trial.evaluation import LawEvaluation
from mi_tune.trial.stopped_early import stopping_epochs

SHARED_FAILURE = "shared_failure"
"""Key of a result whose trial ended because what all trials share could not be made."""
FULL_DISK = "the disk is full"
"""What ends a study and is no law's fault."""
LEAST_SECONDS = 2.0
"""Work of fewer seconds is not worth a checkpoint."""
WAIT_SECONDS = 0.2
"""How long a trial waits between two reports while the study is about to end."""
PROGRESS_UNITS = ("epoch",)
"""Names under which trials report their progress."""


@dataclass(frozen=True)
class Shared:
    """What all trials of a study share. Each worker gets it once, through Ray's object store.

    Args:
        setup, data, seed: of the study.
        place: its folder.
        judge, attacker, recogniser: references, each in a list, so that Ray does not wait for them: training starts
            while they are still being made. The recogniser's value is None where the study has none.
        looks: epochs after which half-trained targets are attacked cheaply, for a scheduler that compares trials there.
        checkpoint_seconds: after this time a trial keeps its progress, once the step that it is in has ended.
    """

    setup: Setup
    data: StudyData
    seed: int
    place: SharedFolder
    judge: list[ray.ObjectRef]
    attacker: list[ray.ObjectRef]
    recogniser: list[ray.ObjectRef]
    looks: tuple[int, ...] = ()
    checkpoint_seconds: float = 10.0
    _loaded: dict[str, Any] = field(default_factory=dict)

    def load(self, name: str) -> Any:
        """The judge, the attacker or the recogniser; fetched when this process first uses it.

        Raises SharedFailureError if it could not be made.
        """
        if name not in self._loaded:
            try:
                self._loaded[name] = ray.get(getattr(self, name)[0])
            except RayError as error:
                raise shared_failure(name, error) from error
        return self._loaded[name]

    def cheap(self) -> Attacker:
        """The cheaper attacker for half-trained targets."""
        return cheap_attacker(self.load("attacker"), self.setup)


class SharedFailureError(Exception):
    """What all trials share could not be made; the message says why. It is no law's fault."""


def shared_failure(name: str, error: RayError) -> SharedFailureError:
    """The failure of a part that all trials share, in one line: the exception inside of Ray's, without its trace."""
    inner = getattr(error, "cause", None) or error
    text = str(inner) if isinstance(inner, InputError) else one_line(inner)
    return SharedFailureError(f"the {name} of all trials could not be made: {text}")


class ErasingTrial(tune.Trainable):
    """Train one law's targets, attack them, judge the attack.

    Config: `trial` (number), `law` (dict), `defences` (text), `reference` (its name or ""), `floor` (natural accuracy
    below which the attack is skipped, or None), `repeat` (how many trials ran the law before).

    It keeps its progress in the study's folder itself, and begins with what an earlier worker kept of the same trial.
    Ray's own checkpoints would need a disk that all machines share.

    Every result has a `state`. While it is `running`, the result has `phase`, `epoch` and `natural_accuracy`; once the
    half-trained target was attacked, also `cheap_attack_accuracy`, `rungs` and `seconds`, which are stored if the
    scheduler stops the trial. The last result is `complete`, `infeasible` or `failed`, with the trial's `record`
    (columns of the table).

    An exception inside a step makes the trial `failed`, with its reason, and it is not run again. If what all trials
    share could not be made, the result says so (`shared_failure`) and has no record, and the trial stays open. If a
    worker or node is lost, Ray restarts the trial, which continues from what it kept. When the study is about to end, a
    trial keeps its progress (`kept`) and waits.
    """

    def setup(self, config: dict, shared: Shared | None = None) -> None:
        use_one_thread()
        assert shared is not None
        self.shared = shared
        self.device = pick_device()
        self._begin(config)

    def reset_config(self, new_config: dict) -> bool:
        del self.evaluation
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        self._begin(new_config)
        return True

    def _begin(self, config: dict) -> None:
        torch.manual_seed(derive_seed(self.shared.seed, "trial"))
        self.trial_number: int = config["trial"]
        self.floor: float | None = config.get("floor")
        self.started = _now()
        self.kept_at = time.monotonic()
        treatment = Treatment(ErasingLaw.from_dict(config["law"]), defences=read_mix(config.get("defences", "")))
        self.kept = False
        self.identity = [config["law"], config.get("defences", ""), config.get("repeat", 0)]
        self.evaluation = LawEvaluation(
            self.shared.setup,
            self.shared.data,
            treatment,
            self.shared.seed,
            self.device,
            config.get("repeat", 0),
            # reference points and repeats are never stopped, so their half-trained targets need no attack
            () if config.get("reference") or config.get("repeat") else self.shared.looks,
            # the control that every law is compared with
            stopping_epochs(self.shared.setup.target.epochs) if treatment.undefended else (),
        )
        self._find_progress()

    def step(self) -> dict:
        try:
            if self.shared.place.ending():
                return self._wait_for_the_end()
            return self._advance()
        except DivergedError as error:
            return self._final(State.FAILED, str(error))
        except SharedFailureError as error:
            return {"state": State.FAILED, SHARED_FAILURE: str(error), DONE: True}
        except FolderError as error:
            return {"state": State.FAILED, SHARED_FAILURE: str(error), DONE: True}
        except torch.OutOfMemoryError as error:
            return self._final(State.FAILED, f"out of GPU memory: {str(error).splitlines()[0]}")
        except Exception as error:
            if disk_is_full(error):
                return {"state": State.FAILED, SHARED_FAILURE: FULL_DISK, DONE: True}
            where = traceback.extract_tb(error.__traceback__)[-1]
            message = " ".join(str(error).split()) or type(error).__name__
            return self._final(
                State.FAILED, f"{message} ({type(error).__name__}, {Path(where.filename).name}:{where.lineno})"
            )

    def _advance(self) -> dict:
        evaluation = self.evaluation
        if not evaluation.trained:
            evaluation.train_block()
            if evaluation.rung_due:
                # in the same step, because the scheduler compares trials when they report the rung's epoch
                evaluation.attack_at_rung(self.shared.cheap(), self.shared.load("judge"))
        elif self.floor is not None and evaluation.natural_accuracy < self.floor:
            return self._final(State.INFEASIBLE, f"natural accuracy below the floor {self.floor:.3f}: attack skipped")
        elif not evaluation.finished:
            evaluation.attack_next(*(self.shared.load(name) for name in ("attacker", "judge", "recogniser")))
            if evaluation.finished:
                return self._final(State.COMPLETE)
        waited = time.monotonic() - self.kept_at
        # an attack may take long, and none of it can be kept before its end
        if waited >= self.shared.checkpoint_seconds or (evaluation.trained and waited >= LEAST_SECONDS):
            self._keep_progress()
        return self._progress()

    def _progress(self) -> dict:
        evaluation = self.evaluation
        result: dict[str, Any] = {
            "state": State.RUNNING,
            "phase": "attack" if evaluation.trained else "train",
            "epoch": evaluation.epoch,
            "natural_accuracy": evaluation.natural_accuracy,
        }
        if evaluation.rung_accuracies:
            result |= {"cheap_attack_accuracy": evaluation.rung_accuracies[-1][1], "rungs": evaluation.rung_accuracies}
            result["seconds"] = sum(evaluation.seconds.values())
        return result

    def _wait_for_the_end(self) -> dict:
        """Keep the progress, if there is any, and report; the study ends once all trials have done so."""
        if self.evaluation.epoch and not self.kept:
            self._keep_progress()
        self.kept = True
        time.sleep(WAIT_SECONDS)
        return self._progress() | {KEPT: True}

    def _final(self, state: str, reason: str = "") -> dict:
        """The last result, with the trial's record. Its artefacts are written first."""
        evaluation = self.evaluation
        folder = Path("trials") / f"{self.trial_number:04d}"
        record: dict[str, Any] = {"started": self.started, "finished": _now(), "reason": reason}
        if state != State.FAILED:
            self.shared.place.write_folder(folder.as_posix(), evaluation.write_artefacts)
            record |= evaluation.training_record() | {"artefacts": folder.as_posix()}
        if evaluation.rung_accuracies:
            record["rungs"] = evaluation.rung_accuracies
        if state == State.COMPLETE:
            attacker, judge = self.shared.load("attacker"), self.shared.load("judge")
            record |= evaluation.attack_record() | {
                "attack": attacker.name,
                "budget": attacker.attack.budget,
                "judge": judge.name,
                "judge_accuracy": judge.held_out.value,
            }
            recogniser = self.shared.load("recogniser")
            if recogniser is not None:
                record |= {
                    "recogniser": recogniser.name,
                    "recogniser_accuracy": recogniser.held_out_rank1.value,
                }
        return {"state": state, "record": record, DONE: True}

    def _keep_progress(self) -> None:
        state = {"evaluation": self.evaluation.state_dict(), "started": self.started, "identity": self.identity}
        self.shared.place.write(checkpoint_of(self.trial_number), lambda path: torch.save(state, path), owner_only=True)
        self.kept_at = time.monotonic()

    def _find_progress(self) -> None:
        """Continue from what an earlier worker kept of this trial, if that can be read and is of the same law."""
        content = self.shared.place.read(checkpoint_of(self.trial_number))
        if content is None:
            return
        try:
            state = torch.load(io.BytesIO(content), weights_only=True, map_location=self.device)
        except Exception:  # a damaged file costs time, and must not cost the trial
            return
        if state.get("identity") == self.identity:
            self.evaluation.load_state_dict(state["evaluation"])
            self.started = state["started"]

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing for Ray to keep: see `_keep_progress`."""

    def load_checkpoint(self, checkpoint: dict | str | None) -> None:
        pass


def checkpoint_of(number: int) -> str:
    """Name of the file in the study's folder that keeps a trial's progress."""
    return f"checkpoints/{number:04d}.pt"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
