"""Prior makers: priors that an attack trains for every target.

They are cached under a hash of the target's weights and of everything else that decides them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mi_tune.attacks.ground import Ground
from mi_tune.attacks.losses import margin
from mi_tune.attacks.oracle import HardLabel, soft_label, white_box
from mi_tune.attacks.views import Erase
from mi_tune.data import augment
from mi_tune.erasing import fills, law
from mi_tune.nets import class_gan
from mi_tune.nets import gan as gan_nets
from mi_tune.priors import base, conditional, diff_augment, gan_training, kedmi, lokt, plgmi
from mi_tune.priors.base import Prior, PriorSamples, to_uint8
from mi_tune.priors.conditional import ConditionalPrior
from mi_tune.runtime.cache import cached, content_key
from mi_tune.runtime.seeds import generator

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CODE = (base, conditional, diff_augment, gan_training, kedmi, lokt, plgmi, gan_nets, class_gan, augment, fills, law)
"""The code that decides these priors; part of the cache key."""


@dataclass(frozen=True)
class InversionGan:
    """KED-MI's GAN (Chen et al., ICCV 2021): its discriminator learns the target's soft labels of the public images."""

    recipe: kedmi.InversionGanRecipe = kedmi.InversionGanRecipe()

    access = "soft-label"
    discriminator = True
    conditional = False

    def make(self, oracle: HardLabel, ground: Ground, classes: int, seed: int) -> Ground:
        """See `mi_tune.attacks.parts.PriorMaker`."""

        def train() -> Prior:
            labels = soft_label(oracle).confidence(torch.from_numpy(ground.public)).cpu()
            return kedmi.train_inversion_gan(ground.public, labels, self.recipe, seed, oracle.device)

        def rebuild(config: dict[str, Any]) -> Prior:
            return kedmi.InversionPrior(**config)

        prior = _stored("kedmi", oracle, ground, self.recipe, seed, train, rebuild)
        latents = prior.sample_latents(len(ground.samples.latents), generator(seed, "samples", device=oracle.device))
        return replace(ground, prior=prior, samples=_rendered(prior, latents, None))


@dataclass(frozen=True)
class PseudoLabelGan:
    """PLG-MI's conditional GAN (Yuan et al., AAAI 2023), on public images with the target's pseudo-labels.

    Args:
        per_class: public images per class. erase: show the target images that are erased by the defender's law, both
            for the pseudo-labels and for the loss that guides the generator. views: erased views per pseudo-label.
    """

    recipe: plgmi.PseudoLabelGanRecipe = plgmi.PseudoLabelGanRecipe()
    per_class: int = 30
    erase: bool = False
    views: int = 8

    access = "white-box"
    discriminator = False
    conditional = True

    def make(self, oracle: HardLabel, ground: Ground, classes: int, seed: int) -> Ground:
        """See `mi_tune.attacks.parts.PriorMaker`."""
        target = white_box(oracle)
        erase = Erase().known(ground.law) if self.erase else None
        random = generator(seed, "pseudo-labels", device=oracle.device)

        def confidence(images: Tensor) -> Tensor:
            if erase is None:
                return target.confidence(images)
            x = images.to(target.device).float() / 255
            return torch.stack([target.confidence(erase(x, random)) for _ in range(self.views)]).mean(0)

        def inversion_loss(images: Tensor, labels: Tensor) -> Tensor:
            return margin(target.logits(images if erase is None else erase(images, random)), labels)

        def train() -> Prior:
            images = torch.from_numpy(ground.public)
            chosen, labels = plgmi.pseudo_labels(confidence(images).cpu(), self.per_class)
            return plgmi.train_pseudo_label_gan(
                ground.public[chosen], labels, classes, inversion_loss, self.recipe, seed, oracle.device
            )

        prior = _stored("plgmi", oracle, ground, self, seed, train, lambda config: ConditionalPrior(**config))
        return _with_labelled_samples(prior, ground, classes, seed, oracle.device)


@dataclass(frozen=True)
class TargetAssistedGan:
    """LOKT's conditional GAN (Nguyen et al., NeurIPS 2023), trained with the target's hard labels of its images."""

    recipe: lokt.TacGanRecipe = lokt.TacGanRecipe()

    access = "hard-label"
    discriminator = False
    conditional = True

    def make(self, oracle: HardLabel, ground: Ground, classes: int, seed: int) -> Ground:
        """See `mi_tune.attacks.parts.PriorMaker`."""

        def train() -> Prior:
            return lokt.train_tacgan(ground.public, oracle.labels, classes, self.recipe, seed, oracle.device)

        prior = _stored("lokt", oracle, ground, self.recipe, seed, train, lambda config: ConditionalPrior(**config))
        return _with_labelled_samples(prior, ground, classes, seed, oracle.device)


def _stored(
    kind: str,
    oracle: HardLabel,
    ground: Ground,
    recipe: DataclassInstance,
    seed: int,
    train: Callable[[], Prior],
    rebuild: Callable[[dict[str, Any]], Prior],
) -> Prior:
    """The prior, trained now or taken from the cache. Either way the oracle is charged for its passes."""

    def make() -> dict[str, Any]:
        forward, backward = oracle.forward_passes, oracle.backward_passes
        prior = train().cpu()
        passes = [oracle.forward_passes - forward, oracle.backward_passes - backward]
        oracle.charge(-passes[0], -passes[1])
        return {"config": prior.config, "state": prior.state_dict(), "passes": passes}

    law = ground.law.to_dict() if ground.law and getattr(recipe, "erase", False) else None
    key = content_key(oracle.key, ground.key, dataclasses.asdict(recipe), law, seed, modules=CODE)
    stored = cached(kind, key, make)
    oracle.charge(*stored["passes"])
    prior = rebuild(stored["config"])
    prior.load_state_dict(stored["state"])
    return prior.to(oracle.device).eval().requires_grad_(False)


def _with_labelled_samples(prior: Prior, ground: Ground, classes: int, seed: int, device: torch.device) -> Ground:
    """The ground with the conditional prior and as many samples as before, of all classes in turn."""
    count = len(ground.samples.latents)
    latents = prior.sample_latents(count, generator(seed, "samples", device=device))
    return replace(ground, prior=prior, samples=_rendered(prior, latents, torch.arange(count, device=device) % classes))


@torch.no_grad()
def _rendered(prior: Prior, latents: Tensor, labels: Tensor | None) -> PriorSamples:
    images = [
        to_uint8(prior.decode(latents[rows], None if labels is None else labels[rows])).cpu()
        for rows in torch.arange(len(latents), device=latents.device).split(256)
    ]
    return PriorSamples(latents.cpu().numpy(), torch.cat(images).numpy())
