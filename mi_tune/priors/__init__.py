"""The attacker's generative models, made from public identities and what the target says of images."""

from mi_tune.priors.base import Prior, PriorSamples, check_prior, render_samples
from mi_tune.priors.conditional import ConditionalPrior
from mi_tune.priors.dcgan import DCGANPrior, GanRecipe, train_dcgan, wgan_recipe
from mi_tune.priors.eigenface import EigenfacePrior, fit_eigenfaces
from mi_tune.priors.kedmi import InversionGanRecipe, InversionPrior, train_inversion_gan
from mi_tune.priors.lokt import TacGanRecipe, labelled_samples, train_tacgan
from mi_tune.priors.plgmi import PseudoLabelGanRecipe, pseudo_labels, train_pseudo_label_gan
from mi_tune.priors.procedural import ProceduralPrior

__all__ = [
    "ConditionalPrior",
    "DCGANPrior",
    "EigenfacePrior",
    "GanRecipe",
    "InversionGanRecipe",
    "InversionPrior",
    "Prior",
    "PriorSamples",
    "ProceduralPrior",
    "PseudoLabelGanRecipe",
    "TacGanRecipe",
    "check_prior",
    "fit_eigenfaces",
    "labelled_samples",
    "pseudo_labels",
    "render_samples",
    "train_dcgan",
    "train_inversion_gan",
    "train_pseudo_label_gan",
    "train_tacgan",
    "wgan_recipe",
]
