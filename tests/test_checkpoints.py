"""Weights from files: what fits is loaded exactly, what could run code never."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from mi_tune.nets import create_classifier
from mi_tune.nets.checkpoints import load_classifier, read_state
from mi_tune.runtime.errors import InputError

RAN: list[str] = []


class Malicious:
    def __reduce__(self):
        return (RAN.append, ("code ran",))


@pytest.fixture
def small():
    return create_classifier("small_cnn", 4, 1, 16, seed=3).eval()


def saved(value: object, tmp_path: Path, name: str = "weights.pt") -> Path:
    torch.save(value, tmp_path / name)
    return tmp_path / name


def test_a_saved_classifier_answers_as_before(small, tmp_path):
    images = torch.rand(5, 1, 16, 16)
    loaded = load_classifier(saved(small.state_dict(), tmp_path), "small_cnn", 4, 1, 16)
    assert torch.equal(loaded(images), small(images))
    assert not loaded.training


@pytest.mark.parametrize("wrap", ["state_dict", "model_state_dict", "module"])
def test_what_training_scripts_wrap_around_weights_is_taken_off(small, tmp_path, wrap):
    state = small.state_dict()
    state = {f"module.{k}": v for k, v in state.items()} if wrap == "module" else {wrap: state, "epoch": 3}
    loaded = load_classifier(saved(state, tmp_path), "small_cnn", 4, 1, 16)
    images = torch.rand(2, 1, 16, 16)
    assert torch.equal(loaded(images), small(images))


def test_a_plain_torchvision_model_is_given_its_own_normalisation(tmp_path):
    plain = resnet18(num_classes=4).eval()
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    path = saved(plain.state_dict(), tmp_path)
    images = torch.rand(3, 3, 32, 32)
    wanted = plain((images - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None])
    assert torch.allclose(load_classifier(path, "resnet18", 4, 3, 32, mean, std)(images), wanted, atol=1e-6)
    grey = images[:, :1]
    wanted = plain((grey.expand(-1, 3, -1, -1) - 0.4) / 0.2)
    assert torch.allclose(load_classifier(path, "resnet18", 4, 1, 32, (0.4,), (0.2,))(grey), wanted, atol=1e-6)


@pytest.mark.parametrize("value", [Malicious(), nn.Linear(2, 2), {"state_dict": Malicious()}])
def test_a_file_that_could_run_code_is_refused_and_not_run(tmp_path, value):
    path = saved(value, tmp_path)
    with pytest.raises(InputError, match="state_dict") as caught:
        read_state(path)
    assert "code" in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not RAN


def test_torchscript_is_refused(tmp_path):
    with pytest.warns(FutureWarning):
        torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)).save(str(tmp_path / "m.pt"))
    with pytest.raises(InputError, match="TorchScript"):
        read_state(tmp_path / "m.pt")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 not a zip"])
def test_a_damaged_file_is_one_line(tmp_path, content):
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"weights\.pt") as caught:
        read_state(path)
    assert "\n" not in str(caught.value)


def test_numbers_that_are_no_weights_are_refused(tmp_path):
    with pytest.raises(InputError, match="no state_dict"):
        read_state(saved({"accuracy": 0.9}, tmp_path))
    with pytest.raises(InputError, match="no such file"):
        read_state(tmp_path / "nowhere.pt")


MISFITS = [
    ({"classes": 5}, "has 4 classes, but the folder has 5"),
    ({"architecture": "residual_gn"}, "not the weights of a residual_gn"),
    ({"channels": 3}, "has shape"),
    ({"mean": (0.5,), "std": (0.5,)}, "leave out --mean"),
    ({"architecture": "small_cn"}, "small_cnn"),
]


@pytest.mark.parametrize(("change", "hint"), MISFITS, ids=[hint for _, hint in MISFITS])
def test_weights_that_do_not_fit_are_one_line(small, tmp_path, change, hint):
    options = {"architecture": "small_cnn", "classes": 4, "channels": 1, "resolution": 16} | change
    with pytest.raises(InputError, match=hint) as caught:
        load_classifier(saved(small.state_dict(), tmp_path), **options)
    assert "\n" not in str(caught.value)


def test_a_bare_backbone_needs_its_normalisation_and_finite_weights(small, tmp_path):
    bare = small.backbone.state_dict()
    with pytest.raises(InputError, match="--mean and --std"):
        load_classifier(saved(bare, tmp_path), "small_cnn", 4, 1, 16)
    with pytest.raises(InputError, match="one number"):
        load_classifier(saved(bare, tmp_path), "small_cnn", 4, 1, 16, (0.5, 0.5), (1.0,))
    with pytest.raises(InputError, match="above 0"):
        load_classifier(saved(bare, tmp_path), "small_cnn", 4, 1, 16, (0.5,), (0.0,))
    name = next(iter(bare))
    bare[name] = torch.full_like(bare[name], torch.nan)
    with pytest.raises(InputError, match="NaN"):
        load_classifier(saved(bare, tmp_path), "small_cnn", 4, 1, 16, (0.5,), (0.5,))


def test_a_head_behind_dropout_is_found_by_its_shape(tmp_path):
    plain = resnet18(num_classes=4)
    plain.fc = nn.Sequential(nn.Dropout(0.3), nn.Linear(512, 4))
    plain.eval()
    images = torch.rand(3, 3, 32, 32)
    loaded = load_classifier(saved(plain.state_dict(), tmp_path), "resnet18", 4, 3, 32, (0.0,), (1.0,))
    assert torch.allclose(loaded(images), plain(images), atol=1e-6)


def test_two_layers_in_place_of_the_head_are_another_network(tmp_path):
    plain = resnet18(num_classes=4)
    plain.fc = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 4))
    with pytest.raises(InputError, match=r"not the weights of a resnet18: they lack 'fc\.weight'"):
        load_classifier(saved(plain.state_dict(), tmp_path), "resnet18", 4, 3, 32, (0.0,), (1.0,))
