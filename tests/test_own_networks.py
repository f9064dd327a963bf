"""A user's own network in place of an architecture's name, and architectures that cannot take a size."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest
import torch
from conftest import make_bank
from own_networks import make

from mi_tune.data import split_each_identity
from mi_tune.defences.registry import read_mix
from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import NO_DEFENCE
from mi_tune.nets import check_architecture, create_classifier, own_code
from mi_tune.nets.checkpoints import load_classifier
from mi_tune.nets.sizes import check_size
from mi_tune.runtime.errors import InputError
from mi_tune.setup import make_setup
from mi_tune.trial.assets import StudyData, check_names
from mi_tune.trial.comparison import trained_target
from mi_tune.trial.targets import natural_per_class, target_training

CPU = torch.device("cpu")
PAGE = Path(__file__).parents[1] / "docs" / "own.md"
FILE = Path(__file__).with_name("own_networks.py")
BANK, OTHERS = make_bank(5, images=8), make_bank(4, seed=1)
DATA = StudyData(BANK, OTHERS, split_each_identity(BANK, (0.6, 0.2, 0.2), 0), 0)


def test_it_gets_pixels_as_they_are_and_the_seed_decides_its_weights():
    first, again, other = (create_classifier(f"{FILE}:make", 5, 1, 16, seed=seed).eval() for seed in (1, 1, 2))
    images = torch.rand(3, 1, 16, 16)
    assert torch.equal(first(images), first.backbone(images))
    assert torch.equal(first(images), again(images))
    assert not torch.equal(first(images), other(images))


def test_a_target_of_it_is_trained_like_any_other():
    setup = make_setup({"target": {"architecture": f"{FILE}:make", "epochs": 12, "flip": False}}, "test")
    check_names(setup)
    run = target_training(setup, DATA, NO_DEFENCE, 0, 0, CPU)
    while not run.finished:
        run.train_epoch()
    assert natural_per_class(run.model, DATA, CPU).mean() > 0.5  # chance is 0.2


@pytest.mark.parametrize(
    ("name", "mix"),
    [
        ("make", "rounding:decimals=0"),
        ("make", "loft:rank=4"),
        ("make", "mid"),
        ("residual", "rolss:scale=0.5"),
        ("residual", "loft:rank=4 + rolss:scale=0.5 + rounding"),
    ],
)
def test_what_a_defence_changed_in_it_reaches_other_processes(name, mix):
    treatment = Treatment(defences=read_mix(mix))
    model = create_classifier(f"{FILE}:{name}", 5, 1, 16, seed=1)
    treatment.guarded(model, torch.rand(2, 1, 16, 16), 5, 0, CPU)
    images = torch.rand(3, 1, 16, 16)
    for sent in (model.eval(), treatment.deployed(model).eval()):
        text = pickle.dumps(sent)
        assert b"_Block" not in text  # a class of the file, which other processes do not find by name
        got = pickle.loads(text)
        torch.testing.assert_close(got(images), sent(images))  # its convolutions lie otherwise in memory
        torch.testing.assert_close(got.state_dict(), sent.state_dict(), rtol=0, atol=0)
        assert getattr(got, "purify", None) == getattr(sent, "purify", None)


def test_its_modes_and_what_learns_of_it_reach_other_processes():
    model = create_classifier(f"{FILE}:make", 5, 1, 16, seed=1).train()
    model.backbone[0].requires_grad_(False)
    model.freeze(("1",))
    got = pickle.loads(pickle.dumps(model))
    assert [value.requires_grad for value in got.parameters()] == [False, False, True, True, True, True]
    assert (got.training, got.backbone[1].training, got.backbone[4].training) == (True, False, True)
    assert not got.train().backbone[1].training


def test_its_code_is_part_of_what_a_kept_target_is_found_by(tmp_path):
    file = tmp_path / "mine.py"
    keys = []
    for text in (FILE.read_text(), FILE.read_text() + "# changed\n"):
        file.write_text(text)
        setup = make_setup({"target": {"architecture": f"{file}:make", "epochs": 1}}, "test")
        keys.append(trained_target(setup, DATA, NO_DEFENCE, 0, 0, CPU)[2])
    assert keys[0] != keys[1]
    assert own_code("small_cnn") == ()


def test_weights_of_it_need_no_normalisation_because_it_normalises_itself(tmp_path):
    torch.manual_seed(3)
    trained = make(5, 1, 16).eval()
    torch.save(trained.state_dict(), tmp_path / "mine.pt")
    loaded = load_classifier(tmp_path / "mine.pt", f"{FILE}:make", 5, 1, 16)
    images = torch.rand(3, 1, 16, 16)
    assert torch.equal(loaded(images), trained(images))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("raises", "its factory fails on (5, 1, 16) (RuntimeError: no such layer)"),
        ("without_sizes", "takes 0 positional arguments but 3 were given"),
        ("text", "returns a str, not an nn.Module"),
        ("features", "gives (2, 8) for 2 images of 5 classes, not logits (2, 5)"),
        ("large", "its network fails on images (2, 1, 16, 16)"),
        ("pair", "its network gives tuple for 2 images"),
        ("broken", "logits have NaN or infinite values"),
        ("mke", "did you mean make"),
    ],
)
def test_one_that_cannot_be_a_target_is_refused_in_one_line(name, hint):
    with pytest.raises(InputError, match=re.escape(hint)) as caught:
        create_classifier(f"{FILE}:{name}", 5, 1, 16, seed=0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere.py:make", "nopackage.module:make"])
def test_a_missing_file_or_package_is_found_before_anything_is_read(name):
    with pytest.raises(InputError, match=r"no such file|is installed"):
        check_names(make_setup({"target": {"architecture": name}}, "test"))


@pytest.mark.parametrize(("name", "taken"), [("vit_b_16", "it takes 224 px"), ("inception_v3", "80 px and more")])
def test_an_architecture_that_cannot_take_the_resolution_names_the_sizes_that_it_takes(name, taken):
    with pytest.raises(InputError, match=f"'{name}' cannot take images of 32 px; .*{taken}") as caught:
        check_size(name, 32)
    assert "\n" not in str(caught.value)


def test_networks_of_timm_by_name_at_the_size_of_the_images():
    pytest.importorskip("timm")
    for name in ("timm:resnet18", "timm:vit_tiny_patch16_224"):
        check_architecture(name)
        assert create_classifier(name, 5, 1, 32, seed=0).eval()(torch.rand(1, 1, 32, 32)).shape == (1, 5)
    with pytest.raises(InputError, match="did you mean timm:resnet18"):
        check_architecture("timm:resnet_18")


def test_the_network_of_the_page_on_own_things_can_be_a_target(tmp_path):
    section = PAGE.read_text().split("\n## Your own network\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    (tmp_path / "my_network.py").write_text(code)
    model = create_classifier(f"{tmp_path / 'my_network.py'}:make", 5, 3, 32, seed=0)
    assert model(torch.rand(2, 3, 32, 32)).shape == (2, 5)
