"""The attacker's generative models, trained on public identities and, for some, on the target's outputs."""

from mi_tune.priors.base import Prior, PriorSamples, check_prior, render_samples
from mi_tune.priors.conditional import ConditionalPrior
from mi_tune.priors.dcgan import DCGANPrior, GanRecipe, train_dcgan, wgan_recipe
from mi_tune.priors.eigenface import EigenfacePrior, fit_eigenfaces
from mi_tune.priors.imported import ImportedPrior
from mi_tune.priors.kedmi import InversionGanRecipe, InversionPrior, train_inversion_gan
from mi_tune.priors.lokt import TacGanRecipe, train_tacgan
from mi_tune.priors.plgmi import PseudoLabelGanRecipe, pseudo_labels, train_pseudo_label_gan
from mi_tune.priors.procedural import ProceduralPrior
from mi_tune.priors.source import GeneratorSource
from mi_tune.priors.style import StylePrior
from mi_tune.priors.user import UserPrior

__all__ = [
    "ConditionalPrior",
    "DCGANPrior",
    "EigenfacePrior",
    "GanRecipe",
    "GeneratorSource",
    "ImportedPrior",
    "InversionGanRecipe",
    "InversionPrior",
    "Prior",
    "PriorSamples",
    "ProceduralPrior",
    "PseudoLabelGanRecipe",
    "StylePrior",
    "TacGanRecipe",
    "UserPrior",
    "check_prior",
    "fit_eigenfaces",
    "pseudo_labels",
    "render_samples",
    "train_dcgan",
    "train_inversion_gan",
    "train_pseudo_label_gan",
    "train_tacgan",
    "wgan_recipe",
]
