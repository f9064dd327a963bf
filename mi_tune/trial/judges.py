"""Who judges a study: the judge of its trials, the recogniser beside it, and the panel of its confirmation."""

from __future__ import annotations

import dataclasses

import torch

from mi_tune.judging import (
    Gallery,
    Judge,
    JudgeRecipe,
    RegressorRecipe,
    VerifierRecipe,
    enrol,
    train_judge,
    train_regressor,
    train_verifier,
)
from mi_tune.judging.faces import NAME as FACES
from mi_tune.judging.faces import faces_installed
from mi_tune.judging.gallery import GalleryClassifier, check_gallery
from mi_tune.judging.own import own_judge
from mi_tune.judging.panel import ClassifierJudge, GalleryJudge, Panel, PanelJudge
from mi_tune.judging.recogniser import check_recogniser, load_recogniser
from mi_tune.judging.same_people import find_pairs
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed
from mi_tune.setup import Setup
from mi_tune.trial.assets import StudyData

SECOND_JUDGES = ("conv_attention", "residual_gn", "small_cnn")
"""Candidate architectures of a confirmation's second judge: the first that neither targets nor first judge use."""


def judge_recipe(setup: Setup) -> JudgeRecipe:
    """The setup's recipe of the first judge."""
    training = dataclasses.replace(JudgeRecipe().training, epochs=setup.judge.epochs)
    return JudgeRecipe(setup.judge.architecture, training, setup.judge.photographs)


def prepare_judge(setup: Setup, data: StudyData, seed: int, device: torch.device) -> Judge:
    """Make the judge of the trials, or load it from the cache; for drawn people together with the identity regressor.

    By default it is the recogniser, if there is one, else a classifier of the photographs that no target sees: of those
    that score shares, it agreed best with known identity and with a recogniser (docs/measurements.md).

    Raises InputError if the set-up asks for a judge that its images do not have, or the user's own cannot be used.
    """
    judge = _judge_by_kind(setup, data, seed, device)
    if data.identity_parameters is None:
        return judge
    regressor = train_regressor(data.private.resolution, regressor_recipe(setup), device)
    return dataclasses.replace(judge, regressor=regressor)


def check_judge(setup: Setup, data: StudyData, device: torch.device) -> None:
    """Raise InputError if the user's own judge, where the setup has one, cannot be used."""
    if ":" in setup.judge.kind:
        _judge_by_kind(setup, data, 0, device)


def _judge_by_kind(setup: Setup, data: StudyData, seed: int, device: torch.device) -> Judge:
    kind = setup.judge.kind
    if ":" in kind:
        return own_judge(kind, setup.judge.weights, data.private, data.split, device)
    if kind in ("auto", "recogniser"):
        gallery = prepare_recogniser(setup, data, device)
        if gallery is not None:
            return _by_gallery(gallery)
        if kind == "recogniser":
            raise InputError(
                "judge.kind recogniser: these images have no recogniser; give one (judge.recogniser: faces, or "
                "path/to/file.py:factory)"
            )
    if kind == "verifier":
        gallery = prepare_verifier(setup, data, seed, device)
        check_gallery(gallery)
        return _by_gallery(gallery)
    return train_judge(data.private, data.split, judge_recipe(setup), derive_seed(seed, "judge"), device)


def _by_gallery(gallery: Gallery) -> Judge:
    """A gallery as the judge of the trials: it names the person with the most similar template."""
    model = GalleryClassifier(gallery)
    return Judge(gallery.name, model, gallery.held_out_rank1, gallery.key, gallery.rank1, learned="none")


def prepare_panel(setup: Setup, data: StudyData, seed: int, device: torch.device) -> Panel:
    """The panel of a confirmation: classifiers, the verifier, and the recogniser, among them the judge of the trials.

    There are two classifiers of different architectures, or one if the trials were judged otherwise. The verifier
    counts as two judges, one per answer, and the recogniser as three. The verifier is trained on the public people, so
    there is none if the public images have a single identity, or none that is known.
    """
    searched = prepare_judge(setup, data, seed, device)
    judges: list[PanelJudge] = []
    if searched.saw_private:
        judges.append(ClassifierJudge(searched.name, searched, in_search=True))
    second = train_judge(
        data.private, data.split, second_judge_recipe(setup), derive_seed(seed, "second judge"), device
    )
    judges.append(ClassifierJudge(second.name, second, in_search=False))
    if data.public.identities > 1:
        verifier = prepare_verifier(setup, data, seed, device)
        used = searched.key == verifier.key
        judges.append(GalleryJudge(verifier, "rank-1", outside=False, in_search=used))
        judges.append(GalleryJudge(verifier, "TAR", outside=False))
    recogniser = prepare_recogniser(setup, data, device)
    if recogniser is not None:
        used = searched.key == recogniser.key
        judges.append(GalleryJudge(recogniser, "rank-1", outside=True, in_search=used))
        judges += [GalleryJudge(recogniser, "rank-5", outside=True), GalleryJudge(recogniser, "TAR", outside=True)]
    return Panel(tuple(judges))


def with_recogniser(setup: Setup) -> Setup:
    """The setup with its recogniser decided: where none is asked for, the built-in faces get the face recogniser if it
    is installed, and other images none. Raises InputError if one is asked for that is not installed."""
    name = setup.judge.recogniser
    if name == "auto":
        name = FACES if setup.data.source == "orl" and faces_installed() else "none"
    setup = setup.model_copy(update={"judge": setup.judge.model_copy(update={"recogniser": name})})
    check_recogniser(setup.judge)
    return setup


def prepare_recogniser(setup: Setup, data: StudyData, device: torch.device) -> Gallery | None:
    """The private people, enrolled with the setup's recogniser; None if it has none.

    Raises InputError if the recogniser is not installed, or cannot tell the real people apart.
    """
    setup = with_recogniser(setup)
    if setup.judge.recogniser == "none":
        return None
    bank = data.private
    gallery = enrol(load_recogniser(setup.judge, bank.channels, bank.resolution), bank, data.split, device)
    check_gallery(gallery)
    return gallery


def possible_pairs(data: StudyData, recogniser: Gallery | None, device: torch.device) -> list[tuple[int, int]]:
    """Private and public people whom the recogniser takes for one person, see `find_pairs`; none without a recogniser,
    and none of drawn people, who are known to be different."""
    if recogniser is None or data.identity_parameters is not None:
        return []
    return find_pairs(recogniser, data.private, data.split, data.public, device)


def second_judge_recipe(setup: Setup) -> JudgeRecipe:
    """The first judge's recipe with an architecture that neither the first judge nor the targets use."""
    used = (setup.judge.architecture, setup.target.architecture)
    architecture = next(name for name in SECOND_JUDGES if name not in used)
    return dataclasses.replace(judge_recipe(setup), architecture=architecture)


def prepare_verifier(setup: Setup, data: StudyData, seed: int, device: torch.device) -> Gallery:
    """Train the verifier on the public people, or load it from the cache. Raises InputError if there is only one."""
    views = setup.judge.verifier_views
    recipe = VerifierRecipe() if views is None else VerifierRecipe(views=views)
    return train_verifier(data.public, data.private, data.split, recipe, derive_seed(seed, "verifier"), device)


def regressor_recipe(setup: Setup) -> RegressorRecipe:
    """The setup's recipe of the identity regressor."""
    steps = setup.judge.regressor_steps
    return RegressorRecipe() if steps is None else RegressorRecipe(steps=steps)
