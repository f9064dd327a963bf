"""Run or resume a study: check the input, estimate the time, prepare judge and attacker, search, write tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from ray import tune
from ray.exceptions import RayError
from rich.console import Console

from mi_tune.attacks import make_attack
from mi_tune.data.procedural import IDENTITY
from mi_tune.judging import Gallery, IdentityRegressor, Judge
from mi_tune.judging.panel import ClassifierJudge, GalleryJudge, PanelJudge
from mi_tune.judging.same_people import find_pairs, pairs_sentence
from mi_tune.runtime.cache import save_atomically
from mi_tune.runtime.device import pick_device, use_one_thread
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.provenance import provenance
from mi_tune.runtime.wording import counted, duration
from mi_tune.search.halving import Halving, RungResults, RungSchedule
from mi_tune.search.samplers import check_sampler
from mi_tune.search.state import State
from mi_tune.search.warm import EarlierStudy, WarmStart, warm_start
from mi_tune.setup import Setup, make_setup
from mi_tune.study.cluster import NO_TRIAL_LIMIT, Resources, connect
from mi_tune.study.earlier import copy_earlier, read_earlier
from mi_tune.study.folder import StudyFolder
from mi_tune.study.journal import StudyJournal
from mi_tune.study.progress import StudyProgress
from mi_tune.study.searcher import ParetoSearch
from mi_tune.study.stopping import ParetoHalving
from mi_tune.study.table_keeper import TableKeeper
from mi_tune.study.trainable import PROGRESS_UNITS, ErasingTrial, Shared
from mi_tune.trial.assets import (
    Attacker,
    StudyData,
    check_names,
    check_own_generator,
    load_data,
    prepare_attacker,
)
from mi_tune.trial.ceiling import Ceiling, ceiling_sentence, measure_ceilings
from mi_tune.trial.estimate import Estimate, estimate
from mi_tune.trial.judges import prepare_judge, prepare_recogniser, with_recogniser

# settings that a resumed study may change: how long it runs, and where its images lie now; their content may not change
RESUMABLE = ("search.trials", "data.private", "data.public")
RUNG_OBJECTIVES = {"natural_accuracy": "max", "cheap_attack_accuracy": "min"}
"""What the scheduler compares of half-trained targets."""


@dataclass(frozen=True)
class RunOptions:
    """How to run a study, apart from the set-up.

    Args:
        resume: continue the study in the folder.
        time_budget: seconds after which running trials are interrupted, or None.
        address: of a Ray cluster, or None for this machine.
        gpus_per_trial, workers: see `connect`.
        smoke: the study only shows that everything works; its numbers mean nothing.
        images_allowed: the report shows faces without being asked to.
    """

    resume: bool = False
    time_budget: float | None = None
    address: str | None = None
    gpus_per_trial: float | None = None
    workers: int | None = None
    smoke: bool = False
    images_allowed: bool = False


@dataclass(frozen=True)
class Outcome:
    """The study's folder, whether all its trials have ended, and how many it has."""

    folder: Path
    finished: bool
    trials: int


def run_study(setup: Setup, seed: int, folder: Path, options: RunOptions, console: Console) -> Outcome:
    """Run `setup` as a study in `folder`, until all trials have ended, the time is up, or the user presses Ctrl-C.

    Raises:
        InputError: something that the user gave cannot work. Raised before any training.
    """
    check_names(setup)
    setup = with_recogniser(setup)
    check_sampler(setup.search.sampler)
    rung_schedule(setup)
    study = StudyFolder(folder)
    _check_folder(study, setup, seed, options)
    earlier = _earlier(study, setup)
    warm = _warm_start(earlier, setup) if earlier else None
    data = load_data(setup, seed)
    console.print(
        f"[bold]{setup.name}[/]: {data.private.identities} private people ({len(data.private)} images: "
        f"{len(data.split.train)} train, {len(data.split.val)} val, {len(data.split.test)} test), "
        f"{data.public.identities} public ({len(data.public)} images), "
        f"{data.private.resolution} px, {'grey' if data.private.channels == 1 else 'RGB'}",
        highlight=False,
        soft_wrap=True,
    )
    if data.copies_dropped:
        console.print(
            f"{counted(data.copies_dropped, 'public image')} dropped: (nearly) equal to private ones", highlight=False
        )
    if earlier and warm:
        text = f"warm start from {earlier.name}: {'; '.join(warm.notes)}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    if options.resume:
        check_same_data(study, data)
        study.remember_places(setup.data)
    device = pick_device()
    check_own_generator(setup, data, seed, device)
    expected = estimate(setup, data, device)
    study.require_free_disk(500 + setup.search.trials * expected.trial_megabytes)
    study.claim()
    try:
        if earlier and earlier.folder != study.warm:
            copy_earlier(earlier, study.warm)
        return _run(setup, seed, study, data, warm, expected, options, console)
    finally:
        study.release()


def _run(
    setup: Setup,
    seed: int,
    study: StudyFolder,
    data: StudyData,
    warm: WarmStart | None,
    expected: Estimate,
    options: RunOptions,
    console: Console,
) -> Outcome:
    fresh = not options.resume
    if fresh:
        study.write_config(_description(setup, seed, data, warm, options))
    if options.images_allowed and not (study.path / "examples.npz").exists():
        _write_examples(study, data)
    journal = StudyJournal(study.journal, setup.name, setup.search, seed, data.private.identities, warm=warm)
    study.write_table(journal.table())
    todo = journal.remaining()
    if todo:
        try:
            with connect(options.address, options.gpus_per_trial, options.workers) as resources:
                console.print(resources.where, highlight=False, soft_wrap=True)
                _announce(setup, expected, resources, todo, console)
                _search(setup, seed, study, data, journal, resources, expected, options, console)
        except InputError:
            if fresh and journal.table().empty:
                study.discard()  # nothing began, so the same command works once the cause is gone
            raise
    table = journal.table()
    study.write_table(table)
    return Outcome(study.path, journal.remaining() == 0 and not (table.state == State.RUNNING).any(), len(table))


def _announce(setup: Setup, expected: Estimate, resources: Resources, todo: int, console: Console) -> None:
    attack = make_attack(setup.attack.preset, setup.attack.budget)
    where = f"{resources.gpus_per_trial:g} GPU each" if resources.gpus_per_trial else "one CPU core each"
    per_trial = (
        "; how long it takes on the GPUs shows once trials have ended"
        if resources.gpus_per_trial and not torch.cuda.is_available()
        else f", {duration(expected.trial_seconds)} a trial: "
        f"about [bold]{duration(expected.study_seconds(todo, resources.workers))}[/] in all"
    )
    console.print(
        f"{counted(todo, 'trial')}, {resources.workers} at a time ({where}){per_trial}; "
        f"attack {attack.name}, {attack.budget} budget; sampler {setup.search.sampler}",
        highlight=False,
        soft_wrap=True,
    )


def _search(
    setup: Setup,
    seed: int,
    study: StudyFolder,
    data: StudyData,
    journal: StudyJournal,
    resources: Resources,
    expected: Estimate,
    options: RunOptions,
    console: Console,
) -> None:
    # trials use the same cores as the sampler's Gaussian process; a second thread makes it twice as slow
    use_one_thread()
    made = _prepare(setup, seed, data, resources)
    judge, attacker, recogniser, _, pairs = made
    schedule = rung_schedule(setup)
    looks = tuple(math.ceil(level) for level in schedule.rungs(0)) if schedule else ()
    shared = Shared(setup, data, seed, study.path, [judge], [attacker], [recogniser], looks)
    halving = _halving(setup, schedule, study) if schedule else None
    progress = StudyProgress(journal, console, resources.capacity, expected.trial_seconds)
    keeper = TableKeeper(study, journal)
    described = False

    def on_ended(number: int, state: str) -> None:
        nonlocal described
        if not described and (described := _complete_description(study, made)):
            _say_ceiling(study, console)
            _say_pairs(study, data, ray.get(pairs), console)
        progress.trial_ended(number, state)
        keeper.mark_stale()
        resources.demand(journal.remaining() + journal.running)

    trainable = tune.with_resources(
        tune.with_parameters(ErasingTrial, shared=shared), {"cpu": 1, "gpu": resources.gpus_per_trial}
    )
    run_name = f"run-{len(list(study.ray.glob('run-*'))):03d}"
    searcher = ParetoSearch(
        journal,
        study.latest_checkpoint,
        on_ended,
        halving.stopped if halving is not None else None,
        resources.capacity,
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=halving,
            num_samples=journal.remaining(),
            max_concurrent_trials=NO_TRIAL_LIMIT,
            time_budget_s=options.time_budget,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: f"{trial.config['trial']:04d}",
        ),
        run_config=tune.RunConfig(
            name=run_name,
            storage_path=str(study.ray),
            callbacks=[progress, keeper],
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=2),
            checkpoint_config=tune.CheckpointConfig(num_to_keep=2, checkpoint_at_end=False),
        ),
    )
    resources.demand(journal.remaining())
    try:
        with progress:
            tuner.fit()
    finally:
        keeper.write()
    if searcher.shared_failure:
        raise InputError(f"{searcher.shared_failure}; nothing that had finished is lost: mend that, then --resume")


def rung_schedule(setup: Setup) -> RungSchedule | None:
    """The rungs at which half-trained targets are compared; None if no trial is stopped early.

    Raises:
        InputError: trials do not report the unit, or there is no rung before the last epoch.
    """
    stopping, epochs = setup.search.stopping, setup.target.epochs
    if stopping.scheduler == "none":
        return None
    if stopping.unit not in PROGRESS_UNITS:
        raise InputError(
            f"search.stopping.unit '{stopping.unit}': trials report {', '.join(PROGRESS_UNITS)}; use one of them"
        )
    return RungSchedule(stopping.grace or epochs / 9, epochs, stopping.reduction, stopping.brackets)


def _halving(setup: Setup, schedule: RungSchedule, study: StudyFolder) -> ParetoHalving:
    """The early-stopping scheduler; it keeps the results at the rungs in the study's folder, for resumed runs."""
    rungs = RungResults(tuple(RUNG_OBJECTIVES.values()), schedule.reduction, path=study.path / "rungs.json")
    return ParetoHalving(setup.search.stopping.unit, RUNG_OBJECTIVES, Halving(schedule, rungs))


def _prepare(setup: Setup, seed: int, data: StudyData, resources: Resources) -> list[ray.ObjectRef]:
    """Start making judge, attacker, recogniser, the prior's ceilings and pairs of people who may be one; returns
    references to them.

    On CPUs the first trials train meanwhile.
    """
    data_ref = ray.put(data)
    gpus = resources.gpus_per_trial
    # they reserve no CPU: otherwise trials that hold all cores would wait for them for ever
    on_worker = ray.remote(num_cpus=0, num_gpus=gpus)
    makers = (_judge_on_worker, _attacker_on_worker, _recogniser_on_worker)
    made = [on_worker(maker).remote(setup, data_ref, seed) for maker in makers]
    recogniser = made[2]
    made.append(on_worker(_ceilings_on_worker).remote(data_ref, *made))
    made.append(on_worker(_pairs_on_worker).remote(data_ref, recogniser))
    if gpus:
        ray.wait(made, num_returns=len(made))
    return made


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
    # drawn people are known to be different
    if recogniser is None or data.identity_parameters is not None:
        return []
    return find_pairs(recogniser, data.private, data.split, data.public, pick_device())


def _say_ceiling(study: StudyFolder, console: Console) -> None:
    config = study.read_config()
    text = ceiling_sentence(config["prior"]["name"], config["ceilings"])
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _say_pairs(study: StudyFolder, data: StudyData, pairs: Sequence[tuple[int, int]], console: Console) -> None:
    if pairs:
        text = pairs_sentence(pairs, data.private, data.public, study.read_config()["recogniser"]["name"])
        console.print(text, highlight=False, markup=False, soft_wrap=True, style="yellow")


def _check_folder(study: StudyFolder, setup: Setup, seed: int, options: RunOptions) -> None:
    if not study.exists:
        if options.resume:
            raise InputError(f"{study.path}: no study to resume; leave out --resume to start one there")
        if study.path.exists() and not study.path.is_dir():
            raise InputError(f"{study.path} is a file; choose another --name or --out")
        return
    old = study.read_config()
    if not options.resume:
        raise InputError(
            f"{study.path} already holds a study; continue it by --resume, or start another one by --name NAME"
        )
    before = make_setup(old["config"], f"{study.path}/study.yaml").model_dump(mode="json")
    different = [name for name in _differences(before, setup.model_dump(mode="json")) if name not in RESUMABLE]
    if old["seed"] != seed:
        different.append("seed")
    if old["smoke"] != options.smoke:
        different.append("smoke")
    if different:
        raise InputError(
            f"{study.path} holds a study with other settings ({', '.join(different)}); "
            "leave these options out to resume it, or start another study by --name NAME"
        )


def _differences(before: Any, now: Any, place: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            name
            for key in sorted(set(before) | set(now))
            for name in _differences(before.get(key), now.get(key), f"{place}.{key}" if place else key)
        ]
    return [] if before == now else [place]


def check_same_data(study: StudyFolder, data: StudyData) -> None:
    """Raise InputError if the images are not those that the study began with."""
    old = study.read_config()["data"]
    for side, bank in (("private", data.private), ("public", data.public)):
        if old[side]["fingerprint"] != bank.fingerprint():
            raise InputError(
                f"{study.path}: the {side} images have changed since this study began; "
                "restore them, or start another study by --name NAME"
            )


def _earlier(study: StudyFolder, setup: Setup) -> EarlierStudy | None:
    """The study of the warm start, as it was when this study began, even if it has changed since."""
    if setup.search.warm_start is None:
        return None
    return read_earlier(study.warm if study.exists and study.warm.exists() else setup.search.warm_start)


def _warm_start(earlier: EarlierStudy, setup: Setup) -> WarmStart:
    search = setup.search
    return warm_start(earlier, search.space, search.startup, search.transfer)


def _description(
    setup: Setup, seed: int, data: StudyData, warm: WarmStart | None, options: RunOptions
) -> dict[str, Any]:
    """Content of study.yaml, without the judge and the prior, which are still being made."""
    attack = make_attack(setup.attack.preset, setup.attack.budget)
    private, split = data.private, data.split
    return {
        "name": setup.name,
        "smoke": options.smoke,
        "seed": seed,
        "images_allowed": options.images_allowed,
        "data": {
            "source": setup.data.source,
            "private": {
                "fingerprint": private.fingerprint(),
                "identities": private.identities,
                "images": len(private),
                "train": len(split.train),
                "val": len(split.val),
                "test": len(split.test),
            },
            "public": {
                "fingerprint": data.public.fingerprint(),
                "identities": data.public.identities,
                "images": len(data.public),
            },
            "channels": private.channels,
            "resolution": private.resolution,
            "dropped": [f"{data.copies_dropped} public images that (nearly) equal private ones"]
            if data.copies_dropped
            else [],
            "mean": list(private.take(split.train).mean()),
        },
        "config": setup.model_dump(mode="json"),
        "attack": {"name": attack.name, "budget": attack.budget, "parts": _plain(attack.describe())},
        "judge": None,
        "prior": None,
        "recogniser": None,
        "ceilings": [],
        **({"warm_start": warm.notes} if warm else {}),
        "baselines": {"chance": 1 / private.identities},
        "hypervolume_reference": {"natural_accuracy": 0.0, "attack_accuracy": 1.0},
        "floor": {"min_accuracy": setup.search.min_accuracy, "min_accuracy_kept": setup.search.min_accuracy_kept},
        **provenance(pick_device()),
    }


def _complete_description(study: StudyFolder, references: list[ray.ObjectRef]) -> bool:
    """Add what is known of judge, prior, recogniser, ceilings and pairs to study.yaml, if they are made; returns
    whether they are added now."""
    ready, _ = ray.wait(references, num_returns=len(references), timeout=0)
    if len(ready) < len(references):
        return False
    config = study.read_config()
    try:
        made, attacker, recogniser, ceilings, pairs = ray.get(references)
    except RayError:
        return False  # the trials that need it say why
    ground = attacker.ground
    about_judge: dict[str, Any] = {
        "name": made.name,
        "fingerprint": made.key,
        "held_out_accuracy": made.held_out.value,
        "held_out_low": made.held_out.low,
        "held_out_high": made.held_out.high,
    }
    if made.regressor is not None:
        about_judge["regressor"] = _regressor_description(made.regressor)
    config["judge"] = about_judge
    config["prior"] = {"name": ground.prior.name, "latent_dim": ground.prior.latent_dim, "fingerprint": ground.key}
    if recogniser is not None:
        config["recogniser"] = {**recogniser.describe(), "pairs_with_public": len(pairs)}
    config["ceilings"] = [one.as_plain() for one in ceilings]
    config["baselines"]["judge_on_held_out"] = made.held_out.value
    study.write_config(config)
    return True


def _regressor_description(regressor: IdentityRegressor) -> dict[str, Any]:
    return {
        "fingerprint": regressor.key,
        "photograph_error": regressor.photograph_error,
        "neutral_error": regressor.neutral_error,
        "recovered_share": dict(zip(IDENTITY, regressor.recovered_share.round(4).tolist(), strict=True)),
    }


def _write_examples(study: StudyFolder, data: StudyData) -> None:
    """Save one un-erased training image of every private person, for the report."""
    train = data.split.train
    _, first = np.unique(data.private.labels[train], return_index=True)
    arrays = {"images": data.private.images[train[first]], "class_names": np.array(data.private.names)}
    save_atomically(study.path / "examples.npz", lambda p: np.savez_compressed(p, **arrays), owner_only=True)


def _plain(value: Any) -> Any:
    """The value with tuples turned into lists, for YAML."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (tuple, list)) else value
