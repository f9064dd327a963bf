"""Whether a folder holds a study that can be resumed, with the same settings and the same images."""

from __future__ import annotations

from typing import Any

from mi_tune.runtime.errors import InputError
from mi_tune.setup import Setup, make_setup
from mi_tune.study.folder import StudyFolder
from mi_tune.trial.assets import StudyData, start_key

# settings that a resumed study may change: how long it runs, whether it has controls, and where its images lie now;
# what they show may not change
RESUMABLE = ("search.trials", "search.controls", "data.private", "data.public", "data.root")


def check_folder(study: StudyFolder, setup: Setup, seed: int, resume: bool, smoke: bool) -> None:
    """Raise InputError unless the folder is free for a new study, or holds one that this set-up can resume."""
    if not study.exists:
        if resume:
            raise InputError(f"{study.path}: no study to resume; leave out --resume to start one there")
        if study.path.exists() and not study.path.is_dir():
            raise InputError(f"{study.path} is a file; choose another --name or --out")
        return
    old = study.read_config()
    if not resume:
        raise InputError(
            f"{study.path} already holds a study; continue it by --resume, or start another one by --name NAME"
        )
    study.check_links()
    before = make_setup(old["config"], f"{study.path}/study.yaml").model_dump(mode="json")
    different = [name for name in _differences(before, setup.model_dump(mode="json")) if name not in RESUMABLE]
    if old["seed"] != seed:
        different.append("seed")
    if old["smoke"] != smoke:
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


def check_same_start(study: StudyFolder, setup: Setup) -> None:
    """Raise InputError if the weights that targets start from are not those that the study began with."""
    if study.read_config().get("start") != start_key(setup):
        raise InputError(
            f"{study.path}: the weights that targets start from have changed since this study began; restore them, or "
            "start another study by --name NAME"
        )
