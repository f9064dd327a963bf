"""Targets that start from weights trained elsewhere: a library's own, or a file's."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
import torch
from conftest import make_bank
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mi_tune.confirmation.cells import Workbench
from mi_tune.data import Bank, split_each_identity
from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import NO_DEFENCE
from mi_tune.nets import Classifier, create_classifier, head_of
from mi_tune.nets.blocks import blocks_of, freeze
from mi_tune.nets.checkpoints import load_classifier
from mi_tune.nets.starting import Start
from mi_tune.nets.training import predict
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.state_files import PREFIXES, read_state, without_prefixes
from mi_tune.setup import make_setup
from mi_tune.trial.assets import StudyData, check_names, create_target, start_key, start_sentence
from mi_tune.trial.comparison import trained_target
from mi_tune.trial.point import Point
from mi_tune.trial.targets import target_training

CPU = torch.device("cpu")


def rough_bank(identities: int, images: int, seed: int) -> Bank:
    """People at 32 px whose photographs differ by more than copies do."""
    bank = make_bank(identities, images, 32, 3, seed)
    spots = np.random.default_rng(seed).integers(0, 80, (len(bank), 3, 8, 8)).repeat(4, 2).repeat(4, 3)
    return dataclasses.replace(bank, images=(bank.images // 2 + spots).astype(np.uint8))


BANK, OTHERS = rough_bank(5, 8, 0), rough_bank(4, 6, 1)
DATA = StudyData(BANK, OTHERS, split_each_identity(BANK, (0.6, 0.2, 0.2), 0), 0)
IMAGENET = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
NETWORK = "shufflenet_v2_x0_5"


def foreign(classes: int = 7, name: str = NETWORK) -> nn.Module:
    """A network of torchvision that somebody has trained to tell others apart."""
    from torchvision.models import get_model

    torch.manual_seed(5)
    return get_model(name, weights=None, num_classes=classes)


def setup_from(path, architecture: str = NETWORK, **target):
    values = {"architecture": architecture, "start_from": str(path), "epochs": 1, "batch_size": 8, **target}
    return make_setup({"target": values, "data": {"resolution": 32}}, "test")


@pytest.fixture
def file(tmp_path):
    torch.save(foreign().state_dict(), tmp_path / "theirs.pt")
    return tmp_path / "theirs.pt"


def test_a_target_has_the_weights_of_the_file_but_a_head_of_its_own(file):
    target, weights = create_target(setup_from(file), BANK, 0), torch.load(file)
    other = create_target(setup_from(file), BANK, 1)
    own = target.backbone.state_dict()
    assert all(torch.equal(own[name], weights[name]) for name in weights if not name.startswith("fc."))
    assert head_of(target).out_features == 5
    assert not torch.equal(head_of(target).weight, head_of(other).weight)


def test_it_normalises_as_the_librarys_weights_expect_and_keeps_that_with_its_weights(file, tmp_path):
    target = create_target(setup_from(file), BANK, 0).eval()
    images = torch.rand(2, 3, 32, 32)
    expected = target.backbone((images - IMAGENET[0]) / IMAGENET[1])
    assert torch.allclose(target(images), expected, atol=1e-5)
    torch.save(target.state_dict(), tmp_path / "target.pt")
    loaded = load_classifier(tmp_path / "target.pt", NETWORK, 5, 3, 32)
    assert torch.equal(loaded(images), target(images))


def test_a_normalisation_that_is_given_is_used_instead(file):
    setup = setup_from(file, mean=(0.2,), std=(0.1,))
    target, images = create_target(setup, BANK, 0).eval(), torch.rand(2, 3, 32, 32)
    assert torch.allclose(target(images), target.backbone((images - 0.2) / 0.1), atol=1e-4)


def test_a_target_of_an_earlier_study_is_a_start_with_its_own_normalisation(file, tmp_path):
    first = create_target(setup_from(file), BANK, 0)
    torch.save(first.state_dict(), tmp_path / "first.pt")
    second = create_target(setup_from(tmp_path / "first.pt"), BANK, 1)
    assert torch.equal(second.mean, IMAGENET[0])
    plain = create_classifier(NETWORK, 5, 3, 32, 3)
    torch.save(plain.state_dict(), tmp_path / "plain.pt")
    assert create_target(setup_from(tmp_path / "plain.pt"), BANK, 1).mean is None


@given(chain=st.lists(st.sampled_from(PREFIXES), max_size=3), junk=st.integers(0, 2))
def test_prefixes_are_taken_off_only_as_long_as_more_names_match(chain, junk):
    names = ["conv.weight", "conv.bias", "model.inner.weight", "fc.weight"]
    prefix = "".join(chain)
    state = {prefix + name: torch.zeros(1) for name in names} | {f"loss{k}": torch.zeros(1) for k in range(junk)}
    found = without_prefixes(state, names)
    assert set(names) <= set(found.state)
    assert "".join(found.prefixes) == prefix
    assert without_prefixes(found.state, names).prefixes == ()


@pytest.mark.parametrize("wrap", [{}, {"state_dict": None}, {"ema": None}, {"model": None}])
def test_what_was_taken_off_is_said(wrap, tmp_path):
    state = {f"module.net.{name}": value for name, value in foreign().state_dict().items()}
    torch.save(dict.fromkeys(wrap, state) | {"epoch": 3} if wrap else state, tmp_path / "theirs.pt")
    sentence = start_sentence(setup_from(tmp_path / "theirs.pt"), BANK)
    assert "prefix 'net.' taken off" in sentence  # `module.` is taken off whenever it is there
    assert "head 'fc' replaced" in sentence
    assert "mean 0.485, 0.456, 0.406" in sentence


def test_safetensors_are_read_like_any_other_file(file):
    from safetensors.torch import save_file

    other = file.with_suffix(".safetensors")
    save_file({name: value.contiguous() for name, value in torch.load(file).items()}, other)
    a, b = (create_target(setup_from(path), BANK, 0).state_dict() for path in (file, other))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert start_key(setup_from(file)) == start_key(setup_from(other))  # the content decides, not the file
    other.write_bytes(b"12345678 no such thing")
    with pytest.raises(InputError, match="not a file of safetensors, or a damaged one"):
        read_state(other)


def test_the_content_of_the_weights_is_part_of_what_a_kept_target_is_found_by(file):
    keys = [trained_target(setup_from(file), DATA, NO_DEFENCE, 0, 0, CPU)[2]]
    keys.append(trained_target(setup_from(file, freeze=2), DATA, NO_DEFENCE, 0, 0, CPU)[2])
    changed = torch.load(file)
    changed["conv1.0.weight"] += 1
    torch.save(changed, file)
    keys.append(trained_target(setup_from(file), DATA, NO_DEFENCE, 0, 0, CPU)[2])
    assert len(set(keys)) == 3


# --------------------------------------------------------------------------------------------------- frozen blocks


@pytest.mark.parametrize(
    ("name", "first", "count"),
    [
        ("resnet18", ["conv1", "layer1.0", "layer1.1", "layer2.0"], 9),
        ("vgg16", ["features.0", "features.2", "features.5"], 15),
        ("convnext_tiny", ["features.0.0", "features.1.0"], 22),
        ("timm:vit_tiny_patch16_224", ["patch_embed", "blocks.0", "blocks.1"], 13),
    ],
)
def test_blocks_are_what_the_networks_sequences_are_made_of(name, first, count):
    with torch.device("meta"):
        from mi_tune.nets import library_network

        network = library_network(name, 5, 32, trial=True)
    blocks = blocks_of(network)
    assert [block[0] for block in blocks][: len(first)] == first
    assert len(blocks) == count


def test_the_first_blocks_stay_as_they_were_and_the_others_learn(file):
    setup = setup_from(file, freeze=4)
    run = target_training(setup, DATA, NO_DEFENCE, 0, 0, CPU)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    run.train_epoch()
    after = run.model.state_dict()
    frozen = [name for block in blocks_of(run.model.backbone)[:4] for name in block]
    assert frozen[0] == "conv1.0"
    changed = {name.removeprefix("backbone.") for name in after if not torch.equal(before[name], after[name])}
    assert not any(name.startswith(f"{block}.") for name in changed for block in frozen)
    assert {"fc.weight", "conv5.0.weight", "conv5.1.running_mean"} <= changed
    model = run.model.train()
    assert not model.backbone.get_submodule("conv1.1").training
    assert model.backbone.get_submodule("conv5.1").training


def test_the_head_is_never_frozen_and_more_blocks_than_there_are_is_refused():
    model = create_classifier("small_cnn", 5, 3, 32, 0)
    freeze(model, len(blocks_of(model.backbone)))
    assert [name for name, p in model.named_parameters() if p.requires_grad] == [
        "backbone.head.weight",
        "backbone.head.bias",
    ]
    with pytest.raises(InputError, match="the network has 3 blocks before its head"):
        freeze(create_classifier("small_cnn", 5, 3, 32, 0), 4)


def test_weights_that_belong_to_no_block_are_frozen_with_the_first():
    model = create_classifier("timm:vit_tiny_patch16_224", 5, 3, 32, 0)
    freeze(model, 1)
    assert not model.backbone.pos_embed.requires_grad
    assert head_of(model).weight.requires_grad


# ----------------------------------------------------------------------------------------- weights of the libraries


def test_weights_of_torchvision_are_found_where_it_keeps_them(tmp_path, monkeypatch):
    from torchvision.models import get_model_weights

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    member = get_model_weights(NETWORK).DEFAULT
    place = tmp_path / "hub" / "checkpoints" / member.url.rpartition("/")[2]
    place.parent.mkdir(parents=True)
    weights = foreign(1000).state_dict()
    torch.save(weights, place)
    setup = make_setup({"target": {"architecture": NETWORK, "pretrained": "DEFAULT"}, "data": {"resolution": 32}}, "t")
    target = create_target(setup, BANK, 0)
    assert torch.equal(target.backbone.conv1[0].weight, weights["conv1.0.weight"])
    assert torch.equal(target.mean, IMAGENET[0])
    assert torch.equal(target.std, IMAGENET[1])


def test_weights_of_timm_are_found_where_the_message_says(tmp_path, monkeypatch):
    timm = pytest.importorskip("timm")
    from safetensors.torch import save_file

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    setup = make_setup(
        {"target": {"architecture": "timm:resnet18", "pretrained": "a1_in1k"}, "data": {"resolution": 32}}, "t"
    )
    place = tmp_path / "hub" / "checkpoints" / "resnet18.a1_in1k.safetensors"
    theirs = timm.create_model("resnet18", num_classes=1000)
    place.parent.mkdir(parents=True)
    save_file(theirs.state_dict(), place)
    target = create_target(setup, BANK, 0)
    assert torch.equal(target.backbone.conv1.weight, theirs.conv1.weight)
    assert torch.equal(target.mean, IMAGENET[0])


def test_weights_that_cannot_be_had_are_one_line_that_says_which_file_belongs_where(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def no_network(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", no_network)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", no_network)
    start = Start("IMAGENET1K_V1")
    with pytest.raises(InputError, match="cannot be downloaded") as caught:
        start.key(NETWORK, 32)
    text = str(caught.value)
    assert "\n" not in text
    assert str(tmp_path / "hub" / "checkpoints" / "shufflenetv2_x0.5-f707e7126e.pth") in text


@pytest.mark.parametrize(
    ("architecture", "pretrained", "hint"),
    [
        ("resnet18", "IMAGENET1K_V9", "did you mean IMAGENET1K_V1"),
        ("small_cnn", "DEFAULT", "no weights of 'small_cnn' but yours; give --start-from FILE"),
        ("timm:resnet18", "a9_in1k", "did you mean a3_in1k"),
        ("own_networks:make", "DEFAULT", "your own network has no weights of a library"),
    ],
)
def test_weights_that_do_not_exist_are_refused_before_anything_is_read(architecture, pretrained, hint):
    setup = make_setup({"target": {"architecture": architecture, "pretrained": pretrained}}, "test")
    with pytest.raises(InputError, match=re.escape(hint)):
        check_names(setup)


# -------------------------------------------------------------------------------------------------- bad files


def test_weights_of_another_network_are_refused_with_the_first_names_that_differ(tmp_path):
    torch.save(foreign(name="mobilenet_v3_small").state_dict(), tmp_path / "other.pt")
    with pytest.raises(InputError) as caught:
        create_target(setup_from(tmp_path / "other.pt"), BANK, 0)
    text = str(caught.value)
    assert "they lack 'conv1.0.weight', 'conv1.1.weight', 'conv1.1.bias' (and" in text
    assert "they hold an unexpected 'features.0.0.weight', 'features.0.1.weight', 'features.0.1.bias' (and" in text
    assert "\n" not in text


def test_weights_of_other_shapes_or_that_are_not_finite_are_refused(tmp_path, file):
    torch.save(create_classifier("small_cnn", 5, 3, 64, 0).state_dict(), tmp_path / "larger.pt")
    with pytest.raises(InputError, match=r"they hold an unexpected 'features\.12\.weight'"):
        create_target(setup_from(tmp_path / "larger.pt", "small_cnn"), BANK, 0)
    torch.save(create_classifier("small_cnn", 5, 1, 32, 0).state_dict(), tmp_path / "grey.pt")
    with pytest.raises(InputError, match=r"'features\.0\.weight' \(32, 1, 3, 3\) and not \(32, 3, 3, 3\)"):
        create_target(setup_from(tmp_path / "grey.pt", "small_cnn"), BANK, 0)
    state = torch.load(file)
    state["conv5.0.weight"][0] = torch.nan
    torch.save(state, file)
    with pytest.raises(InputError, match=r"'conv5\.0\.weight' holds NaN"):
        create_target(setup_from(file), BANK, 0)


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ({"freeze": 2}, "freeze keeps the weights that a target starts from"),
        ({"pretrained": "DEFAULT", "start_from": "x.pt"}, "two starts"),
        ({"mean": [0.5], "std": [0.5]}, "mean and std are the normalisation of the weights of start_from"),
        ({"start_from": "x.pt", "mean": [0.5]}, "mean and std go together"),
        ({"start_from": "x.pt", "mean": [0.5], "std": [0.0]}, "std above 0"),
    ],
)
def test_settings_of_the_start_that_contradict_each_other_are_refused(target, hint):
    with pytest.raises(InputError, match=hint):
        make_setup({"target": target}, "test")


def test_a_missing_file_is_found_before_anything_is_read():
    with pytest.raises(InputError, match=r"nowhere\.pt: no such file; give the weights to start from"):
        check_names(make_setup({"target": {"start_from": "nowhere.pt"}}, "test"))


def test_a_frozen_classifier_is_still_one(file):
    assert isinstance(create_target(setup_from(file, freeze=1), BANK, 0), Classifier)


def test_the_targets_of_a_confirmation_start_from_them_too(file, tmp_path):
    bench = Workbench(setup_from(file, freeze=2), DATA, 0, tmp_path / "cells", CPU)
    point = Point("no defence", "reference", Treatment())
    cell = bench.target(point, 0)
    assert torch.equal(cell.state["backbone.conv1.0.weight"], torch.load(file)["conv1.0.weight"])
    model = create_target(setup_from(file), BANK, 9)
    model.load_state_dict(cell.state)
    correct = predict(model, BANK.tensors()[0], CPU, torch.from_numpy(DATA.split.test)).argmax(1).numpy()
    assert torch.equal(cell.correct, torch.from_numpy(correct == BANK.labels[DATA.split.test]))


def test_a_network_that_learns_from_the_public_people_starts_from_them_too_and_is_frozen_afterwards(file):
    setup = setup_from(file, pretrain="public", pretrain_epochs=1, freeze=2)
    start = target_training(setup, DATA, NO_DEFENCE, 0, 0, CPU)
    assert not torch.equal(start.model.backbone.conv1[0].weight, torch.load(file)["conv1.0.weight"])
    before = start.model.backbone.conv1[0].weight.detach().clone()
    start.train_epoch()
    assert torch.equal(start.model.backbone.conv1[0].weight, before)
    assert torch.equal(start.model.mean, IMAGENET[0])
