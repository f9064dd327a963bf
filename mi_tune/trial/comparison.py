"""Compare attacks on the same targets: every cell (law, replicate, attempt) is computed once and cached.

For questions about attacks rather than about laws. All attempts share targets, classes and seeds, so their differences
are paired by class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.multiprocessing import get_context

from mi_tune import nets
from mi_tune.attacks import Ground, code_of, open_oracle
from mi_tune.data import augment
from mi_tune.defences import controls, treatment
from mi_tune.defences.controls import Control
from mi_tune.defences.registry import code_of_defences
from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import NO_DEFENCE, REFERENCE_LAWS, ErasingLaw, fills, law
from mi_tune.judging import Judge, identity_errors, judge_images
from mi_tune.judging.intervals import Estimate, class_difference, class_interval
from mi_tune.nets import averaging, own_code, residual, schedules, small_cnn, strided_cnn, training
from mi_tune.nets.training import predict
from mi_tune.runtime.cache import cached, content_key
from mi_tune.runtime.device import pick_device, use_one_thread
from mi_tune.runtime.errors import DivergedError
from mi_tune.runtime.seeds import derive_seed
from mi_tune.setup import Setup, make_setup
from mi_tune.trial import targets
from mi_tune.trial.assets import StudyData, load_data, prepare_ground
from mi_tune.trial.attempts import Attempt
from mi_tune.trial.judges import prepare_judge
from mi_tune.trial.pretraining import pretraining_key
from mi_tune.trial.targets import natural_per_class, target_training, treatment_of

LAWS = {
    "no defence": NO_DEFENCE,
    "MIDRE(0.1, 0.8)": REFERENCE_LAWS["MIDRE(0.1, 0.8)"],
    "heavy": ErasingLaw(1.0, area=(0.6, 0.85), aspect=(1 / 2.6, 2.6), fill="mean"),
}
"""The laws that attacks are compared on: none, MIDRE's stronger one, and one that erases most of an image."""
DEFENDED = tuple(LAWS)[1:]
"""Names of the `LAWS` that erase."""

TARGET_CODE = (
    training,
    averaging,
    schedules,
    targets,
    augment,
    fills,
    law,
    controls,
    treatment,
    nets,
    small_cnn,
    residual,
    strided_cnn,
)


@dataclass(frozen=True)
class Cell:
    """One attempt on one target: the name of the law, the number of the replicate, the name of the attempt."""

    law: str
    replicate: int
    attempt: str


def trained_target(
    setup: Setup, data: StudyData, law: ErasingLaw | Treatment, seed: int, replicate: int, device: torch.device
) -> tuple[nn.Module, np.ndarray, str]:
    """Train a target of the setup, or load it from the cache.

    Returns:
        The target, its natural accuracy per class on the val images, (classes,), and its content key.

    Raises:
        DivergedError: the training diverged.
    """
    run = target_training(setup, data, law, seed, replicate, device)
    treatment, control = treatment_of(law, data), run.control
    assert control is None or isinstance(control, Control)  # from a treatment
    key = content_key(
        *(data.private.fingerprint(), data.split.train.tolist(), run.law.to_dict(), setup.target.architecture),
        *(dataclasses.asdict(run.recipe), control.to_dict() if control else None, seed, replicate),
        *([one.to_dict() for one in treatment.defences] or ()),
        pretraining_key(setup, data, seed, treatment.starts_from_public),
        modules=TARGET_CODE + code_of_defences(treatment.defences) + own_code(setup.target.architecture),
    )

    def make() -> dict:
        while not run.finished:
            run.train_epoch()
        natural = natural_per_class(run.model, data, device)
        return {"state": run.model.state_dict(), "natural": torch.from_numpy(natural)}

    stored = cached("target", key, make)
    run.model.load_state_dict(stored["state"])
    return treatment.deployed(run.model), stored["natural"].numpy(), key


class Bench:
    """Runs attempts on the targets of one setup. Data, judge and priors are loaded once per process."""

    def __init__(self, setup: Setup, seed: int) -> None:
        self.setup, self.seed, self.device = setup, seed, pick_device()
        self.data = load_data(setup, seed)
        self.judge: Judge = prepare_judge(setup, self.data, seed, self.device)
        self.classes = torch.arange(self.data.private.identities)
        self.grounds: dict[str, Ground] = {}

    def ground(self, prior: str) -> Ground:
        """The attacker's ground with a prior of this kind."""
        if prior not in self.grounds:
            chosen = self.setup.prior.model_copy(update={"kind": prior})
            setup = self.setup.model_copy(update={"prior": chosen})
            self.grounds[prior] = prepare_ground(setup, self.data, self.seed, self.device)
        return self.grounds[prior]

    def run(self, law: ErasingLaw, replicate: int, attempt: Attempt) -> dict[str, Any]:
        """Run one attempt on one target, or load its results from the cache.

        Returns:
            `accuracy`, `start_accuracy` and `natural` per class, as lists; for drawn people also `identity_error` and
            `identified`. `on_target`: the target's own accuracy on the reconstructions. The passes and seconds of the
            attack. `reason`: why the attack failed, or empty. A failed attack has only `reason` and `natural`.
        """
        model, natural, target_key = trained_target(self.setup, self.data, law, self.seed, replicate, self.device)
        attack, ground = attempt.attack, self.ground(attempt.prior)
        key = content_key(
            *(target_key, attack.describe(), ground.key, self.judge.key, self.seed, replicate), modules=code_of(attack)
        )

        def make() -> dict:
            known = law.resolved(self.data.private.mean(self.data.split.train))
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
                **self._identity_errors(result.images),
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

    def _identity_errors(self, images: torch.Tensor) -> dict[str, list[float]]:
        """For drawn people, identity error and identification rate per class; empty for photographs."""
        if self.data.identity_parameters is None or self.judge.regressor is None:
            return {}
        regressor, people = self.judge.regressor, self.data.identity_parameters
        errors = identity_errors(regressor, images, people, self.classes, self.device)
        return {"identity_error": errors.per_class.tolist(), "identified": errors.identified.tolist()}


def compare(
    setup: Setup,
    laws: Mapping[str, ErasingLaw],
    attempts: Mapping[str, Attempt],
    replicates: int,
    seed: int = 0,
    workers: int = 2,
) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Run every attempt on `replicates` targets of every law, and yield each cell's results as it finishes.

    Results of an earlier call are loaded from the cache.

    Args:
        laws, attempts: by the name that they have in a `Cell`.
        workers: number of processes, one CPU thread each. On a GPU there is a single process.
    """
    values = setup.model_dump(mode="json")
    cells = [
        (Cell(law, replicate, name), laws[law], attempt)
        for law in laws
        for replicate in range(replicates)
        for name, attempt in attempts.items()
    ]
    if workers == 1 or torch.cuda.is_available():
        bench = Bench(setup, seed)
        for cell, law, attempt in cells:
            yield cell, bench.run(law, cell.replicate, attempt)
        return
    # train the judge before the processes start, because all of them would wait for it
    Bench(setup, seed)
    with get_context("spawn").Pool(workers, _start_worker, (values, seed)) as pool:
        yield from pool.imap_unordered(_run_cell, cells, chunksize=1)


_bench_of_worker: list[Bench] = []


def _start_worker(values: dict, seed: int) -> None:
    use_one_thread()
    _bench_of_worker.append(Bench(make_setup(values, "setup"), seed))


def _run_cell(job: tuple[Cell, ErasingLaw, Attempt]) -> tuple[Cell, dict[str, Any]]:
    cell, law, attempt = job
    return cell, _bench_of_worker[0].run(law, cell.replicate, attempt)


class Results:
    """The results of many cells: estimates for one attempt, and paired differences between two."""

    def __init__(self, cells: Iterable[tuple[Cell, dict[str, Any]]]) -> None:
        self.cells = dict(cells)

    def per_class(self, law: str, attempt: str, column: str = "accuracy") -> np.ndarray:
        """A column's values per class, mean over replicates, (classes,). Raises KeyError if the attack failed."""
        values = [v[column] for c, v in self.cells.items() if (c.law, c.attempt) == (law, attempt)]
        return np.mean(values, axis=0)

    def estimate(self, law: str, attempt: str, column: str = "accuracy") -> Estimate:
        """Attack accuracy, or another accuracy of the cells, with its 95 % interval over people."""
        return class_interval(self.per_class(law, attempt, column))

    def difference(self, laws: Sequence[str], ours: str, theirs: str) -> Estimate:
        """Attack accuracy of `ours` minus that of `theirs`, mean over laws and replicates, paired by class."""
        mean = lambda name: np.mean([self.per_class(law, name) for law in laws], axis=0)  # noqa: E731
        return class_difference(mean(ours), mean(theirs))

    def mean_cost(self, law: str, attempt: str, column: str) -> float:
        """Mean over replicates of a cost, such as `seconds` or `forward_passes`."""
        return float(np.mean([v[column] for c, v in self.cells.items() if (c.law, c.attempt) == (law, attempt)]))

    def table(self) -> pd.DataFrame:
        """One row per cell, with accuracies averaged over classes."""
        rows = []
        for cell, values in self.cells.items():
            row = {**dataclasses.asdict(cell), **values}
            for column in ("accuracy", "start_accuracy", "natural", "identity_error", "identified"):
                if column in row:
                    row[column] = float(np.mean(row[column]))
            rows.append(row)
        return pd.DataFrame(rows)
