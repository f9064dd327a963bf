"""Attacks on a network that the user has in hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import make_bank
from torch import nn

from mi_tune import InputError, attack
from mi_tune.nets.in_hand import classifier_in_hand

PEOPLE = make_bank(6, images=10)
OTHERS = make_bank(8, seed=1)
SIDES = {"private": (PEOPLE.images, PEOPLE.labels), "public": (OTHERS.images, OTHERS.labels)}


@pytest.mark.slow
def test_a_network_in_hand_is_attacked_as_in_evaluation_mode_and_left_as_it_was(target, tmp_path):
    target.train()
    before = {name: value.clone() for name, value in target.state_dict().items()}
    tables = []
    for mode in (True, False):
        target.train(mode)
        found = attack(target, **SIDES, classes=4, out=tmp_path / str(mode), quiet=True)
        assert target.training is mode
        tables.append(found.table[["attack", "attack_accuracy", "forward_passes"]])
    pd.testing.assert_frame_equal(*tables)
    assert all((before[name] == value).all() for name, value in target.state_dict().items())
    assert found.strongest.attack == "map_logit" and found.strongest.attack_accuracy > 1 / 6
    assert found.report().exists() and found.figure().data
    assert "map_logit finds" in repr(found) and "<table>" in found._repr_html_()


def flat(outputs: int = 6) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(256, outputs))


class Twice(nn.Module):
    def forward(self, images):
        return images, images


def broken() -> nn.Module:
    model = flat()
    with torch.no_grad():
        model[1].weight[0, 0] = float("nan")
    return model


WRONG = {
    "no module": (lambda: flat, {}, "not a torch.nn.Module"),
    "another number of people": (lambda: flat(5), {}, "tells 5 classes apart, but private holds 6"),
    "weights on no device": (lambda: flat().to("meta"), {}, "no weights"),
    "weights that are not finite": (broken, {}, "NaN"),
    "another size of image": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(100, 6)), {}, "fails on images of"),
    "more than logits": (Twice, {}, "logits alone"),
    "a map instead of logits": (lambda: nn.Conv2d(1, 6, 3), {}, "classes"),
    "half a normalisation": (flat, {"mean": [0.5]}, "go together"),
    "a normalisation by zero": (flat, {"mean": [0.5], "std": [0]}, "above 0"),
    "a trial": (flat, {"trial": 3}, "goes with a study"),
    "an unknown attack": (flat, {"attacks": "pap"}, "ppa"),
    "a law that is none": (flat, {"law": 0.5}, "ErasingLaw"),
    "labels with a gap": (flat, {"private": (PEOPLE.images, PEOPLE.labels * 2)}, "gap"),
    "no people": (flat, {"private": None}, "private is missing"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_attacked_is_one_line_before_anything_is_computed(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, given, hint = WRONG[case]
    with pytest.raises(InputError, match=hint) as caught:
        attack(make(), **(SIDES | given), quiet=True)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "results").exists()


def test_a_model_of_another_precision_and_normalisation_answers_as_it_did():
    model = flat().double().train()
    ours = classifier_in_hand(model, 6, 1, 16, mean=[0.5], std=[0.25])
    images = torch.rand(3, 1, 16, 16)
    theirs = model.eval()((images.double() - 0.5) / 0.25)
    assert torch.allclose(ours(images), theirs.float(), atol=1e-5)


def test_a_colour_model_takes_grey_people_with_a_normalisation_per_channel():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 256, 6))
    assert classifier_in_hand(model, 6, 1, 16, mean=[0.5] * 3, std=[0.5] * 3)(torch.rand(2, 1, 16, 16)).shape == (2, 6)
    assert np.isfinite(model[1].weight.detach().numpy()).all()
