"""The attacker's generative models, made from public identities only."""

from mi_tune.priors.base import Prior, PriorSamples, render_samples
from mi_tune.priors.dcgan import DCGANPrior, GanRecipe, train_dcgan
from mi_tune.priors.eigenface import EigenfacePrior, fit_eigenfaces
from mi_tune.priors.procedural import ProceduralPrior

__all__ = [
    "DCGANPrior",
    "EigenfacePrior",
    "GanRecipe",
    "Prior",
    "PriorSamples",
    "ProceduralPrior",
    "fit_eigenfaces",
    "render_samples",
    "train_dcgan",
]
