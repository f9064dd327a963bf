"""The evaluation of one law: train its targets, attack them, judge the reconstructions. Independent of Ray.

It runs in small steps, so that the caller can report, write a checkpoint, stop or resume after each of them.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from mi_tune.attacks import Attack, Ground, Portfolio, Reconstructions, open_oracle
from mi_tune.defences.treatment import UNTREATED, Treatment
from mi_tune.erasing import ErasingLaw
from mi_tune.judging import Gallery, Judge, Verdicts, class_interval, identity_errors, judge_images
from mi_tune.judging.intervals import class_mean, per_class_mean
from mi_tune.nets.training import Training, predict
from mi_tune.runtime.cache import save_atomically
from mi_tune.runtime.device import peak_memory_mb
from mi_tune.runtime.seeds import derive_seed
from mi_tune.setup import Setup
from mi_tune.trial.assets import Attacker, StudyData
from mi_tune.trial.attacked import attacked_people, halved, of_all
from mi_tune.trial.stopped_early import STOPPED_EARLY
from mi_tune.trial.strongest import attack_with_all
from mi_tune.trial.table import spreadsheet_safe
from mi_tune.trial.targets import target_training, treatment_of

# columns of per_class.csv, and the keys of an attack's results that hold them; identity errors for drawn people only,
# and what the recogniser says where the study has one
PER_CLASS_COLUMNS = {
    "attack_accuracy": "per_class",
    "start_attack_accuracy": "per_class_start",
    "identity_error": "per_class_error",
    "start_identity_error": "per_class_start_error",
    "recognised": "per_class_recognised",
    "recognised_similarity": "per_class_similarity",
}

RECOGNISED = 4
"""How many reconstructions of each person the recogniser sees in a trial, the best first: all that `ppa` keeps."""


def attack_half_trained(
    run: Training,
    attack: Attack | Portfolio,
    ground: Ground,
    judge: Judge,
    seed: int,
    people: np.ndarray | None = None,
    treatment: Treatment = UNTREATED,
) -> tuple[Reconstructions, Verdicts]:
    """Attack a half-trained target and judge the reconstructions. Does not affect its training.

    people: the attacked classes, int64; default: all. treatment: the target's, whose deployed network is attacked.

    Raises DivergedError, InputError.
    """
    total = judge.held_out_per_class.size
    classes = torch.arange(total) if people is None else torch.from_numpy(people)
    # a copy, because an oracle freezes its model
    oracle = open_oracle(attack.access, treatment.deployed(copy.deepcopy(run.model)), run.device, total)
    result = attack.run(oracle, ground.knowing(run.law), classes, seed)
    return result, judge_images(judge, result.images, classes, run.device)


class LawEvaluation:
    """Training, attack and judgement of one law.

    Every seed is derived from the study's seed and the replicate's number, not from the trial's number. So all laws
    start from the same weights and attacks, which makes their comparison a paired one, and the same law gives the same
    numbers in every trial.

    Args:
        law: the erasing law, or a whole treatment; a `mean` fill is resolved with the training images' mean.
        seed: the study's seed.
        repeat: how often the law was run before. Each repeat uses new replicate numbers, and so new seeds.
        rungs: epochs at which training pauses, so that `attack_at_rung` can attack the half-trained targets.
        stops: epochs whose targets are kept and attacked as well, after the trained ones: what stopping early gives.
    """

    def __init__(
        self,
        setup: Setup,
        data: StudyData,
        law: ErasingLaw | Treatment,
        seed: int,
        device: torch.device,
        repeat: int = 0,
        rungs: Sequence[int] = (),
        stops: Sequence[int] = (),
    ) -> None:
        self.setup, self.data, self.seed, self.device = setup, data, seed, device
        self.rungs, self.stops = tuple(rungs), tuple(stops)
        self.rung_accuracies: list[tuple[float, float]] = []  # natural and attack accuracy at each rung reached
        self.first_replicate = repeat * setup.target.replicates
        self.runs = [
            target_training(setup, data, law, seed, self.first_replicate + k, device)
            for k in range(setup.target.replicates)
        ]
        self.treatment = treatment_of(law, data)
        self.law, self.images = self.runs[0].law, self.runs[0].images
        self.val_indices = torch.from_numpy(data.split.val)
        self.people = attacked_people(setup, data.private.identities, seed)  # the attacked classes
        self.history: dict[str, list] = {
            "epochs": [],
            "natural_accuracy": [[] for _ in self.runs],
            "train_loss": [[] for _ in self.runs],
        }
        self.per_class_natural: list[list[float]] = []
        self.attacked: list[dict] = []
        # at the stops reached: epoch, and of every target natural accuracy per class and weights
        self.kept: list[dict] = []
        self.stopped: list[dict] = []  # accuracies per class of those that were attacked
        self.first: tuple[Reconstructions, Verdicts] | None = None
        self.seconds: dict[str, float] = defaultdict(float)

    # ------------------------------------------------------------------------------------------------- training

    @property
    def trained(self) -> bool:
        """Whether the training of all replicates is finished."""
        return all(run.finished for run in self.runs)

    @property
    def epoch(self) -> int:
        """Number of epochs that every replicate was trained for."""
        return self.runs[0].epoch

    @property
    def natural_accuracy(self) -> float:
        """Latest accuracy on the val images, mean over replicates; NaN before the first block."""
        return float(np.mean(self.per_class_natural)) if self.per_class_natural else math.nan

    def train_block(self) -> None:
        """Train every replicate for `report_every` epochs, at most to the next rung, and measure natural accuracy.

        Raises DivergedError.
        """
        begun = time.perf_counter()
        self.per_class_natural = []
        rungs_ahead = [rung for rung in self.rungs if rung > self.epoch]
        end = min([self.epoch + self.setup.target.report_every, self.runs[0].recipe.epochs, *rungs_ahead])
        for number, run in enumerate(self.runs):
            loss = math.nan
            while run.epoch < end:
                loss = run.train_epoch()
                if run.epoch in self.stops:
                    self._keep(run)
            correct, per_class = self._natural(run)
            self.per_class_natural.append(per_class)
            self.history["natural_accuracy"][number].append(float(correct.mean()))
            self.history["train_loss"][number].append(loss)
        self.history["epochs"].append(self.epoch)
        self.seconds["train"] += time.perf_counter() - begun

    # ---------------------------------------------------------------------------------------------------- rungs

    @property
    def rung_due(self) -> bool:
        """Whether a rung is reached at which the half-trained targets have not been attacked yet."""
        return not self.trained and sum(rung <= self.epoch for rung in self.rungs) > len(self.rung_accuracies)

    def attack_at_rung(self, cheap: Attacker, judge: Judge) -> None:
        """Attack the half-trained targets and record natural and attack accuracy. Does not affect the training.

        Raises DivergedError, InputError.
        """
        begun = time.perf_counter()
        accuracies = []
        for number, run in enumerate(self.runs):
            _, verdicts = attack_half_trained(
                run, cheap.attack, cheap.ground, judge, self._attack_seed(number), self.people, self.treatment
            )
            accuracies.append(verdicts.accuracy.mean())
        self.rung_accuracies.append((self.natural_accuracy, float(np.mean(accuracies))))
        self.seconds["attack"] += time.perf_counter() - begun

    # --------------------------------------------------------------------------------------------------- attack

    @property
    def finished(self) -> bool:
        """Whether every replicate was attacked, and every target that was kept."""
        return len(self.attacked) == len(self.runs) and len(self.stopped) == len(self.kept)

    def attack_next(self, attacker: Attacker, judge: Judge, recogniser: Gallery | None = None) -> None:
        """Attack the people of the next replicate and judge the reconstructions; ask the recogniser too, if any.

        After the last replicate, the targets at the next stop are attacked in the same way. Raises DivergedError,
        InputError.
        """
        if len(self.attacked) == len(self.runs):
            self._attack_stopped(attacker, judge, recogniser)
            return
        begun = time.perf_counter()
        number = len(self.attacked)
        classes = torch.from_numpy(self.people)
        published = self.treatment.deployed(self.runs[number].model)
        # erasing-aware attacks are told the law: a defence must not depend on being kept secret
        found = attack_with_all(attacker, published, self.law, judge, classes, self._attack_seed(number), self.device)
        result, verdicts = found.reconstructions, found.verdicts
        start = judge_images(judge, result.start_images, classes, self.device)
        own = predict(self.runs[number].model, result.images.flatten(0, 1), self.device).argmax(1)
        if number == 0:
            self.first = (result, verdicts)
        self.attacked.append(
            {
                "per_class": verdicts.accuracy.tolist(),
                "per_class_top5": verdicts.accuracy_top5.tolist(),
                "per_class_start": start.accuracy.tolist(),
                "on_target": float((own.view(len(classes), -1) == classes[:, None]).float().mean()),
                "accuracies": found.accuracies,
                "forward_passes": found.forward_passes,
                "backward_passes": found.backward_passes,
                "batch": result.batch,
                **self._identity_errors(judge, result, classes),
                **self._recognised(recogniser, result, classes),
            }
        )
        self.seconds["attack"] += time.perf_counter() - begun

    def _natural(self, run: Training) -> tuple[np.ndarray, list[float]]:
        """Whether each val image is classified correctly, bool (n,), and the accuracy of each class."""
        labels = self.data.private.labels[self.data.split.val]
        logits = predict(run.model, self.images, self.device, self.val_indices)
        correct = logits.argmax(1).numpy() == labels
        return correct, per_class_mean(correct, labels, self.data.private.identities).tolist()

    def _keep(self, run: Training) -> None:
        """Keep a target of this epoch, to attack it at the end: attacker and judge may not exist yet."""
        kept = next((one for one in self.kept if one["epoch"] == run.epoch), None)
        if kept is None:
            kept = {"epoch": run.epoch, "natural_accuracy": [], "models": []}
            self.kept.append(kept)
        kept["natural_accuracy"].append(self._natural(run)[1])
        kept["models"].append({k: v.detach().cpu().clone() for k, v in run.model.state_dict().items()})

    def _attack_stopped(self, attacker: Attacker, judge: Judge, recogniser: Gallery | None) -> None:
        begun = time.perf_counter()
        stop, found = self.kept[len(self.stopped)], []
        for number, (run, state) in enumerate(zip(self.runs, stop["models"], strict=True)):
            model = copy.deepcopy(run.model)
            model.load_state_dict(state)
            classes = torch.from_numpy(self.people)
            published = self.treatment.deployed(model)
            strongest = attack_with_all(
                attacker, published, self.law, judge, classes, self._attack_seed(number), self.device
            )
            result, verdicts = strongest.reconstructions, strongest.verdicts
            found.append({"per_class": verdicts.accuracy.tolist(), **self._recognised(recogniser, result, classes)})
        mean = {
            column: np.mean([one[key] for one in found], axis=0).tolist()
            for column, key in PER_CLASS_COLUMNS.items()
            if key in found[0]
        }
        natural = np.mean(stop["natural_accuracy"], axis=0).tolist()
        self.stopped.append({"epoch": stop["epoch"], "natural_accuracy": natural, **mean})
        self.seconds["attack"] += time.perf_counter() - begun

    def _attack_seed(self, number: int) -> int:
        return derive_seed(self.seed, "attack", self.first_replicate + number)

    def _identity_errors(self, judge: Judge, result: Reconstructions, classes: torch.Tensor) -> dict[str, list[float]]:
        """For drawn people, identity error and identification rate per class; empty for photographs."""
        people = self.data.identity_parameters
        if people is None or judge.regressor is None:
            return {}
        errors = identity_errors(judge.regressor, result.images, people, classes, self.device)
        start = identity_errors(judge.regressor, result.start_images, people, classes, self.device)
        return {
            "per_class_error": errors.per_class.tolist(),
            "per_class_start_error": start.per_class.tolist(),
            "per_class_identified": errors.identified.tolist(),
        }

    def _recognised(
        self, recogniser: Gallery | None, result: Reconstructions, classes: torch.Tensor
    ) -> dict[str, list[float]]:
        """What the recogniser says of the best `RECOGNISED` reconstructions, per class; empty without a recogniser."""
        if recogniser is None:
            return {}
        answers = recogniser.answers(result.images[:, :RECOGNISED], classes, self.device)
        return {
            "per_class_recognised": answers.rank1.mean(1).tolist(),
            "per_class_recognised_top5": answers.rank5.mean(1).tolist(),
            "per_class_accepted": answers.accepted.mean(1).tolist(),
            "per_class_similarity": answers.similarity.mean(1).astype(float).tolist(),
        }

    # -------------------------------------------------------------------------------------------------- results

    def training_record(self) -> dict:
        """The columns of the table of trials that come from training."""
        natural = class_interval(np.mean(self.per_class_natural, axis=0))
        return {
            **_columns("natural_accuracy", natural),
            "realised_area": float(torch.stack([run.erased_share for run in self.runs]).mean()),
            "replicates": len(self.runs),
            "train_seconds": self.seconds["train"],
            "attack_seconds": self.seconds["attack"],
            "seconds": self.seconds["train"] + self.seconds["attack"],
            "peak_memory_mb": peak_memory_mb(self.device),
        }

    def attack_record(self) -> dict:
        """The columns of the table of trials that come from the attacks. Call it when `finished`."""
        mean = lambda key: np.mean([a[key] for a in self.attacked], axis=0)  # noqa: E731
        identity, recognised = {}, {}
        if "per_class_error" in self.attacked[0]:
            identity = {
                **_columns("identity_error", class_mean(mean("per_class_error"))),
                "start_identity_error": float(mean("per_class_start_error").mean()),
                "identification_rate": float(mean("per_class_identified").mean()),
            }
        if "per_class_recognised" in self.attacked[0]:
            recognised = {
                **_columns("recognised", class_interval(mean("per_class_recognised"))),
                "recognised_top5": float(mean("per_class_recognised_top5").mean()),
                "recognised_accepted": float(mean("per_class_accepted").mean()),
            }
        return {
            **_columns("attack_accuracy", class_interval(mean("per_class"))),
            **self._attacks(),
            "people_attacked": len(self.people),
            "attack_accuracy_top5": float(mean("per_class_top5").mean()),
            **_columns("start_attack_accuracy", class_interval(mean("per_class_start"))),
            **identity,
            **recognised,
            **halved(self.attacked, max(run.parts for run in self.runs)),
            "target_accuracy_on_reconstructions": float(mean("on_target")),
            "forward_passes": sum(a["forward_passes"] for a in self.attacked),
            "backward_passes": sum(a["backward_passes"] for a in self.attacked),
        }

    def _attacks(self) -> dict[str, str]:
        """The column `attacks`: attack accuracy of each attack, the strongest first; empty where there is only one."""
        found: dict[str, list[float]] = defaultdict(list)
        for one in self.attacked:
            for name, accuracy in one["accuracies"].items():
                found[name].append(accuracy)
        if len(found) < 2:
            return {}
        means = {name: float(np.mean(accuracies)) for name, accuracies in found.items()}
        ranked = sorted(means, key=lambda name: -means[name])
        return {"attacks": ", ".join(f"{name} {means[name]:.3f}" for name in ranked)}

    def write_artefacts(self, folder: Path) -> None:
        """Write history.json, target.pt, per_class.csv and, after attacks, stopped_early.csv and reconstructions.npz.

        docs/study_folder.md describes the files.
        """
        folder.mkdir(parents=True, exist_ok=True)
        erase_map = torch.stack([run.erased_share for run in self.runs]).mean(0)
        history = {**self.history, "erase_map": [[round(v, 4) for v in row] for row in erase_map.tolist()]}
        save_atomically(folder / "history.json", lambda p: p.write_text(json.dumps(history)))
        state = {k: v.cpu() for k, v in self.treatment.deployed(self.runs[0].model).state_dict().items()}
        save_atomically(folder / "target.pt", lambda p: torch.save(state, p), owner_only=True)
        save_atomically(folder / "per_class.csv", lambda p: self.per_class().to_csv(p, index=False), owner_only=True)
        if self.stopped:
            table = pd.concat(self.stopped_tables(), ignore_index=True)
            save_atomically(folder / STOPPED_EARLY, lambda p: table.to_csv(p, index=False), owner_only=True)
        if self.first is not None:
            result, verdicts = self.first
            arrays = {
                "images": result.images.numpy(),
                "judge_top1": verdicts.top1,
                "target_confidence": result.confidence.numpy(),
                "class_names": np.array(self.data.private.names)[self.people],
            }
            save_atomically(
                folder / "reconstructions.npz",
                lambda p: np.savez_compressed(p, allow_pickle=True, **arrays),
                owner_only=True,
            )

    def stopped_tables(self) -> list[pd.DataFrame]:
        """Accuracies of every class at each stop that was attacked, with a column `epoch`, mean over replicates."""
        names = spreadsheet_safe(self.data.private.names)
        whole = lambda name, value: (  # noqa: E731
            of_all(value, self.people, len(names)) if name in PER_CLASS_COLUMNS else value
        )
        columns = [{name: whole(name, value) for name, value in one.items()} for one in self.stopped]
        return [pd.DataFrame({"class_name": names, **one}) for one in columns]

    def per_class(self) -> pd.DataFrame:
        """Accuracies of every class, mean over replicates; NaN for an attack on a class that was not attacked.

        Paired comparisons of laws use them.
        """
        columns: dict[str, Any] = {
            "class_name": spreadsheet_safe(self.data.private.names),
            "natural_accuracy": np.mean(self.per_class_natural, axis=0),
        }
        for name, key in PER_CLASS_COLUMNS.items():
            if self.attacked and key in self.attacked[0]:
                columns[name] = of_all(
                    np.mean([a[key] for a in self.attacked], axis=0), self.people, len(self.data.private.names)
                )
        return pd.DataFrame(columns)

    # ------------------------------------------------------------------------------------------------ checkpoint

    def state_dict(self) -> dict:
        """The state after the last complete step, as tensors and plain values."""
        first = None
        if self.first is not None:
            first = {
                **vars(self.first[0]),
                **{f"verdict_{k}": torch.from_numpy(v) for k, v in vars(self.first[1]).items()},
            }
        return {
            "runs": [run.state_dict() for run in self.runs],
            "history": self.history,
            "per_class_natural": self.per_class_natural,
            "attacked": self.attacked,
            "kept": self.kept,
            "stopped": self.stopped,
            "first": first,
            "seconds": dict(self.seconds),
            "seen": [list(pair) for pair in self.rung_accuracies],
        }

    def load_state_dict(self, state: dict) -> None:
        """Resume from the state that `state_dict` returned."""
        for run, saved in zip(self.runs, state["runs"], strict=True):
            run.load_state_dict(saved)
        self.history, self.per_class_natural = state["history"], state["per_class_natural"]
        self.attacked, self.seconds = state["attacked"], defaultdict(float, state["seconds"])
        self.rung_accuracies = [(natural, attacked) for natural, attacked in state["seen"]]
        self.kept, self.stopped = state.get("kept", []), state.get("stopped", [])
        if state["first"] is not None:
            saved = dict(state["first"])
            verdicts = {f.name: saved.pop(f"verdict_{f.name}").numpy() for f in dataclasses.fields(Verdicts)}
            self.first = (Reconstructions(**saved), Verdicts(**verdicts))


def _columns(name: str, estimate: tuple[float, float, float]) -> dict[str, float]:
    return {name: estimate[0], f"{name}_low": estimate[1], f"{name}_high": estimate[2]}
