"""What all trials of a study share, made on workers while the first trials train, and what study.yaml says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ray
from ray.exceptions import RayError
from rich.console import Console

from mi_tune.data.procedural import IDENTITY
from mi_tune.judging import Gallery, IdentityRegressor, Judge
from mi_tune.judging.panel import ClassifierJudge, GalleryJudge, PanelJudge
from mi_tune.judging.same_people import pairs_sentence
from mi_tune.runtime.device import pick_device, use_one_thread
from mi_tune.setup import Setup
from mi_tune.study.cluster import Resources
from mi_tune.study.folder import StudyFolder
from mi_tune.study.trainable import shared_failure
from mi_tune.trial.assets import Attacker, StudyData, prepare_attacker
from mi_tune.trial.ceiling import Ceiling, ceiling_sentence, measure_ceilings
from mi_tune.trial.judges import possible_pairs, prepare_judge, prepare_recogniser

Parts = Mapping[str, ray.ObjectRef]
"""References to the `judge`, `attacker` and `recogniser`, the prior's `ceilings`, and the `pairs` of private and public
people who may be one person."""


def prepare_parts(setup: Setup, seed: int, data: StudyData, resources: Resources) -> Parts:
    """Start making the parts. On CPUs the first trials train meanwhile."""
    data_ref = ray.put(data)
    gpus = resources.gpus_per_trial
    # they reserve no CPU: otherwise trials that hold all cores would wait for them for ever
    on_worker = ray.remote(num_cpus=0, num_gpus=gpus)
    makers = {"judge": _judge_on_worker, "attacker": _attacker_on_worker, "recogniser": _recogniser_on_worker}
    parts = {name: on_worker(maker).remote(setup, data_ref, seed) for name, maker in makers.items()}
    parts["ceilings"] = on_worker(_ceilings_on_worker).remote(data_ref, *parts.values())
    parts["pairs"] = on_worker(_pairs_on_worker).remote(data_ref, parts["recogniser"])
    if gpus:
        ray.wait(list(parts.values()), num_returns=len(parts))
    return parts


def describe_parts(study: StudyFolder, data: StudyData, parts: Parts, console: Console) -> bool:
    """Add the parts to study.yaml and say what they mean, if they are all made; returns whether they were.

    Raises SharedFailureError if one of them could not be made.
    """
    ready, _ = ray.wait(list(parts.values()), num_returns=len(parts), timeout=0)
    if len(ready) < len(parts):
        return False
    made = {}
    for name, reference in parts.items():
        try:
            made[name] = ray.get(reference)
        except RayError as error:
            raise shared_failure(name, error) from error
    judge, recogniser, pairs, ground = made["judge"], made["recogniser"], made["pairs"], made["attacker"].ground
    config = study.read_config()
    config["judge"] = {
        "name": judge.name,
        "fingerprint": judge.key,
        "held_out_accuracy": judge.held_out.value,
        "held_out_low": judge.held_out.low,
        "held_out_high": judge.held_out.high,
    }
    if judge.regressor is not None:
        config["judge"]["regressor"] = _regressor_description(judge.regressor)
    config["prior"] = {"name": ground.prior.name, "latent_dim": ground.prior.latent_dim, "fingerprint": ground.key}
    if recogniser is not None:
        config["recogniser"] = {**recogniser.describe(), "pairs_with_public": len(pairs)}
    config["ceilings"] = [one.as_plain() for one in made["ceilings"]]
    config["baselines"]["judge_on_held_out"] = judge.held_out.value
    study.write_config(config)
    text = ceiling_sentence(ground.prior.name, config["ceilings"])
    console.print(text, highlight=False, markup=False, soft_wrap=True)
    if pairs:
        text = pairs_sentence(pairs, data.private, data.public, recogniser.name)
        console.print(text, highlight=False, markup=False, soft_wrap=True, style="yellow")
    return True


def _regressor_description(regressor: IdentityRegressor) -> dict[str, Any]:
    return {
        "fingerprint": regressor.key,
        "photograph_error": regressor.photograph_error,
        "neutral_error": regressor.neutral_error,
        "recovered_share": dict(zip(IDENTITY, regressor.recovered_share.round(4).tolist(), strict=True)),
    }


def _judge_on_worker(setup: Setup, data: StudyData, seed: int) -> Any:
    use_one_thread()
    judge = prepare_judge(setup, data, seed, pick_device())
    judge.model.cpu()
    if judge.regressor is not None:
        judge.regressor.model.cpu()
    return judge


def _attacker_on_worker(setup: Setup, data: StudyData, seed: int) -> Any:
    use_one_thread()
    attacker = prepare_attacker(setup, data, seed, pick_device())
    attacker.ground.prior.cpu()
    return attacker


def _recogniser_on_worker(setup: Setup, data: StudyData, seed: int) -> Any:
    use_one_thread()
    recogniser = prepare_recogniser(setup, data, pick_device())
    if recogniser is not None:
        for encoder in recogniser.embedding.encoders:
            encoder.cpu()
    return recogniser


def _ceilings_on_worker(data: StudyData, judge: Judge, attacker: Attacker, recogniser: Gallery | None) -> list[Ceiling]:
    use_one_thread()
    judges: list[PanelJudge] = [ClassifierJudge(judge.name, judge, in_search=True)] * judge.saw_private
    if recogniser is not None:
        judges.append(GalleryJudge(recogniser, "rank-1", outside=True))
    return measure_ceilings(attacker.attack, attacker.ground, data, data.split.val, judges, pick_device())


def _pairs_on_worker(data: StudyData, recogniser: Gallery | None) -> list[tuple[int, int]]:
    use_one_thread()
    return possible_pairs(data, recogniser, pick_device())
