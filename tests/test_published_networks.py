"""The literature's classifiers have their published numbers of parameters, and take its checkpoints."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mi_tune import InputError
from mi_tune.nets import create_classifier, head_of, library_network, parameter_count
from mi_tune.nets.checkpoints import load_classifier
from mi_tune.nets.features import features_of
from mi_tune.nets.published import PUBLISHED, renamed, sized
from mi_tune.nets.sizes import check_size


def built(name, classes, resolution):
    """The network without numbers: its shapes are enough to count."""
    with torch.device("meta"):
        if name in PUBLISHED:
            return PUBLISHED[name].make(classes, 3, resolution)
        return library_network(name, classes, resolution, trial=True)


@pytest.mark.parametrize(
    ("name", "resolution", "classes", "published"),
    [
        ("vgg16_linear", 64, 1000, 16_776_232),
        ("ir50", 64, 1000, 35_437_224),
        ("ir50", 112, 1000, 44_087_976),
        ("ir152", 64, 1000, 62_599_848),
        ("inception_resnet_v1", 160, 8631, 27_910_327),
        ("timm:resnest50d", 224, 1000, 27_483_240),
    ],
)
def test_a_network_has_the_published_number_of_parameters(name, resolution, classes, published):
    assert parameter_count(built(name, classes, resolution)) == published


@pytest.mark.parametrize(
    "name",
    ["resnet18", "resnet50", "resnet101", "resnet152", "densenet121", "densenet169", "maxvit_t", "vit_b_16"],
)
def test_torchvision_s_networks_have_the_number_that_torchvision_publishes(name):
    from torchvision.models import get_model_weights

    published = next(iter(get_model_weights(name))).meta["num_params"]
    assert parameter_count(built(name, 1000, 224)) == published
    if f"{name}_small" in PUBLISHED:
        assert parameter_count(built(f"{name}_small", 1000, 224)) == published


def test_inception_v3_has_what_torchvision_publishes_without_the_auxiliary_head():
    from torchvision.models import inception_v3

    with torch.device("meta"):
        whole = inception_v3(weights=None, init_weights=False)
    head = whole.AuxLogits
    assert head is not None
    assert parameter_count(built("inception_v3", 1000, 299)) == 27_161_264 - parameter_count(head)


@pytest.mark.parametrize(("name", "side"), [("ir152", 16), ("ir50", 30), ("inception_resnet_v1", 80)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_published_network_gives_logits_and_features_of_grey_and_rgb(name, side, channels):
    model = create_classifier(name, 5, channels, side, 0).eval()
    with torch.no_grad(), features_of(model) as seen:
        logits = model(torch.rand(2, channels, side, side))
    assert logits.shape == (2, 5) and torch.isfinite(logits).all()
    assert seen[0].shape == (2, 512)


def test_vgg_has_the_features_that_the_literature_inverts():
    model = create_classifier("vgg16_linear", 5, 3, 64, 0).eval()
    with torch.no_grad(), features_of(model) as seen:
        assert model(torch.rand(2, 3, 64, 64)).shape == (2, 5)
    assert seen[0].shape == (2, 2048)
    assert not model.backbone.bn.bias.requires_grad


def test_vgg_s_convolutions_are_torchvision_s():
    from torchvision.models import vgg16_bn

    torch.manual_seed(0)
    theirs = vgg16_bn(weights=None).features.eval()
    ours = built("vgg16_linear", 3, 64).to_empty(device="cpu").eval()
    ours.feature.load_state_dict(theirs.state_dict())
    images = torch.rand(1, 3, 64, 64)
    assert torch.equal(ours.feature(images), theirs(images))


def test_an_ir_unit_is_what_its_publication_says():
    """By hand: each line is one step of the unit."""
    from mi_tune.nets.ir import IRUnit

    torch.manual_seed(0)
    for inputs, outputs, stride in [(4, 6, 2), (4, 4, 2), (4, 4, 1)]:
        unit = IRUnit(inputs, outputs, stride).eval()
        for module in unit.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
        x = torch.randn(2, inputs, 8, 8)
        norm, first, act, second, last = unit.res_layer
        y = (x - norm.running_mean[:, None, None]) / (norm.running_var[:, None, None] + norm.eps).sqrt()
        y = nn.functional.conv2d(y, first.weight, padding=1)
        y = y.clamp(min=0) + act.weight[:, None, None] * y.clamp(max=0)
        y = nn.functional.conv2d(y, second.weight, stride=stride, padding=1)
        y = (y - last.running_mean[:, None, None]) / (last.running_var[:, None, None] + last.eps).sqrt()
        short = x[:, :, ::stride, ::stride]
        if inputs != outputs:
            conv, after = unit.shortcut_layer
            short = torch.einsum("oi,nihw->nohw", conv.weight[:, :, 0, 0], short)
            short = (short - after.running_mean[:, None, None]) / (after.running_var[:, None, None] + after.eps).sqrt()
        torch.testing.assert_close(unit(x), y + short, atol=1e-4, rtol=1e-4)


# ----------------------------------------------------------------------------------------------------- names and sizes


def test_a_side_after_the_name_resizes_the_images_first():
    assert sized("timm:resnest50d@224") == ("timm:resnest50d", 224)
    torch.manual_seed(0)
    whole = create_classifier("ir50@32", 3, 3, 16, 0).eval()
    plain = create_classifier("ir50", 3, 3, 32, 0).eval()
    images = torch.rand(2, 3, 16, 16)
    larger = nn.functional.interpolate(images, size=(32, 32), mode="bilinear", antialias=True)
    with torch.no_grad():
        torch.testing.assert_close(whole(images), plain(larger))
    assert whole.state_dict().keys() == plain.state_dict().keys()


@pytest.mark.parametrize(
    ("name", "side", "way_out"),
    [
        ("vgg16_linear", 24, "32 px and more"),
        ("inception_resnet_v1", 64, "80 px and more"),
        ("maxvit_t_small", 48, "it takes 32, 64, 96"),
        ("inception_v3@64", 32, "80 px and more"),
    ],
)
def test_a_size_that_a_published_network_cannot_take_is_one_line(name, side, way_out):
    with pytest.raises(InputError, match=way_out) as caught:
        check_size(name, side)
    assert "\n" not in str(caught.value)


def test_a_side_makes_any_image_large_enough():
    check_size("inception_v3@80", 32)
    check_size("inception_resnet_v1@160", 16)


# --------------------------------------------------------------------------------------------------------- checkpoints


@pytest.mark.parametrize(
    ("name", "side", "theirs"),
    [
        # FaceNet64 and IR152: the backbone is `feature`, its head stands beside it
        ("ir50", 16, lambda n: f"module.feature.{n}" if n.startswith(("input", "body")) else f"module.{n}"),
        # FaceNet at 112 px: the head is within `feature`
        ("ir50", 16, lambda n: n if n.startswith("fc_layer") else f"feature.{n}"),
        # VGG16
        ("vgg16_linear", 32, lambda n: f"module.{n}"),
    ],
)
def test_a_checkpoint_in_the_field_s_names_loads(tmp_path, name, side, theirs):
    torch.manual_seed(1)
    made = PUBLISHED[name].make(4, 3, side)
    file = tmp_path / "FaceNet_95.88.tar"
    torch.save({"epoch": 3, "state_dict": {theirs(n): v for n, v in made.state_dict().items()}}, file)
    model = load_classifier(file, name, 4, 3, side)
    images = torch.rand(2, 3, side, side)
    with torch.no_grad():
        torch.testing.assert_close(model(images), made.eval()(images))


def test_weights_for_another_size_are_refused_with_both_shapes(tmp_path):
    file = tmp_path / "FaceNet64.tar"
    torch.save(PUBLISHED["ir50"].make(4, 3, 32).state_dict(), file)
    with pytest.raises(InputError, match=r"output_layer.3.weight.*2048.*512.*--resolution"):
        load_classifier(file, "ir50", 4, 3, 16)


def test_names_without_a_table_stay_as_they_are():
    state = {"feature.0.weight": torch.zeros(1)}
    assert renamed(state, "vgg16_linear").keys() == state.keys() == renamed(state, "resnet18").keys()


def test_the_last_linear_layer_is_the_head():
    for name in PUBLISHED:
        assert head_of(built(name, 7, 224)).out_features == 7
