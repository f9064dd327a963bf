"""A user's own recogniser: what it must return, and what a study does with it."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_bank
from own_recognisers import Pixels

from mi_tune.data import split_each_identity
from mi_tune.judging import enrol
from mi_tune.judging.gallery import GalleryClassifier
from mi_tune.judging.recogniser import load_recogniser
from mi_tune.runtime.errors import InputError
from mi_tune.setup import JudgeSetup, Setup, make_setup
from mi_tune.trial.assets import StudyData
from mi_tune.trial.judges import prepare_judge, prepare_panel, prepare_recogniser, with_recogniser

CPU = torch.device("cpu")
FILE = Path(__file__).with_name("own_recognisers.py")
BANK, OTHERS = make_bank(8, images=10, size=16), make_bank(6, images=6, size=16, seed=3)
DATA = StudyData(BANK, OTHERS, split_each_identity(BANK, (0.6, 0.2, 0.2), 0), 0)


def judge_setup(name: str, **given: object) -> JudgeSetup:
    return JudgeSetup(recogniser=f"{FILE}:{name}", **given)


def setup(**judge: object) -> Setup:
    return make_setup({"judge": {"epochs": 1, "verifier_views": 60, **judge}}, "test")


def test_its_answers_are_the_cosines_to_the_mean_embeddings_of_people():
    embedding = load_recogniser(judge_setup("Pixels"), channels=1, resolution=16)
    gallery = enrol(embedding, BANK, DATA.split, CPU)
    module, unit = embedding.encoders[0].module, torch.nn.functional.normalize
    train = BANK.take(DATA.split.train)
    templates = torch.stack(
        [unit(module(torch.from_numpy(train.images[train.labels == k]) / 255)).sum(0) for k in range(8)]
    )
    test = BANK.take(DATA.split.test)
    expected = unit(module(torch.from_numpy(test.images) / 255)) @ unit(templates).T
    torch.testing.assert_close(gallery.similarity(torch.from_numpy(test.images), CPU), expected)
    named = GalleryClassifier(gallery)(torch.from_numpy(test.images) / 255).argmax(1)
    assert float((named == torch.from_numpy(test.labels)).float().mean()) == pytest.approx(gallery.rank1.mean())


def test_images_are_brought_to_its_size_and_channels(tmp_path: Path):
    given = judge_setup("Pixels", recogniser_resolution=16, recogniser_channels=1)
    embedding = load_recogniser(given, channels=3, resolution=32)
    grey = torch.from_numpy(BANK.images[:2]).float() / 255
    colour = torch.nn.functional.interpolate(grey, (32, 32), mode="nearest").expand(-1, 3, -1, -1)
    assert float((embedding(colour, CPU) * embedding(grey, CPU)).sum(1).min()) > 0.98


def test_weights_are_read_from_the_file_and_decide_the_key(tmp_path: Path):
    torch.manual_seed(5)
    trained = Pixels()
    torch.save(trained.state_dict(), tmp_path / "weights.pt")
    found = load_recogniser(judge_setup("Pixels", recogniser_weights=tmp_path / "weights.pt"), 1, 16)
    assert torch.equal(found.encoders[0].module.project.weight, trained.project.weight)
    assert found.key != load_recogniser(judge_setup("Pixels"), 1, 16).key
    sent = pickle.loads(pickle.dumps(found))
    images = torch.from_numpy(BANK.images[:3])
    assert torch.equal(sent(images, CPU), found(images, CPU))


@pytest.mark.parametrize(
    ("name", "given", "hint"),
    [
        ("Constant", {}, "the same embedding"),
        ("Broken", {}, "NaN or infinite"),
        ("Maps", {}, r"gives \(4, 1, 16, 16\) for 4 images, not embeddings"),
        ("Pixels", {"recogniser_resolution": 20}, "give the size it takes"),
        ("Pixel", {}, "did you mean Pixels"),
        ("Pixels", {"recogniser_weights": "missing.pt"}, "no such file"),
    ],
)
def test_a_recogniser_that_cannot_be_used_is_refused_in_one_line(name, given, hint):
    with pytest.raises(InputError, match=hint) as caught:
        load_recogniser(judge_setup(name, **given), channels=1, resolution=16)
    assert "\n" not in str(caught.value)


def test_one_that_is_near_chance_on_real_images_is_refused_with_its_figure():
    with pytest.raises(InputError, match=r"'Brightness' identifies only \d+% of the real test images of 8 people"):
        prepare_recogniser(setup(recogniser=f"{FILE}:Brightness"), DATA, CPU)


@pytest.mark.parametrize(
    ("judge", "hint"),
    [
        ({"recogniser": "dlib"}, "unknown recogniser 'dlib'"),
        ({"recogniser": "a b:c"}, "neither package.module:factory"),
        ({"recogniser": "faces", "recogniser_resolution": 32}, "goes with your own recogniser"),
        ({"recogniser": "none", "kind": "recogniser"}, "needs a recogniser"),
    ],
)
def test_a_setup_that_contradicts_itself_is_one_line(judge, hint):
    with pytest.raises(InputError, match=hint) as caught:
        setup(**judge)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_found_before_anything_is_computed():
    with pytest.raises(InputError, match=r"nowhere.py:make': no such file"):
        with_recogniser(setup(recogniser="nowhere.py:make"))


def test_it_can_judge_the_study_itself_and_then_no_classifier_is_trained():
    chosen = setup(recogniser=f"{FILE}:Pixels", kind="recogniser")
    judge = prepare_judge(chosen, DATA, 0, CPU)
    gallery = prepare_recogniser(chosen, DATA, CPU)
    assert (judge.name, judge.learned) == ("Pixels", "none")
    assert np.array_equal(judge.held_out_per_class, gallery.rank1)
    images = torch.from_numpy(BANK.images)
    assert torch.equal(judge.logits(images, CPU).argmax(1), gallery.similarity(images, CPU).argmax(1))
    panel = prepare_panel(chosen, DATA, 0, CPU)
    assert [one.name for one in panel.judges if one.in_search] == ["Pixels rank-1"]
    assert [one.name for one in panel.judges if one.outside] == ["Pixels rank-1", "Pixels rank-5", "Pixels TAR"]


def test_without_a_recogniser_a_study_that_is_judged_by_one_says_how_to_give_one():
    chosen = setup(kind="recogniser")
    folder = chosen.model_copy(update={"data": chosen.data.model_copy(update={"source": "folder"})})
    with pytest.raises(InputError, match="these images have no recogniser"):
        prepare_judge(folder, DATA, 0, CPU)
