"""Losses and schedules of defences against independent computations."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet18

from mi_tune.attacks import open_oracle
from mi_tune.defences.adversarial import towards
from mi_tune.defences.bottleneck import NoisyHead
from mi_tune.defences.dependence import coco, gaussian_kernel, hidden_layers, hsic, linear_kernel
from mi_tune.defences.label_smoothing import ramp_at
from mi_tune.defences.outputs import Rounding
from mi_tune.defences.registry import DEFENCES
from mi_tune.defences.skips import SkipScaling, last_stage
from mi_tune.defences.transfer import TransferLearning, layers_with_weights
from mi_tune.nets import create_classifier
from mi_tune.nets.guards import Step

CPU = torch.device("cpu")


def step(logits, labels, progress=0.9, model=None, images=None, seed=0):
    random = torch.Generator().manual_seed(seed)
    images = torch.rand(len(logits), 1, 16, 16) if images is None else images
    return Step(model or nn.Identity(), images, labels, logits, progress, random)


def guard_of(kind, model, images=None, classes=4, **values):
    images = torch.rand(8, 1, 16, 16) if images is None else images
    return DEFENCES[kind](**values).guard(model, images, classes, seed=0)


@pytest.mark.parametrize(("kind", "alpha"), [("label_smoothing", 0.2), ("neg_ls", -0.1)])
def test_label_smoothing_is_cross_entropy_with_smoothed_labels(kind, alpha):
    logits, labels = torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 0])
    found = guard_of(kind, nn.Identity(), alpha=alpha).loss(F.cross_entropy(logits, labels), step(logits, labels))
    p = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(1, keepdims=True)
    smoothed = (1 - alpha) * np.eye(4)[labels] + alpha / 4
    assert float(found) == pytest.approx(-(smoothed * np.log(p)).sum(1).mean(), rel=1e-5)


def test_negative_smoothing_of_100_epochs_follows_the_published_schedule():
    # of 100 epochs: nothing before epoch 50, then (e + 1 - 50) / 50 of the factor, all of it from epoch 75
    assert ramp_at(0.49) == 0
    assert ramp_at(0.62) == pytest.approx((62 - 50) / 50)
    assert ramp_at(0.7499) == pytest.approx(0.5, abs=1e-3)
    assert ramp_at(0.75) == 1


def test_the_bottleneck_charges_the_divergence_from_a_standard_normal_distribution():
    head = NoisyHead(8, 3)
    features = torch.randn(6, 8)
    head.random = torch.Generator().manual_seed(0)
    head(features)
    encoded = head.encode(features).detach()
    own = torch.distributions.Normal(encoded[:, :4], F.softplus(encoded[:, 4:] - 5))
    expected = torch.distributions.kl_divergence(own, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()
    assert head.information.item() == pytest.approx(float(expected), rel=1e-5)


def test_the_bottleneck_is_its_linear_layer_without_noise_and_noisy_in_training():
    head = NoisyHead(8, 3)
    features = torch.randn(6, 8)
    assert torch.allclose(head.eval()(features), head.plain()(features), atol=1e-6)
    head.train()
    assert not torch.equal(head(features), head(features))


def test_confidence_adaptation_is_least_at_the_published_confidence():
    b = 3.0
    guard = guard_of("loft", create_classifier("residual_gn", 2, 1, 16, 0), classes=2, sharpness=b)
    confidence = torch.linspace(0.01, 0.99, 981)
    losses = []
    for p in confidence:
        logits = torch.stack([p.log(), (1 - p).log()])[None]
        losses.append(float(guard.loss(torch.zeros(()), step(logits, torch.tensor([0])))))
    assert float(confidence[int(np.argmin(losses))]) == pytest.approx(math.exp(-1 / b), abs=2e-3)


def test_hsic_is_the_trace_over_normalised_centred_kernels():
    x, y = torch.randn(12, 5).double(), torch.randn(12, 3).double()
    n, h = 12, np.eye(12) - 1 / 12

    def normalised(kernel):
        centred = kernel @ h
        return centred @ np.linalg.inv(centred + 1e-5 * n * np.eye(n))

    def kernel(values):
        distance = ((values[:, None] - values[None]) ** 2).sum(-1)
        return np.exp(-distance / (2 * 5.0**2 * values.shape[1]))

    expected = np.trace(normalised(kernel(x.numpy())) @ normalised(y.numpy() @ y.numpy().T))
    assert float(hsic(gaussian_kernel(x), linear_kernel(y))) == pytest.approx(expected, rel=1e-6)


def test_coco_is_the_root_of_the_norm_of_centred_kernels():
    x, y = torch.randn(10, 5).double(), torch.randn(10, 3).double()
    h = np.eye(10) - 1 / 10
    k, el = (h @ (v.numpy() @ v.numpy().T) @ h for v in (x, y))
    expected = math.sqrt(np.sqrt(((k @ el) ** 2).sum())) / 10
    assert float(coco(linear_kernel(x), linear_kernel(y))) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("measure", [hsic, coco])
def test_dependence_is_larger_where_there_is_some(measure):
    random = torch.Generator().manual_seed(0)
    x = torch.randn(64, 2, generator=random).double()
    unrelated = torch.randn(64, 2, generator=random).double()
    assert measure(linear_kernel(x), linear_kernel(x)) > 2 * measure(linear_kernel(x), linear_kernel(unrelated))


def test_the_hidden_layers_of_a_residual_network_are_its_stages():
    assert hidden_layers(resnet18(num_classes=3), torch.rand(1, 3, 64, 64)) == [
        "relu", "layer1", "layer2", "layer3", "layer4",
    ]  # fmt: skip


def test_bido_adds_both_dependences_of_every_hidden_layer():
    model = create_classifier("small_cnn", 4, 1, 16, 0)
    images, labels = torch.rand(8, 1, 16, 16), torch.tensor([0, 1, 2, 3] * 2)
    guard = guard_of("bido", model, images, a1=0.3, a2=0.7)
    features = {}
    for name in hidden_layers(model, images):
        model.get_submodule(name).register_forward_hook(lambda m, i, o, name=name: features.update({name: o.detach()}))
    model.train()
    guard.before(images, torch.Generator())
    logits = model(images)
    seen = dict(features)
    guard.after()
    model(images.flip(0))  # a loss that asks the network again must not change what was seen
    features = seen
    found = guard.loss(F.cross_entropy(logits, labels), step(logits, labels, model=model, images=images))
    of_images, of_labels = gaussian_kernel(images.flatten(1).double()), linear_kernel(F.one_hot(labels, 4).double())
    expected = float(F.cross_entropy(logits, labels))
    assert len(features) == 2
    for hidden in features.values():
        kernel = gaussian_kernel(hidden.flatten(1).double())
        expected += 0.3 * float(hsic(kernel, of_images)) - 0.7 * float(hsic(kernel, of_labels))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_the_bottleneck_charges_the_images_of_the_step_alone():
    model = create_classifier("residual_gn", 4, 1, 16, 0)
    DEFENCES["mid"](0.5).rebuild(model, 0)
    guard = guard_of("mid", model, beta=0.5)
    images, random = torch.rand(6, 1, 16, 16), torch.Generator().manual_seed(0)
    model.train()
    guard.before(images, random)
    model(images)
    guard.after()
    head = next(module for module in model.modules() if isinstance(module, NoisyHead))
    expected = 0.5 * head.information.item()
    model(images.flip(0) * 0.1)  # as a loss of another defence does
    assert head.information.item() != pytest.approx(expected / 0.5)
    assert guard.loss(torch.zeros(()), step(torch.zeros(6, 4), torch.zeros(6).long())).item() == pytest.approx(expected)
    guard.end()
    assert head.information is None and head.random is None


@pytest.mark.parametrize("name", ["resnet18", "residual_gn"])
def test_a_scaled_skip_connection_keeps_the_names_of_the_weights_and_only_the_last_stage_changes(name):
    plain, scaled = (create_classifier(name, 3, 3, 32, 0) for _ in range(2))
    SkipScaling(0.0).rebuild(scaled, 0)
    assert plain.state_dict().keys() == scaled.state_dict().keys()
    outputs = []
    for model in (plain, scaled):
        seen = []
        last_stage(model)[0].register_forward_hook(lambda m, i, o, seen=seen: seen.append((i[0], o)))
        model.eval()(torch.ones(1, 3, 32, 32) / 3)
        outputs.append(seen[0])
    assert torch.equal(outputs[0][0], outputs[1][0])
    assert not torch.equal(outputs[0][1], outputs[1][1])


def test_without_skip_connection_a_block_is_its_residual_branch_alone():
    model = create_classifier("residual_gn", 3, 1, 16, 0)
    SkipScaling(0.0).rebuild(model, 0)
    (block,) = last_stage(model)
    x = torch.rand(1, 64, 4, 4)
    branch = block.norm2(block.conv2(F.silu(block.norm1(block.conv1(x)))))
    assert torch.allclose(block(x), F.silu(branch))


def test_adversarial_images_stay_within_the_bound_and_look_more_like_the_other_class():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 4))
    images, targets = torch.rand(6, 1, 16, 16), torch.tensor([0, 1, 2, 3, 0, 1])
    moved = towards(model, images, targets, bound=0.01)
    assert float((moved - images).abs().max()) <= 0.01 + 1e-6
    assert float(moved.min()) >= 0 and float(moved.max()) <= 1
    # of a linear network each of five signed steps goes the same way
    assert F.cross_entropy(model(moved), targets) < F.cross_entropy(model(images), targets)


def test_adversarial_training_leaves_the_running_statistics_to_the_images_alone():
    model = create_classifier("small_cnn", 4, 1, 16, 0).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    towards(model, torch.rand(4, 1, 16, 16), torch.tensor([0, 1, 2, 3]), 0.01)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.training


def test_triggers_learn_to_be_seen_and_stay_images():
    torch.manual_seed(0)
    model = create_classifier("small_cnn", 4, 1, 16, 0).train()
    images, labels = torch.rand(8, 1, 16, 16), torch.tensor([0, 1, 2, 3] * 2)
    guard = guard_of("trap_mid", model, images, blend=0.5, weight=0.5)
    first = guard.triggers.clone()
    losses = []
    for k in range(12):
        logits = model(images)
        losses.append(float(guard.loss(torch.zeros(()), step(logits, labels, model=model, images=images, seed=k))))
    moved = (guard.triggers - first).abs()
    assert 0 < float(moved.max()) <= 12 * 0.01 + 1e-6
    assert float(guard.triggers.min()) >= 0 and float(guard.triggers.max()) <= 1
    assert np.mean(losses[-4:]) < np.mean(losses[:4])


def test_frozen_layers_keep_weights_and_statistics():
    model = create_classifier("small_cnn", 4, 1, 16, 0)
    guard = TransferLearning(0.6).guard(model, torch.rand(2, 1, 16, 16), 4, 0)
    layers = layers_with_weights(model)
    frozen = layers[: round(0.6 * len(layers))]
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.train()
    guard.before(torch.rand(4, 1, 16, 16), torch.Generator())
    F.cross_entropy(model(torch.rand(4, 1, 16, 16)), torch.tensor([0, 1, 2, 3])).backward()
    assert all(p.grad is None for layer in frozen for p in layer.parameters())
    assert any(p.grad is not None for layer in layers for p in layer.parameters())
    kept = {f"{n}.{k}" for n, m in model.named_modules() if m in frozen for k in m.state_dict()}
    assert kept and all(torch.equal(v, before[k]) for k, v in model.state_dict().items() if k in kept)


def test_dp_sgd_without_noise_is_the_mean_of_clipped_gradients():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    images, labels = torch.rand(5, 1, 4, 4), torch.tensor([0, 1, 2, 0, 1])
    expected = [torch.zeros_like(p) for p in model.parameters()]
    for image, label in zip(images, labels, strict=True):
        model.zero_grad()
        F.cross_entropy(model(image[None]), label[None]).backward()
        norm = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
        for total, p in zip(expected, model.parameters(), strict=True):
            total += p.grad * min(1.0, 0.1 / (float(norm) + 1e-6)) / len(images)
    model.zero_grad()
    before = [p.detach().clone() for p in model.parameters()]
    guard = DEFENCES["dp_sgd"](noise=0.0, clip=0.1).guard(model, images, 3, 0)
    optimiser = guard.start(torch.optim.SGD(model.parameters(), lr=1.0))
    guard.before(images, torch.Generator().manual_seed(0))
    optimiser.zero_grad()
    F.cross_entropy(model(images), labels).backward()
    optimiser.step()
    assert len(expected) == 2
    for p, old, total in zip(model.parameters(), before, expected, strict=True):
        assert torch.allclose(old - p.detach(), total, atol=1e-5)


def test_rounded_answers_are_what_attackers_without_the_network_see():
    model = create_classifier("small_cnn", 4, 1, 16, 0)
    Rounding(1).deploy(model)
    images = torch.rand(3, 1, 16, 16)
    soft, whole = (open_oracle(access, model, CPU, 4).confidence(images) for access in ("soft-label", "white-box"))
    assert torch.equal(soft, whole.round(decimals=1))
    assert not torch.equal(soft, whole)
    Rounding(0).deploy(model)
    assert set(open_oracle("soft-label", model, CPU, 4).confidence(images).unique().tolist()) == {0.0, 1.0}


def test_what_is_made_with_answers_is_not_used_again_for_other_answers():
    plain, rounded, coarse = (create_classifier("small_cnn", 4, 1, 16, 0) for _ in range(3))
    Rounding(3).deploy(rounded)
    Rounding(1).deploy(coarse)
    assert len({open_oracle("soft-label", model, CPU, 4).key for model in (plain, rounded, coarse)}) == 3


def test_triggers_learn_to_look_natural_to_the_discriminator():
    torch.manual_seed(0)
    blind = nn.Sequential(
        nn.Flatten(), nn.Linear(256, 4)
    )  # sees nothing, so that only the discriminator moves triggers
    nn.init.zeros_(blind[1].weight)
    images, labels = torch.rand(8, 1, 16, 16) * 0.2, torch.tensor([0, 1, 2, 3] * 2)
    guard = guard_of("trap_mid", blind, images, blend=0.5, weight=0.5)

    def fooled() -> float:
        with torch.no_grad():
            return float(guard.critic(0.5 * images[:4] + 0.5 * guard.triggers).mean())

    guard._critic_optimiser.param_groups[0]["lr"] = 0.0
    before = fooled()
    for k in range(10):
        guard.loss(torch.zeros(()), step(blind(images), labels, model=blind, images=images, seed=k))
    assert fooled() > before
