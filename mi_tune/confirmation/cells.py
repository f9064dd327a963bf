"""The cells of a confirmation: targets trained with fresh seeds, attacks on them, verdicts of the judges. No Ray here.

Every cell is a file in the confirmation's folder, cached under a key of everything that its content depends on.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mi_tune.attacks import Ground, SoftLabel, code_of, make_attack, open_oracle
from mi_tune.confirmation import baselines
from mi_tune.defences.registry import code_of_defences
from mi_tune.defences.treatment import Treatment
from mi_tune.judging import gallery, panel
from mi_tune.judging.panel import Panel
from mi_tune.nets import own_code, place
from mi_tune.nets.training import Training, predict
from mi_tune.runtime.cache import FarFolder, cached, content_key, tensor_key
from mi_tune.runtime.errors import DivergedError, InputError
from mi_tune.runtime.seeds import derive_seed
from mi_tune.setup import Setup
from mi_tune.trial import mechanism
from mi_tune.trial.assets import StudyData, create_target, prepare_ground
from mi_tune.trial.attempts import Attempt
from mi_tune.trial.ceiling import Ceiling, measure_ceilings
from mi_tune.trial.comparison import TARGET_CODE
from mi_tune.trial.judges import prepare_panel
from mi_tune.trial.mechanism import TARGET, compare_features, compared_law, independent_encoder, target_encoder
from mi_tune.trial.point import Point
from mi_tune.trial.pretraining import pretraining_key
from mi_tune.trial.targets import natural_per_class, target_training


@dataclass(frozen=True)
class TargetCell:
    """A trained target.

    Args:
        key: cache key, of everything that its weights depend on.
        state: its state_dict.
        natural: validation accuracy of each class (classes,), in [0, 1].
        correct: whether each test image is classified correctly, bool (n,).
        seconds: duration of its training on one worker.
    """

    key: str
    state: dict[str, Tensor]
    natural: Tensor
    correct: Tensor
    seconds: float


class Workbench:
    """Computes cells in one process, or reads them from their folder. Holds the data, the priors and the judges.

    Args:
        setup, data, seed: of the study.
        folder: of the cells.
        device: to compute on.
    """

    def __init__(
        self, setup: Setup, data: StudyData, seed: int, folder: Path | FarFolder, device: torch.device
    ) -> None:
        self.setup, self.data, self.seed, self.folder, self.device = setup, data, seed, folder, device
        self.classes = torch.arange(data.private.identities)
        self._grounds: dict[str, Ground] = {}

    def ground(self, prior: str) -> Ground:
        """What an attacker with a prior of this kind has; made, or read from the user's cache."""
        if prior not in self._grounds:
            chosen = self.setup.prior.model_copy(update={"kind": prior})
            setup = self.setup.model_copy(update={"prior": chosen})
            self._grounds[prior] = prepare_ground(setup, self.data, self.seed, self.device)
        return self._grounds[prior]

    @cached_property
    def _private(self) -> tuple[str, list[int], list[int]]:
        split = self.data.split
        return self.data.private.fingerprint(), split.train.tolist(), split.test.tolist()

    # ------------------------------------------------------------------------------------------------- targets

    def training(self, point: Point, number: int) -> Training:
        """The training of a point's target with fresh seed number `number`."""
        return target_training(self.setup, self.data, point.treatment, self.fresh_seed(number), 0, self.device)

    def fresh_seed(self, number: int) -> int:
        """A seed that no trial of the study used. All points share it, so that accuracies can be compared in pairs."""
        return derive_seed(self.seed, "confirmation", number)

    def target_key(self, point: Point, number: int) -> str:
        run, control = self.training(point, number), point.treatment.control
        return content_key(
            *(self._private, self.setup.target.architecture, dataclasses.asdict(run.recipe)),
            *(run.law.to_dict(), control.to_dict() if control is not None else None),
            *(point.epoch, self.fresh_seed(number)),
            *([one.to_dict() for one in point.treatment.defences] or ()),
            pretraining_key(self.setup, self.data, self.fresh_seed(number), point.treatment.starts_from_public),
            modules=TARGET_CODE + code_of_defences(point.treatment.defences) + own_code(self.setup.target.architecture),
        )

    def target(self, point: Point, number: int) -> TargetCell:
        """Train a target, or read it from the folder. Raises DivergedError if the training diverges."""
        key = self.target_key(point, number)

        def make() -> dict:
            begun = time.perf_counter()
            run = self.training(point, number)
            while run.epoch < (point.epoch or run.recipe.epochs):
                run.train_epoch()
            return self._measured(point.treatment, run, time.perf_counter() - begun)

        return TargetCell(key, **cached("target", key, make, self.folder))

    def curve(self, point: Point, number: int) -> Tensor:
        """Validation accuracy of each class after every epoch of a point's training, (epochs, classes)."""
        key = content_key(self.target_key(point, number), "curve")

        def make() -> dict:
            run, rows = self.training(point, number), []
            while not run.finished:
                run.train_epoch()
                rows.append(natural_per_class(run.model, self.data, self.device))
            return {"natural": torch.from_numpy(np.stack(rows))}

        return cached("curve", key, make, self.folder)["natural"]

    def _measured(self, treatment: Treatment, run: Training, seconds: float) -> dict:
        test, published = self.data.split.test, treatment.deployed(run.model)
        answers = predict(run.model, run.images, self.device, torch.from_numpy(test)).argmax(1)
        return {
            "state": {name: value.detach().cpu().clone() for name, value in published.state_dict().items()},
            "natural": torch.from_numpy(natural_per_class(run.model, self.data, self.device)),
            "correct": answers == torch.from_numpy(self.data.private.labels[test]),
            "seconds": seconds,
        }

    def model(self, cell: TargetCell, point: Point) -> nn.Module:
        """The deployed network of a point's target, in evaluation mode."""
        model = point.treatment.shaped(create_target(self.setup, self.data.private, 0))
        model.load_state_dict(cell.state)
        return place(model, self.device).eval()

    # ------------------------------------------------------------------------------------------------- attacks

    def attack_key(self, target_key: str, point: Point, attempt: Attempt, number: int) -> str:
        attack = attempt.attack
        law = point.treatment.law.to_dict()
        return content_key(
            *(target_key, attack.describe(), self.ground(attempt.prior).key, law, self.fresh_seed(number)),
            modules=code_of(attack),
        )

    def attack(self, point: Point, attempt: Attempt, number: int) -> dict[str, Any]:
        """Attack a point's target, or read the reconstructions from the folder.

        The attacker knows the erasing law: a defence must not depend on being kept secret (Kerckhoffs's principle).

        Returns:
            `images` uint8 (classes, kept, channels, height, width); `own`, the target's class of each (classes, kept);
            `forward_passes`, `backward_passes`, `surrogate_passes`, `seconds`, and `reason`, which is "". If the attack
            failed, only `reason`.
        """
        target = self.target(point, number)
        attack, ground = attempt.attack, self.ground(attempt.prior).knowing(point.treatment.law)

        def make() -> dict:
            model = self.model(target, point)
            oracle = open_oracle(attack.access, model, self.device, len(self.classes))
            try:
                found = attack.run(oracle, ground, self.classes, derive_seed(self.fresh_seed(number), "attack", 0))
            except (DivergedError, InputError) as error:
                return {"reason": str(error)}
            return {
                "images": found.images,
                "own": self._own(model, found.images),
                "forward_passes": found.forward_passes,
                "backward_passes": found.backward_passes,
                "surrogate_passes": found.surrogate_passes,
                "seconds": found.seconds,
                "reason": "",
            }

        return cached("attack", self.attack_key(target.key, point, attempt, number), make, self.folder)

    def baseline(self, point: Point, name: str, number: int) -> dict[str, Any]:
        """Images found without optimising, see `baselines`, with the same fields as an attack."""
        target, ground = self.target(point, number), self.ground(self.setup.prior.kind)

        def make() -> dict:
            begun, model = time.perf_counter(), self.model(target, point)
            oracle = SoftLabel(model, self.device, len(self.classes))
            images = baselines.BASELINES[name](oracle, ground, self.classes.to(self.device))
            return {
                "images": images,
                "own": self._own(model, images),
                "forward_passes": oracle.forward_passes,
                "backward_passes": 0,
                "surrogate_passes": 0,
                "seconds": time.perf_counter() - begun,
                "reason": "",
            }

        key = content_key(target.key, name, ground.key, modules=baselines.CODE)
        return cached("attack", key, make, self.folder)

    def features(self, point: Point, attempt: Attempt, number: int) -> dict[str, Any]:
        """Where an attack's reconstructions lie in feature space, see `compare_features`; only `reason` if the attack
        failed."""
        target, found = self.target(point, number), self.attack(point, attempt, number)
        if found["reason"]:
            return {"reason": found["reason"]}
        law = compared_law(point.treatment.law, self._mean)
        name, encode = independent_encoder(self.panel, self.device)

        def make() -> dict:
            encoders = {TARGET: target_encoder(self.model(target, point), self.device), name: encode}
            seed = derive_seed(self.fresh_seed(number), "features")
            return {**compare_features(encoders, self.data, found["images"], law, seed), "reason": ""}

        key = content_key(
            *(target.key, tensor_key(found["images"]), law.to_dict(), name, self.panel.key, self.fresh_seed(number)),
            modules=(mechanism, *mechanism.FEATURE_CODE),
        )
        return cached("features", key, make, self.folder)

    @cached_property
    def _mean(self) -> tuple[float, ...]:
        return tuple(self.data.private.mean(self.data.split.train))

    # ---------------------------------------------------------------------------------------------------- judges

    @cached_property
    def panel(self) -> Panel:
        """The judges; made, or read from the user's cache."""
        return prepare_panel(self.setup, self.data, self.seed, self.device)

    @cached_property
    def ceilings(self) -> list[Ceiling]:
        """The ceiling of the set-up's prior on test images, before every judge of the panel."""
        setup, test = self.setup, self.data.split.test
        attack, ground = make_attack(setup.attack.preset, setup.attack.budget), self.ground(setup.prior.kind)
        return measure_ceilings(attack, ground, self.data, test, self.panel.judges, self.device)

    def verdicts(self, images: Tensor) -> dict[str, Tensor]:
        """Which reconstructions each judge assigns to the attacked class: bool (classes, kept), by the judge's name."""
        key = content_key(tensor_key(images), self.panel.key, modules=(panel, gallery))

        def make() -> dict:
            hits = self.panel.hits(images, self.classes, self.device)
            return {name: torch.from_numpy(answers) for name, answers in hits.items()}

        return cached("verdict", key, make, self.folder)

    def _own(self, model: nn.Module, images: Tensor) -> Tensor:
        return predict(model, images.flatten(0, 1), self.device).argmax(1).view(images.shape[:2])
