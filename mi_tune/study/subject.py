"""A trained target of a study, as the subject of an audit."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mi_tune.defences.columns import treatment_of
from mi_tune.nets.checkpoints import load_classifier
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.wording import near_names
from mi_tune.setup import make_setup
from mi_tune.study.folder import StudyFolder
from mi_tune.trial.assets import load_data
from mi_tune.trial.audit import Subject


def trial_number(folder: Path, trial: str | None) -> int:
    """The number of a trial of the study in `folder`.

    Args:
        folder: of the study.
        trial: a number, the name of a reference point, or None for the trial without defence.

    Raises:
        InputError: the study has no such trial.
    """
    table = _table(folder)
    names = {str(name).lower(): int(number) for name, number in zip(table.reference, table.trial, strict=True) if name}
    wanted = "no defence" if trial is None else trial.strip().lower()
    if wanted in names:
        return names[wanted]
    if wanted.isdigit() and int(wanted) in set(table.trial):
        return int(wanted)
    if trial is None:
        raise InputError(f"{folder}: no trial without defence yet; choose another trial by --trial NUMBER")
    numbers = f"numbers {table.trial.min()} to {table.trial.max()}" if len(table) else "no trials yet"
    near = near_names(wanted, names) or list(names)
    raise InputError(f"{folder}: no trial '{trial}'; there are {numbers}" + f" and {', '.join(near)}" * bool(near))


def study_subject(folder: Path, trial: int) -> Subject:
    """Load the first target of a trial of the study in `folder`.

    Raises:
        InputError: the folder holds no study, the trial has no saved target, or the images have changed since.
    """
    config = StudyFolder(folder).read_config()
    table = _table(folder).set_index("trial")
    place = folder / "trials" / f"{trial:04d}" / "target.pt"
    if not place.exists():
        state, reason = table.loc[trial, "state"], str(table.loc[trial, "reason"])
        raise InputError(
            f"{folder}: trial {trial} has no target.pt ({state}{': ' * bool(reason)}{reason}); choose another --trial"
        )
    setup = make_setup(config["config"], f"{folder}/study.yaml")
    seed = int(config["seed"])
    data = load_data(setup, seed)
    for side, bank in (("private", data.private), ("public", data.public)):
        if config["data"][side]["fingerprint"] != bank.fingerprint():
            raise InputError(
                f"{folder}: the {side} images have changed since the study, so its models cannot be attacked; "
                "restore the images"
            )
    bank = data.private
    row = table.loc[trial]
    treatment = treatment_of(row)
    shape = (bank.identities, bank.channels, bank.resolution)
    model = load_classifier(place, setup.target.architecture, *shape, shaped=treatment.shaped)
    return Subject(
        name=f"{config['name']}, trial {trial}",
        about={
            "study": config["name"],
            "trial": trial,
            "reference": str(row.reference),
            "defences": treatment.mix,
            "architecture": Path(setup.target.architecture).name,  # an own one without its place
        },
        model=model,
        setup=setup,
        data=data,
        seed=seed,
        law=treatment.law.resolved(bank.mean(data.split.train)),
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
        raise InputError(f"{folder}: no readable trials.parquet; the study has no trials yet") from error
