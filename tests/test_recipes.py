"""Recipes that people train with at 224 px: schedules, crops, changes of colour, moving averages, compiled steps."""

from __future__ import annotations

import dataclasses
import re
from functools import partial
from pathlib import Path

import pytest
import torch
import yaml
from conftest import make_bank
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torchvision.transforms.v2 import functional as TF

from mi_tune.data.augment import colour_jitter
from mi_tune.erasing import ErasingLaw
from mi_tune.nets import create_classifier
from mi_tune.nets.averaging import MovingAverage
from mi_tune.nets.schedules import SCHEDULES, learning_rate_factor
from mi_tune.nets.training import Recipe, Training
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import generator
from mi_tune.setup import make_setup
from mi_tune.trial.assets import target_recipe

CPU = torch.device("cpu")


def start(recipe: Recipe, law: ErasingLaw = ErasingLaw(), channels: int = 1) -> Training:  # noqa: B008
    bank = make_bank(5, channels=channels)
    model = create_classifier("small_cnn", 5, channels, 16, seed=1)
    return Training(model, *bank.tensors(), torch.arange(0, 30), recipe, 3, CPU, law)


def finish(run: Training) -> Training:
    while not run.finished:
        run.train_epoch()
    return run


# ------------------------------------------------------------------------------------------------------ schedules


@given(st.sampled_from(SCHEDULES), st.floats(0, 1), st.just(0.0) | st.floats(1e-3, 0.9))
def test_the_learning_rate_rises_in_the_warm_up_and_never_after_it(schedule, progress, warm_up):
    def at(when: float) -> float:
        return learning_rate_factor(schedule, when, warm_up, (0.5, 0.75))

    later = min(1.0, progress + 0.01)
    assert 0 <= at(progress) <= 1
    assert at(later) >= at(progress) if later < warm_up else progress < warm_up or at(later) <= at(progress)
    if warm_up:
        assert at(0.0) == 0 and at(warm_up / 2) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("schedule", "theirs"),
    [
        ("cosine", lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 40)),
        ("multistep", lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [20, 30], 0.1)),
        ("constant", lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0)),
    ],
)
def test_schedules_are_those_of_torch(schedule, theirs):
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = theirs(optimiser)
    for step in range(40):
        expected = optimiser.param_groups[0]["lr"]
        assert learning_rate_factor(schedule, step / 40, None, (0.5, 0.75)) == pytest.approx(expected, abs=1e-9)
        optimiser.step()
        scheduler.step()


def test_the_default_is_the_one_cycle_schedule():
    assert learning_rate_factor("one_cycle", 0.15) == 1
    assert learning_rate_factor("one_cycle", 0.575) == pytest.approx(0.5)


# --------------------------------------------------------------------------------------------------------- colours


@pytest.mark.parametrize("kind", [0, 1, 2, 3])
def test_changes_of_colour_are_those_of_torchvision(kind):
    images = torch.rand(6, 3, 9, 9, generator=generator(0, "colours"))
    strengths = [0.0] * 4
    strengths[kind] = 0.4
    found = colour_jitter(images, generator(1, "jitter"), *strengths)
    u = torch.rand(4, 6, 1, 1, 1, generator=generator(1, "jitter"))[kind].flatten()
    theirs = (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation, TF.adjust_hue)[kind]
    for image, draw, ours in zip(images, u.tolist(), found, strict=True):
        amount = (2 * draw - 1) * 0.4 if kind == 3 else 0.6 + 0.8 * draw
        # torchvision rounds its grey of floats not at all, and its hue by way of the same formulas
        torch.testing.assert_close(ours, theirs(image, amount), atol=2e-3, rtol=0)


def test_grey_images_keep_their_channel_and_bytes_become_floats():
    images = torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8)
    out = colour_jitter(images, generator(0, "jitter"), 0.0, 0.0, 0.9, 0.5)
    assert torch.equal(out, images.float() / 255)
    assert len(colour_jitter(images, generator(0, "jitter"), 0.5, 0.0, 0.0, 0.0).flatten(1).unique(dim=0)) == 4


# ---------------------------------------------------------------------------------------- erasing comes last, in pixels


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(epochs=1, crop=(0.3, 0.8)),
        Recipe(epochs=1, crop=(0.3, 0.8), colour_jitter=(0.4, 0.4, 0.4, 0.1)),
        Recipe(epochs=1, colour_jitter=(0.4, 0.4, 0.4, 0.1)),
    ],
    ids=["crop", "both", "colour"],
)
def test_erased_pixels_have_exactly_the_fill_behind_every_augmentation(recipe):
    run = start(recipe, ErasingLaw(1.0, area=(0.25, 0.25), fill=(0.11, 0.22, 0.33)), channels=3)
    seen = run._augment(run.images[:20], generator(0, "augment"))
    painted = torch.isclose(seen, torch.tensor([0.11, 0.22, 0.33]).view(3, 1, 1), atol=1e-6).all(1)
    assert painted.float().mean((1, 2)).sub(0.25).abs().max() < 1e-6
    assert seen.min() >= 0 and seen.max() <= 1


# -------------------------------------------------------------------------------------------------- moving average


def test_the_average_is_the_one_of_the_formula_and_swaps_back():
    model = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(model.weight)
    average, expected = MovingAverage(model, 0.5), 0.0
    for step in range(1, 9):
        with torch.no_grad():
            model.weight.fill_(float(step))
        average.update()
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    average.swap()
    assert model.weight.detach().flatten().tolist() == pytest.approx([expected] * 2)
    average.swap()
    assert model.weight.detach().flatten().tolist() == [8, 8]


@pytest.mark.parametrize("stop", [1, 3])
def test_a_run_with_an_average_that_stops_and_goes_on_gives_the_same_weights(tmp_path, stop):
    recipe = Recipe(epochs=4, batch_size=8, ema=0.9, optimiser="adam", schedule="multistep", milestones=(0.5,))
    whole, plain = finish(start(recipe)), finish(start(dataclasses.replace(recipe, ema=None)))
    first, second = start(recipe), start(recipe)
    for _ in range(stop):
        first.train_epoch()
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    finish(second)
    for (name, a), b in zip(whole.model.state_dict().items(), second.model.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    # beside the average the training itself is the plain one
    ours, theirs = whole.average.other["backbone.head.weight"], plain.model.state_dict()["backbone.head.weight"]
    assert torch.equal(ours, theirs)
    assert not torch.equal(whole.model.state_dict()["backbone.head.weight"], theirs)


# -------------------------------------------------------------------------------------------------------- compiled


def test_compiled_steps_give_the_same_network_up_to_rounding(monkeypatch):
    # the steps are traced but not translated to C++, which takes minutes on a busy machine
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    recipe = Recipe(epochs=1, batch_size=15, learning_rate=1e-3)
    plain, fast = finish(start(recipe)), finish(start(dataclasses.replace(recipe, compile=True)))
    ours, theirs = fast.model.state_dict(), plain.model.state_dict()
    assert list(ours) == list(theirs)
    torch.testing.assert_close(ours["backbone.head.weight"], theirs["backbone.head.weight"], atol=2e-3, rtol=0)


def test_where_nothing_can_be_compiled_one_line_says_what_to_leave_out(monkeypatch):
    def no_compiler(model):
        def fail(images):
            raise torch._dynamo.exc.Unsupported("no C++ compiler")

        return fail

    monkeypatch.setattr(torch, "compile", no_compiler)
    with pytest.raises(InputError, match="leave out --compile") as caught:
        start(Recipe(epochs=1, compile=True)).train_epoch()
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------------------------------------------------- set-ups


def test_the_set_up_says_all_of_it():
    target = {
        "optimiser": "sgd",
        "schedule": "multistep",
        "milestones": [0.5, 0.75],
        "warm_up": 0.05,
        "crop": [0.3, 1.0],
        "colour_jitter": [0.4, 0.4, 0.4, 0.1],
        "ema": 0.999,
        "compile": True,
    }
    recipe = target_recipe(make_setup({"target": target}, "test"))
    assert (recipe.schedule, recipe.milestones, recipe.warm_up) == ("multistep", (0.5, 0.75), 0.05)
    assert (recipe.crop, recipe.crop_aspect) == ((0.3, 1.0), (3 / 4, 4 / 3))
    assert (recipe.colour_jitter, recipe.ema, recipe.compile) == ((0.4, 0.4, 0.4, 0.1), 0.999, True)
    usual = target_recipe(make_setup({}, "test"))
    assert (usual.schedule, usual.crop, usual.colour_jitter, usual.ema, usual.compile) == (
        *("one_cycle", None, None, None),
        False,
    )


def test_the_recipe_of_the_page_on_own_things_is_one():
    page = Path(__file__).parents[1] / "docs" / "own.md"
    section = page.read_text().split("\n## The recipe of a target\n")[1].split("\n## ")[0]
    (text,) = re.findall(r"^```yaml\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    recipe = target_recipe(make_setup(yaml.safe_load(text), "page"))
    assert (recipe.optimiser, recipe.schedule, recipe.crop, recipe.ema) == ("sgd", "multistep", (0.3, 1.0), 0.999)


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ({"schedule": "multistep"}, "it needs some"),
        ({"milestones": [0.5]}, "go with schedule multistep"),
        ({"schedule": "multistep", "milestones": [30, 60]}, "shares of the training; give numbers between 0 and 1"),
        ({"crop": [0.9, 0.3]}, "no range of shares"),
        ({"crop_aspect": [0.0, 1.0]}, "no range of positive numbers"),
        ({"colour_jitter": [0.1, 0.1, 0.1, 0.7]}, r"a hue of at most 0\.5"),
        ({"ema": 1.0}, "less than 1"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(target, hint):
    with pytest.raises(InputError, match=hint):
        make_setup({"target": target}, "test")
