"""Every part of an attack keeps the promises of its protocol, also the one that is written tomorrow."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass, replace

import pytest
import torch

import mi_tune.attacks
from mi_tune.attacks.contracts import (
    check_init,
    check_latent,
    check_models,
    check_optimiser,
    check_selection,
    check_view,
)
from mi_tune.attacks.evolution import CMAES, Genetic
from mi_tune.attacks.inits import BestOfSamples, Normal, RejectToLabel
from mi_tune.attacks.latents import Gaussian, Point
from mi_tune.attacks.optimisers import Adam, Momentum
from mi_tune.attacks.parts import Passes
from mi_tune.attacks.repulsion import SphereRepulsion
from mi_tune.attacks.selection import ByConfidence, LabelOverViews, Last, MeanOverViews
from mi_tune.attacks.students import RECIPE, Students, TargetOnly, Untrained
from mi_tune.attacks.views import Erase, Flip, GaussianNoise, Identity, Jitter, RandomCrop
from mi_tune.erasing import ErasingLaw
from mi_tune.runtime.errors import InputError

CHECKS = {
    "optimiser": check_optimiser,
    "latent": check_latent,
    "init": check_init,
    "selection": check_selection,
    "view": check_view,
    "models": check_models,
}
NOT_CHECKED = {
    *("Attack", "Portfolio", "Stage", "Reconstructions", "Ground"),  # made of parts, or results
    *("Retire", "FeatureMatch", "PriorTuning"),  # the only one of their kind
    *("Free", "Clamp", "PSpace", "L1Ball"),  # constraints cost nothing
    "AttackSource",  # where a user's own attack comes from
    *("InversionGan", "PseudoLabelGan", "TargetAssistedGan"),  # an attack does not count what makers ask
}
"""Dataclasses of the package that are no part with a contract."""
QUICK = replace(RECIPE, epochs=1)
EXAMPLES: dict[type, object] = {Students: Students(recipe=QUICK), Untrained: Untrained(recipe=QUICK)}
"""Instances of the parts whose defaults are missing or slow."""


def kind_of(part: type) -> str | None:
    """By one method that is enough to recognise the kind: a part that lacks the other members is checked as well."""
    methods = {"start": "optimiser", "variable": "latent", "members": "models"}
    for name, kind in methods.items():
        if inspect.isfunction(getattr(part, name, None)):
            return kind
    call = part.__dict__.get("__call__") or getattr(part, "__call__", None)  # noqa: B004 (of the class)
    parameters = list(inspect.signature(call).parameters) if inspect.isfunction(call) else []
    calls = {
        ("oracle", "ground", "classes", "candidates", "seed"): "init",
        ("oracle", "images", "labels", "random"): "selection",
        ("images", "random"): "view",
    }
    return calls.get(tuple(parameters[1:]))


def dataclasses_of_the_package() -> list[type]:
    found = []
    for module in pkgutil.walk_packages(mi_tune.attacks.__path__, "mi_tune.attacks."):
        for _, thing in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if is_dataclass(thing) and thing.__module__ == module.name and not thing.__name__.startswith("_"):
                found.append(thing)
    return found


PARTS = [(kind_of(part), part) for part in dataclasses_of_the_package() if kind_of(part)]


@pytest.mark.parametrize(("kind", "part"), PARTS, ids=[f"{kind}-{part.__name__}" for kind, part in PARTS])
def test_a_part_keeps_its_contract(kind, part):
    CHECKS[kind](EXAMPLES[part] if part in EXAMPLES else part())


def test_no_part_is_forgotten():
    """A new dataclass has a recognised kind or is listed as none."""
    assert {part.__name__ for part in dataclasses_of_the_package() if not kind_of(part)} == NOT_CHECKED
    expected = {
        "optimiser": {Adam, Momentum, Genetic, CMAES, SphereRepulsion},
        "latent": {Point, Gaussian},
        "init": {Normal, BestOfSamples, RejectToLabel},
        "selection": {Last, ByConfidence, MeanOverViews, LabelOverViews},
        "view": {Identity, Flip, RandomCrop, Jitter, GaussianNoise, Erase},
        "models": {TargetOnly, Students, Untrained},
    }
    for kind, parts in expected.items():
        assert parts <= {part for own, part in PARTS if own == kind}


OTHERS: list[tuple[Callable, object]] = [
    (check_models, Students(("strided_cnn_slim",), with_target=True, recipe=QUICK)),
    (check_models, Students(("strided_cnn_slim",), labels="hard", public=False, recipe=QUICK)),
    (check_selection, MeanOverViews(3, Erase(always=True))),
    (check_view, Erase(laws=(ErasingLaw(1.0, fill="other_image"),))),
    (check_init, RejectToLabel(draws=60, batch=25)),
    (check_optimiser, SphereRepulsion(points=3, patience=4)),
]


@pytest.mark.parametrize(("check", "part"), OTHERS, ids=[type(part).__name__ for _, part in OTHERS])
def test_a_part_with_other_parameters_keeps_its_contract(check, part):
    check(part)


@pytest.mark.parametrize("latent", [Point(), Gaussian()])
@pytest.mark.parametrize("part", [part() for kind, part in PARTS if kind == "optimiser"], ids=repr)
def test_every_optimiser_counts_the_passes_of_every_latent(part, latent):
    check_optimiser(part, latent)


# ---------------------------------------------------------------------------------------- parts that break a promise


@dataclass(frozen=True)
class Cheap(Genetic):
    """Counts half of its population."""

    def passes(self, latent, people, candidates, steps):
        return Passes(steps * people * self.population // 2, 0)


@dataclass(frozen=True)
class Restless(Adam):
    """Is another rule at the same budget."""

    def scaled(self, factor):
        return replace(self, learning_rate=self.learning_rate / 2)


class Silent:
    """Says nothing about gradients."""

    hard_labels_only = extra_budget_in_steps = False
    scaled = passes = start = Adam.start


@dataclass(frozen=True)
class Wordy(Adam):
    follows_gradients = "yes"


@dataclass(frozen=True)
class Narrow(Adam):
    def passes(self, people):
        return Passes(people, people)


@dataclass(frozen=True)
class Free(Point):
    """Says that candidates cost nothing."""

    extra_budget_in_steps = True


@dataclass(frozen=True)
class Modest(BestOfSamples):
    """Asks for probabilities, but says that hard labels are enough."""

    access = "hard-label"


@dataclass(frozen=True)
class Blurred(Identity):
    """Mixes the images of a batch."""

    def __call__(self, images, random):
        return 0.9 * images + 0.1 * images.mean(0, keepdim=True)


@dataclass(frozen=True)
class Rounded(Identity):
    def __call__(self, images, random):
        return (images.detach() * 255).round() / 255


@dataclass(frozen=True)
class Unlimited(LabelOverViews):
    """Looks at one view more than it says."""

    def __call__(self, oracle, images, labels, random):
        oracle.labels(images)
        return super().__call__(oracle, images, labels, random)


@dataclass(frozen=True)
class Uncounted(Untrained):
    trained = 0


@dataclass(frozen=True)
class Boasting(Students):
    def lessons(self, public, samples):
        return 0


WRONG: list[tuple[Callable, object, str]] = [
    (check_optimiser, Cheap(), r"Cheap: an attack with it counts .*forward=120.* charged .*forward=240"),
    (check_optimiser, Restless(), r"Restless: scaled\(1\)"),
    (check_optimiser, Silent(), r"Silent: lacks Optimiser\.follows_gradients"),
    (check_optimiser, Wordy(), r"Wordy: Optimiser\.follows_gradients is 'yes', not of type bool"),
    (check_optimiser, Narrow(), r"Narrow: Optimiser\.passes must take \(latent, people, candidates, steps\)"),
    (check_latent, Free(), r"Free: says extra_budget_in_steps True, but more candidates cost passes"),
    (check_init, Modest(), r"Modest: hard-label access is not enough"),
    (check_view, Blurred(), r"Blurred: carries the gradient of one image to another"),
    (check_view, Rounded(), r"Rounded: is not differentiable"),
    (check_selection, Unlimited(2), r"Unlimited: counts .*forward=10.* charged .*forward=15"),
    (check_models, Uncounted(QUICK), r"Uncounted: says 0 trained networks and"),
    (check_models, Boasting(("strided_cnn_slim",), recipe=QUICK), r"Boasting: says 1 trained networks and 0 lessons"),
]


@pytest.mark.parametrize(("check", "part", "says"), WRONG, ids=[type(part).__name__ for _, part, _ in WRONG])
def test_a_broken_promise_is_named_in_one_line(check, part, says):
    with pytest.raises(InputError, match=says) as caught:
        check(part)
    assert "\n" not in str(caught.value)


def test_a_new_optimiser_is_counted_and_followed_without_a_word_elsewhere():
    """The engine knows no class of optimiser: a rule of its own, unrelated to any other, is counted as it says."""
    from mi_tune.attacks import make_attack
    from mi_tune.attacks.budgets import scaled
    from mi_tune.attacks.parts import Draw

    class Walk:
        follows_gradients = False

        def __init__(self, start):
            self.best, self.shape = start.flatten(0, 1).clone(), start.shape
            self.owners = torch.arange(len(start)).repeat_interleave(start.shape[1])
            self.loss = torch.full((len(self.best),), torch.inf)

        def ask(self, random):
            self.tried = self.best + 0.1 * torch.randn(self.best.shape, generator=random)
            return Draw(self.tried, self.owners, torch.arange(len(self.best)))

        def tell(self, found):
            better = found.loss < self.loss
            self.best[better], self.loss[better] = self.tried[better], found.loss[better]

        def result(self, random):
            return self.best.view(self.shape)

    @dataclass(frozen=True)
    class RandomWalk:
        follows_gradients = hard_labels_only = extra_budget_in_steps = False

        def scaled(self, factor):
            return self

        def passes(self, latent, people, candidates, steps):
            return Passes(steps * people * candidates, 0)

        def start(self, start, latent, constraint, retire=None):
            return Walk(start)

    check_optimiser(RandomWalk())
    ppa = make_attack("ppa", "reduced")
    attack = replace(
        *(ppa,),
        access="soft-label",
        identity_loss="margin",
        stages=(replace(ppa.stages[0], steps=10, optimiser=RandomWalk()),),
    )
    assert not attack.follows_gradients
    rest = 2 * 50 + 3 * attack.candidates * attack.selection.count
    assert attack.passes(3, 50) == Passes(rest + 10 * 3 * attack.candidates, 0)
    four = scaled(attack, 4, "4x")
    assert (four.steps, four.candidates) == (20, 2 * attack.candidates)
