"""What an attacker may ask of the target: nothing that its threat model lacks, and every image counted."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mi_tune.attacks import HardLabel, SoftLabel, WhiteBox, open_oracle
from mi_tune.attacks.oracle import folded
from mi_tune.nets import create_classifier, head_of
from mi_tune.nets.features import features_of
from mi_tune.runtime.errors import InputError

CPU = torch.device("cpu")


def classifier(name: str = "small_cnn", channels: int = 1, size: int = 16) -> nn.Module:
    """With batch norms that have seen something, so that none of them is the identity."""
    model = create_classifier(name, 4, channels, size, seed=0)
    random = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in (
                *((module.running_mean, -0.5, 0.5), (module.running_var, 0.5, 2.0)),
                *((module.weight, 0.5, 1.5), (module.bias, -0.3, 0.3)),
            ):
                values.data.uniform_(low, high, generator=random)
    return model.eval()


def images(n: int = 5, channels: int = 1, size: int = 16) -> torch.Tensor:
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(1))


def test_each_weaker_access_has_less_to_ask():
    asks = {"labels", "confidence", "answer", "logits", "copy"}
    has = lambda access: {name for name in asks if hasattr(open_oracle(access, classifier(), CPU), name)}  # noqa: E731
    assert has("white-box") == asks
    assert has("soft-label") == {"labels", "confidence"}
    assert has("hard-label") == {"labels"}


@pytest.mark.parametrize(("access", "kind"), [("white-box", WhiteBox), ("soft-label", SoftLabel)])
def test_an_oracle_has_the_access_that_was_named(access, kind):
    oracle = open_oracle(access, classifier(), CPU)
    assert type(oracle) is kind
    assert oracle.access == access
    assert oracle.classes == 4


def test_an_unknown_access_is_one_line_with_those_that_are_known():
    with pytest.raises(InputError, match="hard-label") as caught:
        open_oracle("grey-box", classifier(), CPU)
    assert "\n" not in str(caught.value)


def test_every_access_speaks_of_the_same_function():
    model, x = classifier(), images()
    logits = model(x)
    assert torch.equal(HardLabel(model, CPU).labels(x), logits.argmax(1))
    torch.testing.assert_close(SoftLabel(model, CPU).confidence(x), logits.softmax(1))
    torch.testing.assert_close(WhiteBox(model, CPU).logits(x), logits, atol=1e-5, rtol=1e-4)


def test_bytes_and_floats_are_the_same_images():
    model = classifier()
    whole = (images() * 255).to(torch.uint8)
    oracle = SoftLabel(model, CPU)
    assert torch.equal(oracle.confidence(whole), oracle.confidence(whole.float() / 255))


def test_answers_do_not_depend_on_the_batch_they_came_in():
    oracle = SoftLabel(classifier(), CPU)
    many = images(300)  # more than go through at once
    alone = torch.cat([oracle.confidence(one) for one in many.split(7)])
    torch.testing.assert_close(oracle.confidence(many), alone)
    assert oracle.forward_passes == 600


def test_answers_without_gradients_give_none():
    x = images().requires_grad_(True)
    oracle = WhiteBox(classifier(), CPU)
    assert not oracle.confidence(x).requires_grad
    assert not oracle.labels(x).requires_grad
    assert oracle.backward_passes == 0
    assert oracle.logits(x).requires_grad


def test_every_image_is_counted_whatever_is_asked():
    oracle = WhiteBox(classifier(), CPU)
    leaf = images(3).requires_grad_(True)
    oracle.labels(images(5))
    oracle.confidence(images(7))
    oracle.answer(images(2), features=True)
    assert (oracle.forward_passes, oracle.backward_passes) == (14, 0)
    oracle.answer(leaf, features=True)
    oracle.logits(leaf)
    assert (oracle.forward_passes, oracle.backward_passes) == (20, 6)
    with torch.no_grad():
        oracle.logits(leaf)
    assert (oracle.forward_passes, oracle.backward_passes) == (23, 6)


def test_charged_passes_are_added():
    oracle = HardLabel(classifier(), CPU)
    oracle.labels(images(5))
    oracle.charge(100, 30)
    oracle.charge(7)
    assert (oracle.forward_passes, oracle.backward_passes) == (112, 30)


def test_features_are_what_the_last_linear_layer_is_given():
    model, x = classifier(), images()
    answer = WhiteBox(model, CPU).answer(x, features=True)
    head = head_of(model)
    torch.testing.assert_close(F.linear(answer.features, head.weight, head.bias), answer.logits)
    torch.testing.assert_close(answer.features, model.backbone.features(2 * x - 1).flatten(1), atol=1e-5, rtol=1e-4)
    assert WhiteBox(model, CPU).answer(x).features is None


def test_no_hook_is_left_behind_even_after_an_error():
    model = classifier()
    with pytest.raises(RuntimeError), features_of(model):
        model(torch.rand(1, 2, 16, 16))
    with features_of(model) as seen:
        model(images(3))
        model(images(2))
    model(images(4))
    assert [len(f) for f in seen] == [3, 2]


def test_the_key_changes_with_any_weight_and_with_nothing_else():
    model = classifier()
    key = HardLabel(model, CPU).key
    assert key == HardLabel(copy.deepcopy(model), CPU).key == WhiteBox(model, CPU).key
    for name in model.state_dict():
        other = copy.deepcopy(model)
        values = other.state_dict()[name]
        values[(-1,) * values.ndim] += 1
        assert HardLabel(other, CPU).key != key, name


@pytest.mark.parametrize(
    ("name", "channels", "size"),
    [("vgg16_bn", 1, 32), ("resnet18", 3, 32), ("vgg11_bn", 3, 32), ("mobilenet_v2", 1, 32)],
)
def test_folded_batch_norms_leave_the_function_as_it_is(name, channels, size):
    model = classifier(name, channels, size)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    other, x = folded(model), images(3, channels, size)
    count = lambda m: sum(isinstance(part, nn.BatchNorm2d) for part in m.modules())  # noqa: E731
    assert count(other) < count(model)
    a, b = x.clone().requires_grad_(True), x.clone().requires_grad_(True)
    expected, got = model.eval()(a), other(b)
    torch.testing.assert_close(got, expected, atol=1e-3 * float(expected.detach().abs().max()), rtol=1e-3)
    (there,) = torch.autograd.grad(expected[:, 0].sum(), a)
    (here,) = torch.autograd.grad(got[:, 0].sum(), b)
    torch.testing.assert_close(here, there, atol=1e-3 * float(there.abs().max()), rtol=1e-2)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_a_copy_can_be_trained_without_the_target_noticing():
    model = classifier()
    oracle = WhiteBox(model, CPU)
    copied, before = oracle.copy(), oracle.logits(images())
    assert all(p.requires_grad for p in copied.parameters())
    assert sum(isinstance(m, nn.BatchNorm2d) for m in copied.modules()) == 2
    with torch.no_grad():
        for p in copied.parameters():
            p.add_(1)
    assert torch.equal(oracle.logits(images()), before)
