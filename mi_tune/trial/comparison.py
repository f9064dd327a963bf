"""Attacks compared on the same targets: every cell (law, replicate, attack) computed once and found again.

For questions between attacks rather than between laws. All attacks meet the same targets, classes and seeds, so their
differences are paired by class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.multiprocessing import get_context

from mi_tune import nets
from mi_tune.attacks import Attack, Ground, Portfolio, code_of, open_oracle
from mi_tune.data import augment
from mi_tune.defences import controls, treatment
from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import NO_DEFENCE, REFERENCE_LAWS, ErasingLaw, fills, law
from mi_tune.judging import Judge, identity_errors, judge_images
from mi_tune.judging.intervals import Estimate, class_difference, class_interval
from mi_tune.nets import residual, small_cnn, strided_cnn, training
from mi_tune.nets.training import predict
from mi_tune.runtime.cache import cached, content_key
from mi_tune.runtime.device import pick_device, use_one_thread
from mi_tune.runtime.errors import DivergedError
from mi_tune.runtime.seeds import derive_seed
from mi_tune.setup import Setup, make_setup
from mi_tune.trial import evaluation
from mi_tune.trial.assets import StudyData, load_data, prepare_ground, prepare_judge
from mi_tune.trial.evaluation import natural_per_class, target_training

LAWS = {
    "no defence": NO_DEFENCE,
    "MIDRE(0.1, 0.8)": REFERENCE_LAWS["MIDRE(0.1, 0.8)"],
    "heavy": ErasingLaw(1.0, area=(0.6, 0.85), aspect=(1 / 2.6, 2.6), fill="mean"),
}
"""The laws that attacks are compared on: none, the paper's stronger one, and one that erases most of an image."""
DEFENDED = tuple(LAWS)[1:]

TARGET_CODE = (training, evaluation, augment, fills, law, controls, treatment, nets, small_cnn, residual, strided_cnn)


@dataclass(frozen=True)
class Contender:
    """An attack under a name, and the kind of prior that it is given (None: the setup's)."""

    name: str
    attack: Attack | Portfolio
    prior: str | None = None


@dataclass(frozen=True)
class Cell:
    """One attack on one target."""

    law: str
    replicate: int
    contender: str


def trained_target(
    setup: Setup, data: StudyData, law: ErasingLaw | Treatment, seed: int, replicate: int, device: torch.device
) -> tuple[nn.Module, np.ndarray, str]:
    """A target of the setup trained with `law`, its natural accuracy per class on the val images, and its key."""
    run = target_training(setup, data, law, seed, replicate, device)
    control = run.control.to_dict() if run.control is not None else None
    key = content_key(
        *(data.private.fingerprint(), data.split.train.tolist(), run.law.to_dict(), setup.target.architecture),
        *(dataclasses.asdict(run.recipe), control, seed, replicate),
        modules=TARGET_CODE,
    )

    def make() -> dict:
        while not run.finished:
            run.train_epoch()
        natural = natural_per_class(run.model, data, device)
        return {"state": run.model.state_dict(), "natural": torch.from_numpy(natural)}

    stored = cached("target", key, make)
    run.model.load_state_dict(stored["state"])
    return run.model, stored["natural"].numpy(), key


class Arena:
    """The targets, judge and priors of one setup, loaded once per process."""

    def __init__(self, setup: Setup, seed: int) -> None:
        self.setup, self.seed, self.device = setup, seed, pick_device()
        self.data = load_data(setup, seed)
        self.judge: Judge = prepare_judge(setup, self.data, seed, self.device)
        self.classes = torch.arange(self.data.private.identities)
        self.grounds: dict[str, Ground] = {}

    def ground(self, prior: str) -> Ground:
        """The attacker's ground with this kind of prior."""
        if prior not in self.grounds:
            chosen = self.setup.prior.model_copy(update={"kind": prior})
            setup = self.setup.model_copy(update={"prior": chosen})
            self.grounds[prior] = prepare_ground(setup, self.data, self.seed, self.device)
        return self.grounds[prior]

    def fight(self, law: ErasingLaw, replicate: int, contender: Contender) -> dict[str, Any]:
        """What one attack got out of one target; stored under everything that decides it.

        `accuracy` and `start_accuracy` per class (lists), for drawn faces `identity_error` and `identified` too;
        `on_target` (the target's own accuracy on the reconstructions), passes, seconds; `reason` if the attack failed.
        """
        model, natural, target_key = trained_target(self.setup, self.data, law, self.seed, replicate, self.device)
        attack, ground = contender.attack, self.ground(contender.prior or self.setup.prior.kind)
        key = content_key(
            *(target_key, attack.describe(), ground.key, self.judge.key, self.seed, replicate), modules=code_of(attack)
        )

        def make() -> dict:
            known = law.resolved(self.data.private.take(self.data.split.train).mean())
            oracle = open_oracle(attack.access, model, self.device, len(self.classes))
            try:
                result = attack.run(
                    oracle, ground.knowing(known), self.classes, derive_seed(self.seed, "attack", replicate)
                )
            except DivergedError as error:
                return {"reason": str(error)}
            verdicts = judge_images(self.judge, result.images, self.classes, self.device)
            start = judge_images(self.judge, result.start_images, self.classes, self.device)
            own = predict(model, result.images.flatten(0, 1), self.device).argmax(1).view(len(self.classes), -1)
            return {
                **self._known_answer(result.images),
                "accuracy": verdicts.accuracy.tolist(),
                "start_accuracy": start.accuracy.tolist(),
                "on_target": float((own == self.classes[:, None]).float().mean()),
                **{
                    name: getattr(result, name)
                    for name in ("forward_passes", "backward_passes", "surrogate_passes", "seconds", "prepare_seconds")
                },
                "reason": "",
            }

        return {**cached("attacked", key, make), "natural": natural.tolist()}

    def _known_answer(self, images: torch.Tensor) -> dict[str, list[float]]:
        """Error and identification rate per class without a judge, where the people are drawn."""
        if self.data.identity_parameters is None or self.judge.regressor is None:
            return {}
        regressor, people = self.judge.regressor, self.data.identity_parameters
        errors = identity_errors(regressor, images, people, self.classes, self.device)
        return {"identity_error": errors.per_class.tolist(), "identified": errors.identified.tolist()}


def compare(
    setup: Setup,
    laws: dict[str, ErasingLaw],
    contenders: Sequence[Contender],
    replicates: int,
    seed: int = 0,
    workers: int = 2,
) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Every attack on `replicates` targets of every law, as they are done; what was computed before is found again.

    Args:
        workers: processes, one CPU thread each (one process on a GPU).
    """
    values = setup.model_dump(mode="json")
    cells = [
        (Cell(law, replicate, contender.name), laws[law], contender)
        for law in laws
        for replicate in range(replicates)
        for contender in contenders
    ]
    if workers == 1 or torch.cuda.is_available():
        arena = Arena(setup, seed)
        for cell, law, contender in cells:
            yield cell, arena.fight(law, cell.replicate, contender)
        return
    # judge first: every process would wait for it
    Arena(setup, seed)
    with get_context("spawn").Pool(workers, _enter, (values, seed)) as pool:
        yield from pool.imap_unordered(_fight, cells, chunksize=1)


_arena: list[Arena] = []


def _enter(values: dict, seed: int) -> None:
    use_one_thread()
    _arena.append(Arena(make_setup(values, "setup"), seed))


def _fight(job: tuple[Cell, ErasingLaw, Contender]) -> tuple[Cell, dict[str, Any]]:
    cell, law, contender = job
    return cell, _arena[0].fight(law, cell.replicate, contender)


class Results:
    """Cells gathered: estimates of one attack, and paired differences between two."""

    def __init__(self, cells: Iterator[tuple[Cell, dict[str, Any]]] | Sequence[tuple[Cell, dict[str, Any]]]) -> None:
        self.cells = dict(cells)

    def per_class(self, law: str, contender: str, column: str = "accuracy") -> np.ndarray:
        """Mean over replicates of a column per class, (classes,). Raises KeyError where the attack failed."""
        found = [v[column] for c, v in self.cells.items() if (c.law, c.contender) == (law, contender)]
        return np.mean(found, axis=0)

    def estimate(self, law: str, contender: str, column: str = "accuracy") -> Estimate:
        """The attack's accuracy with its 95 % interval over people."""
        return class_interval(self.per_class(law, contender, column))

    def difference(self, laws: Sequence[str], ours: str, theirs: str) -> Estimate:
        """Accuracy of `ours` minus that of `theirs`, mean over laws and replicates, paired by class."""
        mean = lambda name: np.mean([self.per_class(law, name) for law in laws], axis=0)  # noqa: E731
        return class_difference(mean(ours), mean(theirs))

    def total(self, law: str, contender: str, column: str) -> float:
        """Mean over replicates of a cost, such as `seconds` or `forward_passes`."""
        return float(np.mean([v[column] for c, v in self.cells.items() if (c.law, c.contender) == (law, contender)]))

    def table(self) -> pd.DataFrame:
        """One row a cell, accuracies averaged over classes."""
        rows = []
        for cell, values in self.cells.items():
            row = {**dataclasses.asdict(cell), **values}
            for column in ("accuracy", "start_accuracy", "natural", "identity_error", "identified"):
                if column in row:
                    row[column] = float(np.mean(row[column]))
            rows.append(row)
        return pd.DataFrame(rows)
