"""Attack one trained model with many attacks: a network in hand, a file of weights, or a trial of a study."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from rich.console import Console
from torch import OutOfMemoryError, nn

from mi_tune.attacks.oracle import SoftLabel
from mi_tune.erasing import ErasingLaw, named_law
from mi_tune.judging.own import check_own_judge
from mi_tune.library.frames import table_html
from mi_tune.library.setups import by_key
from mi_tune.library.studies import Study
from mi_tune.nets.checkpoints import load_classifier
from mi_tune.nets.in_hand import classifier_in_hand
from mi_tune.nets.sizes import check_size
from mi_tune.runtime.device import pick_device
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.notebook import new_console
from mi_tune.study.subject import study_subject, trial_number
from mi_tune.trial.audit import (
    Attempt,
    AuditOptions,
    Subject,
    own_data,
    own_setup,
    plan_attempts,
    run_audit,
    subject_of,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

RECOMMENDED = "recommended"
"""The `trial` that stands for the law that the study recommends."""
DEFAULT_RESOLUTION, DEFAULT_PRIOR = 64, "eigenface"
"""Of a model of the user's."""


class Audit:
    """Attacks on one model, by the folder of their results.

    Args:
        folder: such as `results/orl/attacks/trial-0000`.

    Raises:
        InputError: the folder holds no attacks.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        from analysis.statistics import load_attacks

        self.folder = Path(folder).absolute()
        self._records = load_attacks(self.folder)

    @property
    def table(self) -> pd.DataFrame:
        """One row an attack, and the baselines; docs/study_folder.md explains the columns."""
        return self._records.table.copy()

    @property
    def strongest(self) -> pd.Series | None:
        """The row of the attack with the highest attack accuracy; None if none completed."""
        complete = self._records.complete
        return complete.iloc[0] if len(complete) else None

    def figure(self) -> Figure:
        """The attacks with their intervals and baselines, as a Plotly figure."""
        from analysis import figures

        return figures.plot_attacks(figures.attacks_info(self._records))

    def report(self) -> Path:
        """Write report.html; returns its path."""
        from analysis.pages import write_attack_report

        return write_attack_report(self._records)

    def __repr__(self) -> str:
        best = self.strongest
        found = "no attack completed" if best is None else f"{best.attack} finds {best.attack_accuracy:.1%}"
        return f"<mi_tune attacks on {self._records.config['name']}: {found}; {self.folder}>"

    def _repr_html_(self) -> str:
        columns = {name: name.replace("_", " ") for name in ("attack", "budget", "access", "attack_accuracy", "judge")}
        return (
            f"<div><b>{escape(str(self._records.config['name']))}</b>{table_html(self._records.table, columns)}</div>"
        )


@dataclass(frozen=True)
class PlannedAudit:
    """Attacks that are about to run: on what, which, and where their results go."""

    subject: Subject
    attempts: list[Attempt]
    folder: Path


@dataclass(frozen=True)
class OwnModel:
    """What the user says of a model of their own, as in `attack`, which explains it; None: not said."""

    private: Any = None
    public: Any = None
    architecture: str | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    resolution: int | None = None
    fit: str | None = None
    law: ErasingLaw | str | None = None
    recogniser: str | None = None
    judge: str | None = None
    judge_weights: str | os.PathLike[str] | None = None
    data_root: str | os.PathLike[str] | None = None

    @property
    def said(self) -> list[str]:
        """The names of what was said."""
        return [name for name, value in vars(self).items() if value is not None]


def plan_audit(
    target: Any,
    own: OwnModel,
    *,
    attacks: str,
    budget: str,
    trial: int | str | None,
    prior: str | None,
    seed: int | None,
    out: str | os.PathLike[str] | None,
) -> PlannedAudit:
    """Load the model and the images of `attack`, which explains the arguments. Raises InputError."""
    plan_attempts(attacks, budget, prior or DEFAULT_PRIOR)  # a wrong name is found before anything is read
    if isinstance(target, Study) or _is_study(target, own.private):
        if own.said:
            raise InputError(f"{own.said[0]} goes with a model of yours; a study knows its own")
        folder = target.folder if isinstance(target, Study) else Path(target)
        number = _trial(folder, trial)
        subject = study_subject(folder, number)
        place = Path(out) if out else folder / "attacks" / f"trial-{number:04d}"
        return PlannedAudit(subject, plan_attempts(attacks, budget, prior or subject.setup.prior.kind), place)
    if trial is not None:
        raise InputError("trial goes with a study, not with a model of yours")
    if own.private is None:
        raise InputError("private is missing: the images of the people that the model tells apart")
    subject, place = _own_subject(target, own, prior or DEFAULT_PRIOR, seed or 0)
    return PlannedAudit(subject, plan_attempts(attacks, budget, prior or DEFAULT_PRIOR), Path(out) if out else place)


def _is_study(target: Any, private: Any) -> bool:
    """Whether a path is meant as a study's folder and not as a file of weights, which needs `private`."""
    return isinstance(target, (str, os.PathLike)) and private is None and not Path(target).is_file()


def _own_subject(target: Any, own: OwnModel, prior: str, seed: int) -> tuple[Subject, Path]:
    """The user's own model as a subject, and the folder of its results where none is given."""
    law = named_law(own.law) if isinstance(own.law, str) else own.law
    if law is not None and not isinstance(law, ErasingLaw):
        raise InputError(f"law is a {type(law).__name__}; give an ErasingLaw, or a name such as midre-0.8")
    from_file = isinstance(target, (str, os.PathLike))
    architecture = own.architecture
    if from_file and architecture is None:
        raise InputError("a file of weights needs its architecture: small_cnn, or a classifier of torchvision")
    places = by_key({"private": own.private, "public": own.public})
    side = own.resolution or places.get("data.resolution") or DEFAULT_RESOLUTION
    if architecture is not None:
        check_size(architecture, side)
    public = places.get("data.public")
    setup = own_setup(
        Path(places["data.private"]),
        Path(public) if public else None,
        side,
        prior,
        fit=own.fit,
        recogniser=own.recogniser,
        architecture=architecture,
        judge=own.judge,
        judge_weights=Path(own.judge_weights) if own.judge_weights else None,
        data_root=Path(own.data_root).absolute() if own.data_root else None,
    )
    if ":" in setup.judge.kind:
        check_own_judge(setup.judge.kind, setup.judge.weights)
    data = own_data(setup, seed)
    bank = data.private
    shape = (bank.identities, bank.channels, bank.resolution)
    model: nn.Module
    if from_file:
        weights = Path(target)
        network = setup.target.architecture  # with the absolute path of an own one
        said: list[str] = []
        model = load_classifier(weights, network, *shape, own.mean, own.std, say=said.append)
        name, about = weights.name, {"weights": weights.name, "architecture": Path(network).name}
        about |= {"read": said[0]} if said else {}
        place = Path("results") / f"attack-{weights.stem}"
    else:
        model = classifier_in_hand(target, *shape, own.mean, own.std)
        name = type(target).__name__
        about = {"weights": "in memory", "architecture": architecture or name}
        # another model of this class has a folder of its own
        key = SoftLabel(model, torch.device("cpu"), bank.identities).key[:8]
        place = Path("results") / f"attack-{name}-{key}"
    return subject_of(model, name, about, setup, data, law, seed), place


def _trial(study: Path, trial: int | str | None) -> int:
    """The number of a trial of the study in a folder; see `attack`."""
    if trial == RECOMMENDED:
        return Study(study).recommend().trial
    return trial_number(study, None if trial is None else str(trial))


def run_planned(
    planned: PlannedAudit,
    *,
    classes: int | None,
    seed: int | None,
    law_known: bool,
    include_images: bool | None,
    force: bool,
    console: Console,
) -> pd.DataFrame:
    """Run the attacks that the folder does not hold yet; returns their rows. See `attack`. Raises InputError."""
    subject = planned.subject
    options = AuditOptions(
        seed=subject.seed if seed is None else seed,
        classes=classes,
        law_known=law_known,
        images=subject.images_allowed if include_images is None else include_images,
        force=force,
    )
    try:
        return run_audit(subject, planned.attempts, planned.folder, options, pick_device(), console)
    except OutOfMemoryError as error:
        raise InputError("out of GPU memory; free it of other programs, or choose fewer classes") from error


def attack(
    target: nn.Module | Study | str | os.PathLike[str],
    private: Any = None,
    public: Any = None,
    *,
    attacks: str = "map_logit",
    budget: str = "reduced",
    trial: int | str | None = None,
    architecture: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    resolution: int | None = None,
    fit: str | None = None,
    law: ErasingLaw | str | None = None,
    law_known: bool = True,
    recogniser: str | None = None,
    judge: str | None = None,
    judge_weights: str | os.PathLike[str] | None = None,
    prior: str | None = None,
    classes: int | None = None,
    seed: int | None = None,
    out: str | os.PathLike[str] | None = None,
    include_images: bool | None = None,
    force: bool = False,
    quiet: bool = False,
    data_root: str | os.PathLike[str] | None = None,
) -> Audit:
    """Attack one trained classifier, and judge what the attacks find.

    Args:
        target: a network in hand, which maps float images (n, channels, height, width) to logits (n, people), on any
            device and in any mode (a copy is attacked, in evaluation mode); a file of weights with its `architecture`;
            or a study or its folder.
        private: images of the people that it tells apart, in the order of its outputs; a folder, a pair (images,
            labels) or a Dataset, as for `build_setup`. A folder's people are its sub-folders in sorted order.
        public: images of others, for the attacker. Default: the built-in faces.
        attacks, budget: presets or groups, with commas between (docs/attacks.md); `reduced`, `4x`, `16x` or `full`.
        trial: of the study: a number, a reference point, or `recommended`. Default: the one without defence.
        mean, std: normalisation that the model expects, per channel. Default: pixels in [0, 1].
        resolution, fit: side of its images in pixels; `crop` or `stretch`. Default: the arrays', or 64.
        law: the erasing law that it was trained with, or its name. law_known: whether attacks may use it.
        recogniser, prior: see docs/judges.md and docs/own.md. Default: none; the study's prior, or eigenfaces.
        judge, judge_weights: who judges, see docs/judges.md; also your own, `path/to/file.py:factory`.
        classes: attack only the first so many people.
        seed: of the attacks. out: folder of the results. force: compute also what the folder already holds.
        include_images: whether the folder may hold faces. Default: as the study; not of your own images.
        quiet: print nothing.
        data_root: folder of the data sets by name.

    Raises:
        InputError: wrong input, in one line, before anything is computed; or every attack failed.

    Example:
        >>> import numpy as np, torch
        >>> faces = np.random.default_rng(0).integers(0, 256, (24, 16, 16), dtype=np.uint8)
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256, 4))
        >>> found = attack(model, private=(faces, np.arange(24) // 6), out="results/mine", quiet=True)
        >>> found.strongest.attack, bool(found.strongest.attack_accuracy <= 1)
        ('map_logit', True)
    """
    own = OwnModel(
        private=private,
        public=public,
        architecture=architecture,
        mean=mean,
        std=std,
        resolution=resolution,
        fit=fit,
        law=law,
        recogniser=recogniser,
        judge=judge,
        judge_weights=judge_weights,
        data_root=data_root,
    )
    planned = plan_audit(target, own, attacks=attacks, budget=budget, trial=trial, prior=prior, seed=seed, out=out)
    run_planned(
        planned,
        classes=classes,
        seed=seed,
        law_known=law_known,
        include_images=include_images,
        force=force,
        console=new_console(quiet),
    )
    return Audit(planned.folder)
