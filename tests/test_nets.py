"""Classifiers by name."""

import pytest
import torch

from mi_tune.nets import check_architecture, create_classifier
from mi_tune.runtime.errors import InputError


@pytest.mark.parametrize("name", ["small_cnn", "residual_gn"])
@pytest.mark.parametrize("size", [28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_own_nets_give_one_logit_per_class_at_every_size(name, size, channels):
    model = create_classifier(name, 7, channels, size, seed=0)
    assert model(torch.rand(2, channels, size, size)).shape == (2, 7)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_torchvision_classifier_takes_grey_and_rgb(channels):
    model = create_classifier("resnet18", 5, channels, 64, seed=0).eval()
    assert model(torch.rand(2, channels, 64, 64)).shape == (2, 5)


def test_the_seed_alone_decides_the_weights_and_the_global_stream_is_left_alone():
    before = torch.random.get_rng_state()
    a = create_classifier("small_cnn", 3, 1, 16, seed=5).state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    torch.rand(3)
    b = create_classifier("small_cnn", 3, 1, 16, seed=5).state_dict()
    c = create_classifier("small_cnn", 3, 1, 16, seed=6).state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert any(not torch.equal(a[k], c[k]) for k in a)


def test_an_unknown_architecture_is_one_line_with_near_names():
    with pytest.raises(InputError, match="resnet18") as caught:
        check_architecture("resnet_18")
    assert "\n" not in str(caught.value)


def test_a_size_that_the_small_net_cannot_take_names_a_way_out():
    with pytest.raises(InputError, match="resnet18"):
        create_classifier("small_cnn", 3, 3, 224, seed=0)
