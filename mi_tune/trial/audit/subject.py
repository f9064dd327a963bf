"""The audited model, with the data, setup and seed that its judge and attacker are made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from mi_tune.data import Bank, drop_copies, orl_bank, own_bank
from mi_tune.data.places import is_name
from mi_tune.erasing import ErasingLaw
from mi_tune.runtime.errors import InputError
from mi_tune.setup import Setup, make_setup
from mi_tune.trial.assets import StudyData, load_data, split_of
from mi_tune.trial.judges import with_recogniser


@dataclass(frozen=True)
class Subject:
    """A trained model to be audited, with everything that its judge and attacker need.

    Args:
        name: for reports. about: where the model comes from, as plain values without paths.
        setup, data, seed: what judge and priors are made from; for a trial, those of its study.
        law: the erasing law that the model was trained with, resolved; None if it is unknown.
        measured_on: how to describe the private images that its accuracy is measured on, and their indices.
        images_allowed: whether its report may show faces by default.
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


# ------------------------------------------------------------------------------------------------ the user's own model


def own_setup(
    private: Path,
    public: Path | None,
    resolution: int,
    prior: str,
    *,
    fit: str | None = None,
    recogniser: str | None = None,
    architecture: str | None = None,
    judge: str | None = None,
    judge_weights: Path | None = None,
    data_root: Path | None = None,
) -> Setup:
    """The set-up that judges and priors of the user's own model are made from; None: the set-up's default.

    Args:
        private: folder with one sub-folder per person; the classes are the sub-folders in sorted order.
        public: folder of public images. Without it the attacker's prior is made from the built-in faces.
        resolution: side of the images in pixels. prior: kind of the attacker's prior.
        fit, recogniser, architecture, judge, judge_weights, data_root: as in a set-up, but no recogniser by default.

    Raises:
        InputError: from `make_setup`.
    """
    own = architecture or "small_cnn"
    values = {
        "name": "own",
        "data": {"source": "folder", "private": str(private), "resolution": resolution},
        "target": {"architecture": own},
        "prior": {"kind": prior},
        "judge": {"architecture": "small_cnn" if own == "residual_gn" else "residual_gn", "recogniser": "none"},
    }
    given = {"data.public": str(public) if public else None, "data.root": data_root, "data.fit": fit}
    given |= {"judge.recogniser": recogniser, "judge.kind": judge, "judge.weights": judge_weights}
    return with_recogniser(make_setup(values, "options", given))


def own_data(setup: Setup, seed: int) -> StudyData:
    """The images of such a set-up; without public ones, the built-in faces are public."""
    private = setup.data.private
    if setup.data.public is None and private is not None and is_name(private):
        raise InputError(f"{private} is a data set by name; say who is public, too, such as --public ffhq")
    return load_data(setup, seed) if setup.data.public else _with_built_in_public(setup, seed)


def subject_of(
    model: nn.Module, name: str, about: dict[str, Any], setup: Setup, data: StudyData, law: ErasingLaw | None, seed: int
) -> Subject:
    """A trained model of the people of `data` as a subject; see `Subject`."""
    bank = data.private
    return Subject(
        name=name,
        about={**about, "public": "own" if setup.data.public else "built-in ORL"},
        model=model,
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
    private = own_bank(data.private, data.resolution, data.channels, data.fit, 3, data.root)
    faces = orl_bank(data.resolution)
    public = Bank(np.ascontiguousarray(faces.images.repeat(private.channels, 1)), faces.labels, faces.names)
    public, dropped = drop_copies(public, private)
    return StudyData(private, public, split_of(setup, private, seed), dropped)
