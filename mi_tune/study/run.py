"""Run or resume a study: check the input, estimate the time, prepare judge and attacker, search, write tables."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ray import tune
from rich.console import Console

from mi_tune.runtime.device import pick_device, use_one_thread
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.signals import Ended, Ending, ending
from mi_tune.runtime.wording import counted, duration
from mi_tune.search.halving import Halving, RungResults, RungSchedule
from mi_tune.search.samplers import check_sampler
from mi_tune.search.state import State
from mi_tune.search.warm import EarlierStudy, WarmStart, warm_start
from mi_tune.setup import Setup
from mi_tune.study.cluster import NO_TRIAL_LIMIT, Resources, check_cluster, connect
from mi_tune.study.controls import keep_controls, start_controls
from mi_tune.study.description import by_dotted_key, describe_study, introduce, write_examples
from mi_tune.study.disk import told_of_the_disk
from mi_tune.study.earlier import copy_earlier, read_earlier
from mi_tune.study.folder import StudyFolder
from mi_tune.study.journal import StudyJournal
from mi_tune.study.last_words import last_words
from mi_tune.study.losses import WhyLost
from mi_tune.study.order import RAY_LEAVES_TO_US, EndInOrder
from mi_tune.study.progress import StudyProgress
from mi_tune.study.resuming import check_folder, check_same_data, check_same_start
from mi_tune.study.searcher import ParetoSearch
from mi_tune.study.shared_folder import share_folder, unshare_folder
from mi_tune.study.shared_parts import describe_parts, prepare_parts
from mi_tune.study.silence import Silence
from mi_tune.study.stopping import ParetoHalving
from mi_tune.study.table_keeper import TableKeeper
from mi_tune.study.trackers import Guarded, TrackerCallback, Watched, open_trackers
from mi_tune.study.trainable import (
    PROGRESS_UNITS,
    ErasingTrial,
    Shared,
    SharedFailureError,
    checkpoint_of,
)
from mi_tune.trial.assets import (
    StudyData,
    attacks_of,
    check_names,
    check_own_generator,
    load_data,
)
from mi_tune.trial.attacked import attacked_people
from mi_tune.trial.estimate import Estimate, estimate
from mi_tune.trial.judges import check_judge, with_recogniser
from mi_tune.trial.mixes import check_public_people, completed
from mi_tune.trial.pretraining import check_pretraining
from mi_tune.trial.targets import check_trainer
from mi_tune.trial.undefended import wants_controls

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
        callbacks: trackers of the study; see `mi_tune.study.trackers.open_trackers`.
    """

    resume: bool = False
    time_budget: float | None = None
    address: str | None = None
    gpus_per_trial: float | None = None
    workers: int | None = None
    smoke: bool = False
    images_allowed: bool = False
    callbacks: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The study's folder, whether all its trials have ended, how many it has, and how many of them have ended.

    ended: the signal that ended the study, such as Ctrl-C's; None if its trials or its time were up.
    """

    folder: Path
    finished: bool
    trials: int
    over: int = 0
    ended: Ended | None = None

    @property
    def interrupted(self) -> bool:
        """Whether it is unfinished because a signal ended it, and not because its time was up."""
        return self.ended is not None and not self.finished


def run_study(setup: Setup, seed: int, folder: Path, options: RunOptions, console: Console) -> Outcome:
    """Run `setup` as a study in `folder`, until all trials have ended, the time is up, or the user presses Ctrl-C.

    Raises:
        InputError: something that the user gave cannot work. Raised before any training.
    """
    check_names(setup)
    setup = with_recogniser(completed(setup))
    check_sampler(setup.search.sampler)
    rung_schedule(setup)
    check_cluster(options.address)
    trackers = open_trackers(options.callbacks, options.images_allowed, console)
    study = StudyFolder(folder)
    check_folder(study, setup, seed, options.resume, options.smoke)
    earlier = _earlier(study, setup)
    warm = _warm_start(earlier, setup) if earlier else None
    data = load_data(setup, seed)
    introduce(setup, seed, data, console)
    if earlier and warm:
        text = f"warm start from {earlier.name}: {'; '.join(warm.notes)}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    if options.resume:
        check_same_data(study, data)
        check_same_start(study, setup)
    device = pick_device()
    check_own_generator(setup, data, seed, device)
    check_pretraining(setup, data)
    check_public_people(setup, data.public)
    check_trainer(setup, data, device)
    check_judge(setup, data, device)
    # in memory: what an own sampler cannot do shows before anything is written
    StudyJournal(None, setup.name, setup.search, seed, data.private.identities, warm=warm)
    expected = estimate(setup, data, device)
    study.require_free_disk(500 + setup.search.trials * expected.trial_megabytes)
    study.claim()
    try:
        if earlier and earlier.folder != study.warm:
            copy_earlier(earlier, study.warm)
        return _run(_Checked(setup, seed, study, data, warm, expected, options, trackers, console))
    finally:
        study.release()


@dataclass(frozen=True)
class _Checked:
    """A study whose input can work, before its first trial. `warm`: what it takes over from an earlier study."""

    setup: Setup
    seed: int
    study: StudyFolder
    data: StudyData
    warm: WarmStart | None
    expected: Estimate
    options: RunOptions
    trackers: list[Guarded | TrackerCallback]
    console: Console


def _run(checked: _Checked) -> Outcome:
    setup, seed, study, data = checked.setup, checked.seed, checked.study, checked.data
    warm, options, console = checked.warm, checked.options, checked.console
    if options.resume:
        study.remember_changes(setup)
    else:
        study.write_config(describe_study(setup, seed, data, warm, options.smoke, options.images_allowed))
    if options.images_allowed and not (study.path / "examples.npz").exists():
        write_examples(study, data, attacked_people(setup, data.private.identities, seed))
    people = len(attacked_people(setup, data.private.identities, seed))
    journal = StudyJournal(study.journal, setup.name, setup.search, seed, people, warm=warm)
    study.write_table(journal.table())
    todo, controls = journal.remaining(), wants_controls(setup)
    ended: Ended | None = None
    if todo or (controls and not study.controls.exists()):
        try:
            with (
                last_words(),
                connect(options.address, options.gpus_per_trial, options.workers, study.ray_log) as resources,
            ):
                console.print(resources.where, highlight=False, soft_wrap=True)
                if todo:
                    _announce(setup, checked.expected, resources, todo, console)
                with told_of_the_disk(study), ending() as asked:
                    _search(checked, journal, resources, asked)
        except InputError:
            if not options.resume and journal.table().empty:
                study.discard()  # nothing began, so the same command works once the cause is gone
            raise
        except Ended as error:
            ended = error
    table = journal.table()
    with told_of_the_disk(study):
        study.write_table(table)
    finished = journal.remaining() == 0 and not (table.state == State.RUNNING).any()
    finished = finished and (not controls or study.controls.exists())
    return Outcome(study.path, finished, len(table), int((table.state != State.RUNNING).sum()), ended)


def _announce(setup: Setup, expected: Estimate, resources: Resources, todo: int, console: Console) -> None:
    attack, *others = attacks_of(setup)
    beside = "".join(f" and {one.name}, {one.budget}" for one in others)
    where = f"{resources.gpus_per_trial:g} GPU each" if resources.gpus_per_trial else "one CPU core each"
    per_trial = (
        "; how long it takes on the GPUs shows once trials have ended"
        if resources.gpus_per_trial and not torch.cuda.is_available()
        else f", {duration(expected.trial_seconds)} a trial: "
        f"about [bold]{duration(expected.study_seconds(todo, resources.workers))}[/] in all"
    )
    console.print(
        f"{counted(todo, 'trial')}, {resources.workers} at a time ({where}){per_trial}; "
        f"attack {attack.name}, {attack.budget} budget{beside}; sampler {setup.search.sampler}",
        highlight=False,
        soft_wrap=True,
    )


def _search(checked: _Checked, journal: StudyJournal, resources: Resources, asked: Ending) -> None:
    setup, seed, study, data = checked.setup, checked.seed, checked.study, checked.data
    trackers, console = checked.trackers, checked.console
    # trials use the same cores as the sampler's Gaussian process; a second thread makes it twice as slow
    use_one_thread()
    for name in RAY_LEAVES_TO_US:
        os.environ[name] = "1"
    place = share_folder(study.path, elsewhere=not resources.private)
    parts = prepare_parts(setup, seed, data, resources)
    schedule = rung_schedule(setup)
    looks = tuple(math.ceil(level) for level in schedule.rungs(0)) if schedule else ()
    shared = Shared(setup, data, seed, place, [parts["judge"]], [parts["attacker"]], [parts["recogniser"]], looks)
    halving = _halving(setup, schedule, study) if schedule else None
    undefended = (
        start_controls(setup, seed, data, parts, resources)
        if wants_controls(setup) and not study.controls.exists()
        else []
    )
    progress = StudyProgress(journal, console, resources.capacity, checked.expected.trial_seconds)
    keeper = TableKeeper(study, journal)
    described = False

    def on_ended(number: int, state: str) -> None:
        nonlocal described
        try:
            described = described or describe_parts(study, data, parts, console)
        except SharedFailureError as error:
            searcher.shared_failure = str(error)
        study.forget_progress(checkpoint_of(number))
        progress.trial_ended(number, state)
        keeper.mark_stale()
        for tracker in trackers:
            tracker.trial_ended(number, journal.row(number))
        resources.demand(journal.remaining() + journal.running)

    trainable = tune.with_resources(
        tune.with_parameters(ErasingTrial, shared=shared), {"cpu": 1, "gpu": resources.gpus_per_trial}
    )
    run_name = f"run-{len(list(study.ray.glob('run-*'))):03d}"
    order = EndInOrder(asked, resources.watch, place)
    searcher = ParetoSearch(
        journal,
        on_ended,
        halving.stopped if halving is not None else None,
        resources.capacity,
        lambda: order.ending,
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=halving,
            num_samples=journal.remaining(),
            max_concurrent_trials=NO_TRIAL_LIMIT,
            time_budget_s=checked.options.time_budget,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: f"{trial.config['trial']:04d}",
        ),
        run_config=tune.RunConfig(
            name=run_name,
            storage_path=str(study.ray),
            callbacks=[order, progress, keeper, WhyLost(searcher.lost), *trackers],
            verbose=0,
            progress_reporter=Silence(),
            failure_config=tune.FailureConfig(max_failures=2),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    resources.demand(journal.remaining())
    for tracker in trackers:
        tracker.begin(Watched(setup.name, study.path, by_dotted_key(setup.model_dump(mode="json"))))
    try:
        if journal.remaining():
            with asked.deferred(), progress:
                tuner.fit()
                asked.raise_if_asked()
    finally:
        keeper.write()
        unshare_folder(place)
        for tracker in trackers:
            tracker.close()
    if undefended and not searcher.shared_failure and not journal.remaining() and not journal.running:
        try:
            keep_controls(study, undefended, console)
        except SharedFailureError as error:
            searcher.shared_failure = str(error)
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


def _earlier(study: StudyFolder, setup: Setup) -> EarlierStudy | None:
    """The study of the warm start, as it was when this study began, even if it has changed since."""
    if setup.search.warm_start is None:
        return None
    return read_earlier(study.warm if study.exists and study.warm.exists() else setup.search.warm_start)


def _warm_start(earlier: EarlierStudy, setup: Setup) -> WarmStart:
    search = setup.search
    return warm_start(earlier, search.space, search.startup, search.transfer)
