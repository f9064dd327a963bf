"""Search erasing laws: plan a study from what the user gave, and run or resume it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from mi_tune.library.costs import check_memory, machine_gigabytes
from mi_tune.library.setups import Base, base_values, by_key, own_name
from mi_tune.library.studies import Study
from mi_tune.library.twins import twin_values
from mi_tune.library.words import SMOKE
from mi_tune.runtime.device import pick_device
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.notebook import new_console
from mi_tune.setup import Setup, make_setup
from mi_tune.study.folder import StudyFolder
from mi_tune.study.run import Outcome, RunOptions, run_study
from mi_tune.trial.mixes import completed


@dataclass(frozen=True)
class Planned:
    """A study that is about to run: its checked set-up, seed and folder, and how it runs."""

    setup: Setup
    seed: int
    folder: Path
    options: RunOptions

    def run(self, console: Console) -> Outcome:
        """Run it until all trials have ended, the time is up, or the user interrupts. Raises InputError."""
        return run_study(self.setup, self.seed, self.folder, self.options, console)


def plan_study(
    base: Base,
    keywords: dict[str, Any],
    name: str | None,
    out: Path,
    seed: int | None,
    include_images: bool,
    options: RunOptions,
    twin: bool = False,
) -> Planned:
    """Decide set-up, seed and folder.

    A resumed study has its own set-up, seed and `smoke`; what is given besides must not contradict them.

    Args:
        base, keywords, name: see `build_setup`. out: folder of study folders. seed: None is the stored study's, or 0.
        include_images: whether the report of the user's own images may show them.
        options: how to run; `images_allowed` is decided here.
        twin: run the set-up's twin, see `mi_tune.library.twins`. Its numbers mean nothing, as with `smoke`.

    Raises:
        InputError: see `build_setup`.
    """
    if name is not None and not name:
        raise InputError("the name of a study is empty; leave it out, or give one")
    given = by_key(keywords)
    values, origin = base_values(base, own=given.get("data.source") == "folder")
    if twin:
        if options.smoke:
            raise InputError("--twin and --smoke each say how small a study is; give one of them")
        values, options = twin_values(values, origin), replace(options, smoke=True)
    name = name or own_name(given) or values.get("name")
    stored, smoke = out / str(name) / "study.yaml", options.smoke
    if options.resume and stored.exists():
        old = StudyFolder(stored.parent).read_config()
        origin, seed = str(stored), old["seed"] if seed is None else seed
        smoke, include_images = old["smoke"] or smoke, old.get("images_allowed", False)
        if base is None:
            values = old["config"]
        elif smoke and not twin:
            given = SMOKE | given
    elif smoke and not twin:
        given = SMOKE | given
    setup = completed(make_setup(values, origin, given | {"name": name}))
    if not smoke:
        check_memory(setup, machine_gigabytes(pick_device()))
    shown = setup.data.source != "folder" or include_images
    return Planned(setup, seed or 0, out / setup.name, replace(options, smoke=smoke, images_allowed=shown))


def tune(
    setup: Base = None,
    *,
    name: str | None = None,
    out: str | os.PathLike[str] = "results",
    seed: int | None = None,
    resume: bool = False,
    smoke: bool = False,
    minutes: float | None = None,
    address: str | None = None,
    gpus_per_trial: float | None = None,
    workers: int | None = None,
    include_images: bool = False,
    callbacks: Sequence[Any] = (),
    quiet: bool = False,
    **keywords: Any,
) -> Study:
    """Search Random Erasing laws: train classifiers with each law, attack them, judge the attacks.

    A Ray that the process has started already is used and left running. An interrupt (Ctrl-C, or a notebook's stop
    button) ends the study in order; the same call with `resume=True` continues it.

    Args:
        setup: a `Setup`, or what `build_setup` takes as its base. **keywords: see `build_setup`.
        name: of the study and its folder in `out`. Default: the set-up's.
        seed: every random draw derives from it. Default: 0, or the resumed study's.
        resume: continue the study in the folder; with images in memory, give the same ones again.
        smoke: a minute that shows that everything works; its numbers mean nothing.
        minutes: stop after so many minutes; the study can be resumed.
        address: of a Ray cluster; `auto` for this machine's, `local` for a private one. Default: see docs/cluster.md.
        gpus_per_trial: GPUs of a trial, also fractions. Default: 1 if there are any.
        workers: trials at a time. Default: as many as fit.
        include_images: whether the report of your own images may show them.
        callbacks: trackers by name (`tensorboard`, `mlflow`, `wandb`, `csv`), Ray Tune callbacks, or factories of such
            as `path/to/file.py:factory`. One that fails is left out from then on and never ends the study.
        quiet: print nothing.

    Returns:
        The study; `study.finished` says whether all its trials have ended.

    Raises:
        InputError: wrong input, in one line, before anything is trained.
        KeyboardInterrupt: the user interrupted. What had finished is in the study's folder.

    Example:
        >>> study = tune("orl", smoke=True, out="results", trials=4, resolution=16, identities=6, workers=2, quiet=True)
        >>> study.finished, len(study.table)
        (True, 4)
    """
    if not isinstance(resume, bool) or not isinstance(smoke, bool):
        raise InputError("resume and smoke are True or False")
    if minutes is not None and not minutes > 0:
        raise InputError(f"minutes {minutes}: must be above 0")
    options = RunOptions(
        resume=resume,
        time_budget=minutes * 60 if minutes else None,
        address=address,
        gpus_per_trial=gpus_per_trial,
        workers=workers,
        smoke=smoke,
        callbacks=tuple(callbacks),
    )
    planned = plan_study(setup, keywords, name, Path(out), seed, include_images, options)
    outcome = planned.run(new_console(quiet))
    if outcome.interrupted:
        raise KeyboardInterrupt(
            f"{outcome.trials} trials are in {outcome.folder}; the same call with resume=True continues"
        )
    return Study(outcome.folder)
