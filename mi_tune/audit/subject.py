"""The model under attack, with the data, setup and seed that judge and attacker are made from."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from torch import nn

from mi_tune.assets import StudyData, load_data
from mi_tune.data import Bank, drop_copies, folder_bank, orl_bank, split_each_identity
from mi_tune.erasing import REFERENCE_LAWS, ErasingLaw
from mi_tune.errors import InputError
from mi_tune.nets import check_architecture
from mi_tune.nets.checkpoints import load_classifier
from mi_tune.setup import Setup, make_setup
from mi_tune.study.folder import StudyFolder
from mi_tune.study.table import law_of

LAWS = dict(zip(("none", "midre-0.4", "midre-0.8", "zhong"), REFERENCE_LAWS.values(), strict=True))
"""Laws that a model may have been trained with, by short names."""


@dataclass(frozen=True)
class Subject:
    """A trained model and what belongs to it.

    Args:
        name: what to call it. about: where it is from, as plain values without paths.
        setup, data, seed: what judge and priors are made from; for a trial, its study's.
        law: the erasing law that it was trained with, resolved; None where it is not known.
        measured_on: indices of private images on which its accuracy is told, and what to call these.
        images_allowed: whether its report may show faces without being asked.
    """

    name: str
    about: dict[str, Any]
    model: nn.Module
    setup: Setup
    data: StudyData
    seed: int
    law: ErasingLaw | None
    measured_on: tuple[str, np.ndarray]
    images_allowed: bool


# -------------------------------------------------------------------------------------------------- a study's trial


def trial_number(folder: Path, trial: str | None) -> int:
    """The number of a trial given as number, as name of a reference, or not at all (the one without defence).

    Raises InputError if it is not in the study.
    """
    table = _table(folder)
    names = {str(name).lower(): int(number) for name, number in zip(table.reference, table.trial, strict=True) if name}
    wanted = "no defence" if trial is None else trial.strip().lower()
    if wanted in names:
        return names[wanted]
    if wanted.isdigit() and int(wanted) in set(table.trial):
        return int(wanted)
    if trial is None:
        raise InputError(f"{folder}: no trial without defence yet; choose one by --trial NUMBER")
    numbers = f"numbers {table.trial.min()} to {table.trial.max()}" if len(table) else "no trials yet"
    near = difflib.get_close_matches(wanted, names, n=3) or list(names)
    raise InputError(f"{folder}: no trial '{trial}'; there are {numbers}" + f" and {', '.join(near)}" * bool(near))


def study_subject(folder: Path, trial: int) -> Subject:
    """The first target of a trial of the study in `folder`.

    Raises:
        InputError: not a study; the trial left no target; images or weights that are not the study's.
    """
    config = StudyFolder(folder).read_config()
    table = _table(folder).set_index("trial")
    place = folder / "trials" / f"{trial:04d}" / "target.pt"
    if not place.exists():
        state, reason = table.loc[trial, "state"], str(table.loc[trial, "reason"])
        raise InputError(f"{folder}: trial {trial} left no target.pt ({state}{': ' * bool(reason)}{reason})")
    setup = make_setup(config["config"], f"{folder}/study.yaml")
    seed = int(config["seed"])
    data = load_data(setup, seed)
    for side, bank in (("private", data.private), ("public", data.public)):
        if config["data"][side]["fingerprint"] != bank.fingerprint():
            raise InputError(f"{folder}: the {side} images have changed since the study; its models cannot be judged")
    bank = data.private
    model = load_classifier(place, setup.target.architecture, bank.identities, bank.channels, bank.resolution)
    row = table.loc[trial]
    return Subject(
        name=f"{config['name']}, trial {trial}",
        about={
            "study": config["name"],
            "trial": trial,
            "reference": str(row.reference),
            "architecture": setup.target.architecture,
        },
        model=model,
        setup=setup,
        data=data,
        seed=seed,
        law=law_of(row).resolved(bank.take(data.split.train).mean()),
        measured_on=("validation images", data.split.val),
        images_allowed=bool(config.get("images_allowed")),
    )


def _table(folder: Path) -> pd.DataFrame:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of a study, such as results/orl")
    StudyFolder(folder).read_config()
    try:
        return pd.read_parquet(folder / "trials.parquet")
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: no readable trials.parquet; this is not a study folder") from error


# ------------------------------------------------------------------------------------------------ the user's own model


def own_subject(
    weights: Path,
    architecture: str,
    private: Path,
    public: Path | None,
    resolution: int,
    law: ErasingLaw | None,
    seed: int,
    prior: str = "eigenface",
    fit: str = "crop",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Subject:
    """The user's own classifier of the people in `private`, its classes in the sorted order of their folders.

    Without public images the attacker's prior is made from the built-in faces. A law's `mean` fill is resolved with the
    images of `private`.

    Raises:
        InputError: see `load_classifier`, `make_setup` and the sources and splits of images.
    """
    check_architecture(architecture)
    judge = "residual_gn" if architecture != "residual_gn" else "small_cnn"
    folders = {"private": str(private), "public": str(public) if public else None}
    values = {
        "name": "own",
        "data": {"source": "folder", "resolution": resolution, "fit": fit, **folders},
        "target": {"architecture": architecture},
        "prior": {"kind": prior},
        "judge": {"architecture": judge},
    }
    setup = make_setup(values, "options")
    data = load_data(setup, seed) if public else _with_built_in_public(setup, seed)
    bank = data.private
    return Subject(
        name=weights.name,
        about={"weights": weights.name, "architecture": architecture, "public": "own" if public else "built-in ORL"},
        model=load_classifier(weights, architecture, bank.identities, bank.channels, bank.resolution, mean, std),
        setup=setup,
        data=data,
        seed=seed,
        law=law.resolved(bank.mean()) if law else None,
        measured_on=("images of the folder, trained on or not", np.arange(len(bank))),
        images_allowed=False,
    )


def _with_built_in_public(setup: Setup, seed: int) -> StudyData:
    data = setup.data
    assert data.private is not None
    private = folder_bank(data.private, data.resolution, data.channels, data.fit, minimum_images=3)
    faces = orl_bank(data.resolution)
    public = Bank(np.ascontiguousarray(faces.images.repeat(private.channels, 1)), faces.labels, faces.names)
    public, dropped = drop_copies(public, private)
    return StudyData(private, public, split_each_identity(private, data.split, seed), dropped)


def named_law(text: str) -> ErasingLaw | None:
    """The law that `--law` gives: a name of `LAWS`, `unknown` (None), or a YAML or JSON mapping or a file with one.

    Raises InputError for an unknown name or parameter.
    """
    if text == "unknown":
        return None
    if text in LAWS:
        return LAWS[text]
    mapping = text.lstrip().startswith("{")
    if not mapping and not Path(text).is_file():
        known = ("unknown", *LAWS)
        near = difflib.get_close_matches(text, known, n=2) or known
        raise InputError(f"unknown law '{text}'; did you mean {', '.join(near)}? A mapping or a file with one does too")
    try:
        values = yaml.safe_load(text if mapping else Path(text).read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"--law {text}: not valid YAML ({' '.join(str(error).split())})") from error
    if not isinstance(values, dict):
        raise InputError(f"--law {text}: not a mapping of parameters such as probability, area, fill")
    return ErasingLaw.from_dict(values)
