"""A class-conditional generator, and discriminators with class outputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mi_tune.nets.gan import Generator, Trunk


class ClassGenerator(nn.Module):
    """The generator with a learnt class embedding appended to the latent, in its first and in every style layer."""

    def __init__(
        self, latent_dim: int, classes: int, channels: int, resolution: int, width: int, embedding: int
    ) -> None:
        super().__init__()
        self.classes = nn.Embedding(classes, embedding)
        self.generator = Generator(latent_dim + embedding, channels, resolution, width)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Images (n, channels, resolution, resolution) in [0, 1] of latents (n, latent_dim) and labels (n,)."""
        return self.generator(torch.cat([latents, self.classes(labels).to(latents.dtype)], 1))


class ClassDiscriminator(nn.Module):
    """The trunk and one logit per class; the log-sum-exp of the logits is the score of an image as real.

    Salimans et al., "Improved Techniques for Training GANs" (NeurIPS 2016), section 5.
    """

    def __init__(self, channels: int, resolution: int, width: int, classes: int) -> None:
        super().__init__()
        self.trunk = Trunk(channels, resolution, width)
        self.head = nn.Linear(self.trunk.size, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, channels, resolution, resolution) in [0, 1]."""
        return self.head(self.trunk(images))


class ProjectionDiscriminator(nn.Module):
    """Projection discriminator: the score w^T h + e_y^T h of an image with features h and label y.

    Miyato and Koyama, ICLR 2018. For small data sets, the h of the second term is a projection of the trunk's features
    to `features` numbers, so that the class embeddings cannot memorise their images.
    """

    def __init__(self, channels: int, resolution: int, width: int, classes: int, features: int = 64) -> None:
        super().__init__()
        self.trunk = Trunk(channels, resolution, width)
        self.head = nn.Linear(self.trunk.size, 1)
        self.project = nn.Linear(self.trunk.size, features)
        self.classes = nn.Embedding(classes, features)
        nn.init.normal_(self.classes.weight, std=features**-0.5)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Scores (n,) of images in [0, 1] with labels (n,), higher for images that look real and of that class."""
        x = self.trunk(images)
        return self.head(x)[:, 0] + (self.project(x) * self.classes(labels)).sum(1)


class AuxiliaryDiscriminator(nn.Module):
    """Auxiliary-classifier discriminator: a score and class logits from one trunk (AC-GAN, Odena et al., ICML 2017)."""

    def __init__(self, channels: int, resolution: int, width: int, classes: int) -> None:
        super().__init__()
        self.trunk = Trunk(channels, resolution, width)
        self.head = nn.Linear(self.trunk.size, 1)
        self.classifier = nn.Linear(self.trunk.size, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (n,), higher for images that look real, and logits (n, classes), of images in [0, 1]."""
        x = self.trunk(images)
        return self.head(x)[:, 0], self.classifier(x)
