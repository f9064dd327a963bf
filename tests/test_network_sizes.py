"""Networks that cannot take images of a size are refused in one line before anything starts."""

from __future__ import annotations

import pytest
import torch

from mi_tune import InputError, tune
from mi_tune.nets import ARCHITECTURES, create_classifier
from mi_tune.nets.sizes import check_size


@pytest.mark.parametrize(
    ("name", "size"), [("inception_v3", 32), ("inception_v3", 64), ("maxvit_t", 32), ("vit_b_16", 64), ("alexnet", 32)]
)
def test_a_network_that_cannot_take_the_images_is_one_line_with_both_in_it(name, size):
    with pytest.raises(InputError, match=f"{name}.* {size} px") as caught:
        check_size(name, size)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["resnet18", "regnet_y_400mf", "googlenet", "mobilenet_v3_small", "shufflenet_v2_x0_5"]
)
def test_what_is_allowed_can_be_trained_on_two_images_of_32_px(name):
    state = torch.get_rng_state()
    check_size(name, 32)
    assert (torch.get_rng_state() == state).all()
    logits = create_classifier(name, 3, 1, 32, 0).train()(torch.rand(2, 1, 32, 32))
    logits.sum().backward()
    assert logits.shape == (2, 3)


def test_this_project_s_own_take_the_least_size_of_a_set_up():
    for name in ARCHITECTURES:
        check_size(name, 16)
        assert create_classifier(name, 3, 1, 16, 0)(torch.rand(2, 1, 16, 16)).shape == (2, 3)


def test_a_study_with_such_a_network_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(InputError, match=r"inception_v3.* 32 px"):
        tune("orl", architecture="inception_v3", resolution=32, out=tmp_path / "results", quiet=True)
    assert not (tmp_path / "results").exists()
