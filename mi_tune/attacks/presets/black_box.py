"""Published attacks without gradients of the target, as rows of parts."""

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
    """MIRROR, black-box (An et al., NDSS 2022): a genetic search on soft labels in clipped P space.

    Population 1,000 and 100 generations published (full: 200 and 100), mutation probability 0.1, a class is done at
    confidence 0.95.
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
    """Soft-label search by CMA-ES: the threat model of RLB-MI (Han et al., CVPR 2023) without its agent.

    RLB-MI trains a soft actor-critic per identity, whose reward is the confidence and its margin, on about 120,000
    queries. Here an evolution strategy minimises the margin loss of the same soft labels: 20 latents a step, 50 steps
    (reduced: 1,000 queries a class) or 500 (full).
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
    """Boundary-repelling inversion (Kahla et al., CVPR 2022): hard labels alone.

    All classes at once, and the ids that were asked for: the released code attacks those that random samples reach.
    32 points a sphere, 1,000 steps without growth end a candidate in full (30 reduced).
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
    """Label-only knowledge transfer (Nguyen et al., NeurIPS 2023). Trains a class-conditional GAN for every target.

    A target-assisted GAN learns the public images with the hard labels that the target gives to the GAN's images;
    three students learn its images with those labels and are inverted together by the max-margin loss in two
    augmented views: Adam 0.1, 600 steps (full). Students see whole images only: also a way round Random Erasing.
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
