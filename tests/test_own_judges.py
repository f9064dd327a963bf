"""A user's own classifier of the private people as judge, and own architectures of the project's judge."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_bank

from mi_tune import attack
from mi_tune.data import split_each_identity
from mi_tune.judging.judge import JudgeRecipe, judge_key, train_judge
from mi_tune.judging.own import own_judge
from mi_tune.nets import create_classifier
from mi_tune.nets.training import Recipe, Training
from mi_tune.runtime.errors import InputError
from mi_tune.setup import make_setup
from mi_tune.trial.assets import StudyData, check_names
from mi_tune.trial.estimate import estimate
from mi_tune.trial.judges import prepare_judge, prepare_panel

CPU = torch.device("cpu")
FILE = Path(__file__).with_name("own_networks.py")
NETWORK = f"{FILE}:make"
BANK, OTHERS = make_bank(5, images=10), make_bank(4, seed=1)
SPLIT = split_each_identity(BANK, (0.6, 0.2, 0.2), 0)
DATA = StudyData(BANK, OTHERS, SPLIT, 0)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """An own network that somebody trained elsewhere, with the prefix of somebody's wrapper."""
    model = create_classifier(NETWORK, 5, 1, 16, 0)
    run = Training(model, *BANK.tensors(), torch.from_numpy(SPLIT.train), Recipe(epochs=12, flip=False), 0, CPU)
    while not run.finished:
        run.train_epoch()
    path = tmp_path_factory.mktemp("judge") / "judge.pt"
    torch.save({f"module.{name}": value for name, value in model.backbone.state_dict().items()}, path)
    return path


def setup_with(**judge):
    return make_setup({"judge": judge, "target": {"epochs": 2}}, "test")


def test_its_accuracy_on_images_that_no_target_sees_is_measured(weights):
    judge = prepare_judge(setup_with(kind=NETWORK, weights=str(weights)), DATA, 0, CPU)
    unseen = np.concatenate([SPLIT.val, SPLIT.test])
    network = create_classifier(NETWORK, 5, 1, 16, 1).backbone.eval()
    network.load_state_dict({name.removeprefix("module."): v for name, v in torch.load(weights).items()})
    with torch.no_grad():
        found = network(BANK.tensors()[0][unseen].float() / 255).argmax(1).numpy() == BANK.labels[unseen]
    assert judge.held_out.value == pytest.approx(found.mean())
    assert judge.held_out.value > 0.6
    assert (judge.name, judge.saw_private) == ("own make", True)


def test_it_sits_on_the_panel_of_a_confirmation(weights):
    setup = setup_with(kind=NETWORK, weights=str(weights), epochs=1, verifier_views=64)
    panel = prepare_panel(setup, DATA, 0, CPU)
    assert [judge.name for judge in panel.judges if judge.in_search] == ["own make"]
    assert estimate(setup, DATA, CPU).prepare_seconds < estimate(setup_with(epochs=1), DATA, CPU).prepare_seconds


def test_its_weights_and_its_code_are_part_of_its_key(weights, tmp_path):
    other = tmp_path / "other.pt"
    state = torch.load(weights)
    state["module.0.weight"] = state["module.0.weight"] * 1.01
    torch.save(state, other)
    changed = tmp_path / "mine.py"
    changed.write_text(FILE.read_text() + "# changed\n")
    keys = {
        own_judge(factory, path, BANK, SPLIT, CPU).key
        for factory, path in ((NETWORK, weights), (NETWORK, other), (f"{changed}:make", weights))
    }
    assert len(keys) == 3


def test_another_process_can_be_given_it(weights, tmp_path):
    judge = own_judge(NETWORK, weights, BANK, SPLIT, CPU)
    (tmp_path / "judge.pkl").write_bytes(pickle.dumps(judge.model))
    images = torch.from_numpy(BANK.images[:3])
    torch.save(images, tmp_path / "images.pt")
    code = (
        "import pickle, sys, torch; from pathlib import Path; from mi_tune.nets.training import predict\n"
        f"folder = Path({str(tmp_path)!r}); model = pickle.loads((folder / 'judge.pkl').read_bytes())\n"
        "assert not model.training and not any(p.requires_grad for p in model.parameters())\n"
        "torch.save(predict(model, torch.load(folder / 'images.pt'), torch.device('cpu')), folder / 'found.pt')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert torch.allclose(torch.load(tmp_path / "found.pt"), judge.logits(images, CPU), atol=1e-5)
    again = copy.deepcopy(judge.model)
    assert torch.equal(again(images / 255), judge.model(images / 255))


@pytest.mark.parametrize(
    ("judge", "hint"),
    [
        ({"kind": NETWORK}, "recognises only"),
        ({"kind": f"{FILE}:mke"}, "did you mean make"),
        ({"kind": f"{FILE}:text"}, "returns a str, not an nn.Module"),
    ],
)
def test_one_that_cannot_judge_is_refused_in_one_line(judge, hint):
    with pytest.raises(InputError, match=re.escape(hint)) as caught:
        prepare_judge(setup_with(**judge), DATA, 0, CPU)
    assert "\n" not in str(caught.value)


def test_weights_of_other_people_are_refused(weights):
    fewer = StudyData(
        BANK.only(np.arange(4)), OTHERS, split_each_identity(BANK.only(np.arange(4)), (0.6, 0.2, 0.2), 0), 0
    )
    with pytest.raises(InputError, match="has 5 classes, but the folder has 4 identities"):
        prepare_judge(setup_with(kind=NETWORK, weights=str(weights)), fewer, 0, CPU)


@pytest.mark.parametrize(
    ("judge", "hint"),
    [
        ({"kind": "nobody"}, "unknown judge 'nobody'; choose auto, classifier"),
        ({"weights": "x.pt"}, "weights go with your own judge"),
        ({"kind": "nowhere.py:make"}, "no such file"),
        ({"kind": NETWORK, "weights": "nowhere.pt"}, "give the judge's weights"),
    ],
)
def test_wrong_settings_of_a_judge_are_found_before_anything_is_read(judge, hint):
    with pytest.raises(InputError, match=re.escape(hint)):
        check_names(setup_with(**judge))


def test_an_own_architecture_of_the_projects_judge_has_its_code_in_the_judges_key(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mine.py"
    file.write_text(FILE.read_text())
    architecture = make_setup({"judge": {"architecture": "mine.py:make"}}, "test").judge.architecture
    assert architecture == f"{file}:make"  # workers have working directories of their own
    recipe = JudgeRecipe(architecture, Recipe(epochs=1, affine=True))
    judge = train_judge(BANK, SPLIT, recipe, 0, CPU)
    assert judge.name == "mine.py:make"
    file.write_text(FILE.read_text() + "# changed\n")
    assert judge_key(BANK, SPLIT, recipe, 0) != judge.key


def test_it_judges_the_attacks_on_a_network_in_hand(weights, tmp_path):
    images, labels = BANK.tensors()
    network = create_classifier("small_cnn", 5, 1, 16, 0)
    run = Training(network, images, labels, torch.from_numpy(SPLIT.train), Recipe(epochs=3), 0, CPU)
    while not run.finished:
        run.train_epoch()
    own = {"judge": NETWORK, "judge_weights": weights}
    found = attack(network, (BANK.images, BANK.labels), **own, out=tmp_path / "found", quiet=True)
    assert set(found.table.judge) == {"own make"}
    with pytest.raises(InputError, match="give the judge's weights"):
        attack(network, (BANK.images, BANK.labels), **own | {"judge_weights": "nowhere.pt"}, quiet=True)
