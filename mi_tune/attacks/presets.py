"""Published attacks as rows of parts. Each preset names its paper, where its defaults come from, and what differs."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from mi_tune.attacks.engine import Attack
from mi_tune.attacks.inits import BestOfSamples, Normal
from mi_tune.attacks.optimisers import Adam, Momentum
from mi_tune.attacks.selection import ByConfidence, MeanOverViews
from mi_tune.attacks.views import Identity, RandomCrop
from mi_tune.errors import InputError

BUDGETS = ("reduced", "full")


def ppa(budget: str = "reduced") -> Attack:
    """Plug & Play Attacks (Struppek et al., ICML 2022): no training per target.

    Start from the samples the target is surest of, follow the Poincare loss of a random crop with Adam, keep what
    is recognised in many random crops. The authors use StyleGAN2's w space, 200 candidates of which 50 are kept,
    50 steps at learning rate 0.005, and 100 views to select; MIDRE's evaluation uses 16 and 8. Here latents are
    standard normal, so the learning rate is larger (0.2 found the most on undefended targets among 0.05 to 0.5), and
    coordinates are kept within 3 standard deviations.
    """
    full = budget == "full"
    return Attack(
        name="ppa",
        budget=budget,
        init=BestOfSamples(),
        view=RandomCrop(scale=(0.9, 1.0)),
        identity_loss="poincare",
        optimiser=Adam(learning_rate=0.2, betas=(0.1, 0.1)),
        steps=70 if full else 20,
        candidates=50 if full else 8,
        keep=16 if full else 4,
        selection=MeanOverViews(count=100 if full else 16),
        clamp=3.0,
    )


def gmi(budget: str = "reduced") -> Attack:
    """Generative model inversion (Zhang et al., CVPR 2020): 100 * cross-entropy minus the discriminator's score.

    Momentum 0.9, learning rate 0.02, latents clamped to [-1, 1], 5 restarts of 1,500 steps, the most confident
    kept (full; 300 steps reduced). The published loop averages the loss over a batch of identities; here every
    candidate has the gradient that it would have in a batch of 60, so that the learning rate means the same.
    """
    return Attack(
        name="gmi",
        budget=budget,
        init=Normal(),
        view=Identity(),
        identity_loss="cross_entropy",
        identity_weight=100 / 60,
        prior_weight=1 / 60,
        optimiser=Momentum(learning_rate=0.02, momentum=0.9),
        clamp=1.0,
        steps=1500 if budget == "full" else 300,
        candidates=5,
        keep=1,
        selection=ByConfidence(),
    )


PRESETS: dict[str, Callable[[str], Attack]] = {"ppa": ppa, "gmi": gmi}


def make_attack(name: str, budget: str) -> Attack:
    """The preset `name` at `budget`. Raises InputError for an unknown one, offering near names."""
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=3) or list(PRESETS)
        raise InputError(f"unknown attack '{name}'; did you mean {', '.join(near)}?")
    if budget not in BUDGETS:
        raise InputError(f"unknown budget '{budget}'; choose from {', '.join(BUDGETS)}")
    return PRESETS[name](budget)
