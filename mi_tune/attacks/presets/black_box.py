"""Published attacks without the target's gradients (soft or hard labels), as rows of parts."""

from __future__ import annotations

from dataclasses import replace

from mi_tune.attacks.constraints import Clamp, PSpace
from mi_tune.attacks.engine import Attack, Stage
from mi_tune.attacks.evolution import CMAES, Genetic
from mi_tune.attacks.inits import BestOfSamples, Normal, RejectToLabel
from mi_tune.attacks.makers import TargetAssistedGan
from mi_tune.attacks.optimisers import Adam
from mi_tune.attacks.repulsion import SphereRepulsion
from mi_tune.attacks.selection import ByConfidence, LabelOverViews
from mi_tune.attacks.students import RECIPE, Students
from mi_tune.attacks.views import Jitter


def mirror_blackbox(budget: str = "reduced") -> Attack:
    """Black-box MIRROR (An et al., NDSS 2022): genetic search on soft labels in clipped P space.

    Published: a population of 1,000 and 100 generations (full budget: 200 and 100), mutation probability 0.1. A person
    is done at a confidence of 0.95.
    """
    full = budget == "full"
    return Attack(
        name="mirror_blackbox",
        budget=budget,
        access="soft-label",
        init=BestOfSamples(),
        identity_loss="cross_entropy",
        stages=(
            Stage(
                steps=100 if full else 25,
                optimiser=Genetic(population=200 if full else 40),
                constraint=PSpace(2.0),
            ),
        ),
        candidates=8,
        keep=4,
        selection=ByConfidence(),
    )


def cmaes(budget: str = "reduced") -> Attack:
    """Soft-label search with CMA-ES: the threat model of RLB-MI (Han et al., CVPR 2023) without its agent.

    RLB-MI trains a soft actor-critic per person with about 120,000 queries; its reward is the confidence and its
    margin. Here an evolution strategy minimises the margin loss of the same soft labels, with 20 latents per step and
    50 steps (reduced budget: 1,000 queries per person) or 500 (full).
    """
    full = budget == "full"
    return Attack(
        name="cmaes",
        budget=budget,
        access="soft-label",
        init=BestOfSamples(),
        identity_loss="margin",
        stages=(Stage(steps=500 if full else 50, optimiser=CMAES(population=20), constraint=Clamp(3.0)),),
        candidates=4,
        keep=4,
        selection=ByConfidence(),
    )


def brepmi(budget: str = "reduced") -> Attack:
    """BREP-MI, boundary-repelling inversion (Kahla et al., CVPR 2022): hard labels alone.

    It attacks exactly the requested people, all at once; the released code attacks those that random samples reach.
    32 points per sphere. A candidate is done after 1,000 steps without growth (full budget; reduced: 30).
    """
    full = budget == "full"
    return Attack(
        name="brepmi",
        budget=budget,
        access="hard-label",
        init=RejectToLabel(),
        identity_loss="cross_entropy",
        stages=(
            Stage(
                steps=1500 if full else 40,
                optimiser=SphereRepulsion(patience=1000 if full else 30),
                constraint=Clamp(3.0),
            ),
        ),
        candidates=4,
        keep=4,
        selection=LabelOverViews(),
    )


def lokt(budget: str = "reduced") -> Attack:
    """LOKT, label-only knowledge transfer (Nguyen et al., NeurIPS 2023). Trains a class-conditional GAN per target.

    A target-assisted GAN learns from the public images and from the target's hard labels of the GAN's own images. Three
    students learn the GAN's images with these labels. They are inverted together, with the max-margin loss over two
    augmented views: Adam 0.1, 600 steps (full budget). Students see only whole images, which is also a way to avoid
    Random Erasing.
    """
    full = budget == "full"
    return Attack(
        name="lokt",
        budget=budget,
        access="hard-label",
        init=Normal(),
        views=(Jitter(), Jitter()),
        models=Students(labels="hard", public=False, samples=True, recipe=replace(RECIPE, epochs=16)),
        identity_loss="margin",
        stages=(Stage(steps=600 if full else 30, optimiser=Adam(0.1, (0.9, 0.999)), constraint=Clamp(3.0)),),
        candidates=5,
        keep=4,
        selection=LabelOverViews(),
        maker=TargetAssistedGan(),
    )
