"""Training with a control or without some of the images; and without either, exactly as before."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import make_bank
from torch import Tensor, nn

from mi_tune.data.augment import shift_and_flip
from mi_tune.defences.controls import Control, CutMix, GridMask, Mixup
from mi_tune.erasing import NO_DEFENCE, ErasingLaw
from mi_tune.nets import create_classifier
from mi_tune.nets.training import Recipe, Training
from mi_tune.runtime.seeds import generator

CPU = torch.device("cpu")
LAW = ErasingLaw(probability=0.7, area=(0.1, 0.5), fill="noise")


def start(recipe: Recipe, control: Control | None = None, law: ErasingLaw = NO_DEFENCE) -> Training:
    model = create_classifier("small_cnn", 5, 1, 16, seed=1)
    return Training(model, *make_bank(5).tensors(), torch.arange(0, 30), recipe, 3, CPU, law, control)


def finish(run: Training) -> Training:
    while not run.finished:
        run.train_epoch()
    return run


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def plain_loop(epochs: int, size: int, law: ErasingLaw) -> nn.Module:
    """What training was before it knew of controls, written out: AdamW, one cycle, shift, flip, then the law."""
    images, labels = make_bank(5).tensors()
    model = create_classifier("small_cnn", 5, 1, 16, seed=1).to(memory_format=torch.channels_last)
    decayed, free = ([p for p in model.parameters() if (p.ndim > 1) == wanted] for wanted in (True, False))
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": free, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=2e-3, fused=True)
    steps = math.ceil(30 / size)
    model.train()
    for epoch in range(epochs):
        random = generator(3, "epoch", epoch)
        order = torch.arange(30)[torch.randperm(30, generator=random)]
        for step, part in enumerate(order.split(size)):
            progress = (epoch * steps + step) / (epochs * steps)
            factor = progress / 0.15 if progress < 0.15 else 0.5 * (1 + math.cos(math.pi * (progress - 0.15) / 0.85))
            for group in optimiser.param_groups:
                group["lr"] = 2e-3 * max(factor, 1e-3)
            views = shift_and_flip(images[part], 2, True, random)
            if law.probability > 0:
                views = law.erase(views, random)[0]
            views = (views.float() / 255).contiguous(memory_format=torch.channels_last)
            optimiser.zero_grad()
            F.cross_entropy(model(views), labels[part]).backward()
            optimiser.step()
    return model


@pytest.mark.parametrize("law", [NO_DEFENCE, LAW])
def test_without_a_control_the_weights_are_those_of_the_plain_loop_to_the_bit(law):
    run = finish(start(Recipe(epochs=4, batch_size=8), law=law))
    assert same_weights(run.model, plain_loop(4, 8, law))


@dataclass(frozen=True)
class Watching(Control):
    """Changes nothing and writes down what it is shown."""

    kind = "watching"
    title = "watching"
    steps = (0.1, 0.2, 0.3)

    seen: list[Tensor] = field(default_factory=list)
    pixels: list[Tensor] = field(default_factory=list)

    def __call__(self, images: Tensor, labels: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        self.seen.append(labels)
        self.pixels.append(images)
        return images, labels


def test_a_control_that_changes_nothing_leaves_the_weights_as_they_are():
    recipe = Recipe(epochs=3, batch_size=8)
    assert same_weights(
        finish(start(recipe, Watching(0.0), LAW)).model,
        finish(start(recipe, None, LAW)).model,
    )


def test_a_control_is_given_pixels_in_their_range_that_the_law_has_erased():
    watching = Watching(0.0)
    start(Recipe(epochs=1), watching, ErasingLaw(1.0, area=(1.0, 1.0), fill=(0.2,))).train_epoch()
    pixels = torch.cat(watching.pixels)
    assert pixels.dtype == torch.float32
    assert torch.equal(pixels, torch.full_like(pixels, 51) / 255)


@pytest.mark.parametrize("control", [CutMix(1.0), Mixup(1.0)])
def test_the_loss_of_mixed_labels_is_the_mean_of_both_labels_losses_by_their_shares(control):
    run = start(Recipe(epochs=1, batch_size=30, shift=0, flip=False), control)
    model = copy.deepcopy(run.model).train()
    loss = run.train_epoch()

    images, labels = make_bank(5).tensors()
    random = generator(3, "epoch", 0)
    order = torch.randperm(30, generator=random)
    views = shift_and_flip(images[order], 0, False, random).float() / 255
    mixed, shares = control(views, torch.eye(5)[labels[order]], random)
    logits = model(mixed).detach().double().numpy()
    expected = 0.0
    for image in range(30):
        total = np.log(np.exp(logits[image]).sum())
        expected += sum(float(shares[image, c]) * (total - logits[image, c]) for c in range(5)) / 30
    assert ((shares > 0).sum(1) == 2).any()
    assert loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("control", [GridMask(0.5, (0.5,)), CutMix(0.5), Mixup(1.0)])
def test_a_run_with_a_control_that_stops_goes_on_to_the_same_weights(control):
    recipe = Recipe(epochs=3, batch_size=8)
    whole, first, second = (start(recipe, control) for _ in range(3))
    first.train_epoch()
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert same_weights(finish(whole).model, finish(second).model)
    assert not same_weights(whole.model, finish(start(recipe)).model)


@pytest.mark.parametrize("control", [GridMask(0.3, (0.5,)), CutMix(0.5), Mixup(0.4)])
def test_training_with_a_control_learns(control):
    bank = make_bank(5, images=12)
    model = create_classifier("small_cnn", 5, 1, 16, seed=0)
    recipe = Recipe(epochs=15, batch_size=16, flip=False)
    finish(Training(model, *bank.tensors(), torch.arange(60), recipe, 0, CPU, control=control))
    images, labels = bank.tensors()
    model.eval()
    assert float((model(images.float() / 255).argmax(1) == labels).float().mean()) > 0.9


# Images left out


def watched(n: int, recipe: Recipe) -> list[list[Tensor]]:
    """The images of every step of every epoch, by their numbers."""
    images = torch.randint(0, 256, (n, 1, 16, 16), dtype=torch.uint8)
    model = create_classifier("small_cnn", n, 1, 16, seed=0)
    watching = Watching(0.0)
    run = Training(model, images, torch.arange(n), torch.arange(n), recipe, 0, CPU, control=watching)
    epochs = []
    while not run.finished:
        watching.seen.clear()
        run.train_epoch()
        epochs.append(list(watching.seen))
    return epochs


def test_every_image_is_seen_once_an_epoch_where_none_is_left_out():
    for steps in watched(31, Recipe(epochs=2, batch_size=8)):
        assert [len(step) for step in steps] == [8, 8, 8, 7]
        assert torch.cat(steps).sort().values.tolist() == list(range(31))


def test_another_half_is_left_out_of_every_epoch():
    epochs = [torch.cat(steps).tolist() for steps in watched(40, Recipe(epochs=12, batch_size=8, dropped=0.5))]
    assert all(len(epoch) == len(set(epoch)) == 20 for epoch in epochs)
    assert len({tuple(sorted(epoch)) for epoch in epochs}) == 12
    assert set().union(*epochs) == set(range(40))


@pytest.mark.parametrize("n", [40, 41])
@pytest.mark.parametrize("dropped", [0.3, 0.5, 0.75])
def test_a_refilled_epoch_goes_through_the_kept_images_again_for_the_same_steps(n, dropped):
    recipe = Recipe(epochs=3, batch_size=8)
    whole = watched(n, recipe)
    refilled = watched(n, replace(recipe, dropped=dropped, refilled=True))
    kept = round(n * (1 - dropped))
    for ours, theirs in zip(refilled, whole, strict=True):
        assert [len(step) for step in ours] == [len(step) for step in theirs]
        times = torch.cat(ours).bincount(minlength=n)
        assert int((times > 0).sum()) == kept
        assert set(times[times > 0].tolist()) <= {n // kept, n // kept + 1}
        # no image comes back before all others had their turn
        assert len(torch.cat(ours)[:kept].unique()) == kept


def test_the_schedule_ends_with_the_shorter_epochs():
    run = start(Recipe(epochs=5, batch_size=8, dropped=0.5))
    finish(run)
    assert run.optimiser.param_groups[0]["lr"] < 0.1 * run.recipe.learning_rate
