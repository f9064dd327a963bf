"""Generator and critic of the attacks at 64 px, as their authors have them and under their names of weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _up(inputs: int, outputs: int) -> nn.Sequential:
    grow = nn.ConvTranspose2d(inputs, outputs, 5, 2, padding=2, output_padding=1, bias=False)
    return nn.Sequential(grow, nn.BatchNorm2d(outputs), nn.ReLU())


def _doublings(resolution: int) -> int:
    return (resolution // 4).bit_length() - 1


class Generator64(nn.Module):
    """The DCGAN generator of GMI, KED-MI and LOMMA (Zhang et al., CVPR 2020): latents of 100 numbers, 64 px, sigmoid.

    Weights: `l1` to the 4x4 map, `l2_5` to the image. With 32 px it is their generator for small images, which has one
    convolution less.

    Args:
        resolution: 8, 16, 32, 64, ... width: channels before the image.
    """

    def __init__(self, latent_dim: int = 100, channels: int = 3, resolution: int = 64, width: int = 64) -> None:
        super().__init__()
        count = _doublings(resolution)
        first = width * 2 ** (count - 1)
        self.latent_dim = latent_dim
        self.l1 = nn.Sequential(nn.Linear(latent_dim, first * 16, bias=False), nn.BatchNorm1d(first * 16), nn.ReLU())
        last = nn.ConvTranspose2d(width, channels, 5, 2, padding=2, output_padding=1)
        grown = [_up(first // 2**k, first // 2 ** (k + 1)) for k in range(count - 1)]
        self.l2_5 = nn.Sequential(*grown, last, nn.Sigmoid())

    def forward(self, latents: Tensor) -> Tensor:
        """Images (n, channels, resolution, resolution) in [0, 1] of latents (n, latent_dim)."""
        return self.l2_5(self.l1(latents).view(len(latents), -1, 4, 4))


def _down(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 5, 2, 2), nn.InstanceNorm2d(outputs, affine=True), nn.LeakyReLU(0.2)
    )


class Critic64(nn.Module):
    """The Wasserstein critic beside `Generator64`; it has instance norm instead of the layer norm of WGAN-GP.

    Its weights are `ls`. Grey images are repeated to its channels, and images of another side are resized to its own.
    """

    def __init__(self, channels: int = 3, resolution: int = 64, width: int = 64) -> None:
        super().__init__()
        self.channels, self.resolution = channels, resolution
        count = _doublings(resolution)
        shrunk = [_down(width * 2**k, width * 2 ** (k + 1)) for k in range(count - 1)]
        first = nn.Conv2d(channels, width, 5, 2, 2)
        self.ls = nn.Sequential(first, nn.LeakyReLU(0.2), *shrunk, nn.Conv2d(width * 2 ** (count - 1), 1, 4))

    def forward(self, images: Tensor) -> Tensor:
        """Scores (n,), higher for images that look real, of images (n, channels, height, width) in [0, 1]."""
        images = images.expand(-1, self.channels, -1, -1)
        if images.shape[-1] != self.resolution:
            size = (self.resolution, self.resolution)
            images = F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)
        return self.ls(images).flatten()


class Gan64(nn.Module):
    """Both as one module for the prior `import`: a public pair of files becomes one, see docs/own.md."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.generator, self.realism = Generator64(width=width), Critic64(width=width)
        self.latent_dim = self.generator.latent_dim

    def forward(self, latents: Tensor) -> Tensor:
        """Images (n, 3, 64, 64) in [0, 1] of latents (n, 100)."""
        return self.generator(latents)


def gan64() -> Gan64:
    """The pair at its published size."""
    return Gan64()


class ClassNorm(nn.Module):
    """Batch norm whose scale and shift are looked up by the class: `weights`, `biases` (Dumoulin et al., 2017)."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, classes: int, features: int) -> None:
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))
        self.weights, self.biases = nn.Embedding(classes, features), nn.Embedding(classes, features)
        nn.init.ones_(self.weights.weight)
        nn.init.zeros_(self.biases.weight)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        x = F.batch_norm(x, self.running_mean, self.running_var, training=self.training)
        return self.weights(labels)[:, :, None, None] * x + self.biases(labels)[:, :, None, None]


class _ClassBlock(nn.Module):
    """Residual block of the class-conditional generator: it doubles the side in both of its ways."""

    def __init__(self, inputs: int, outputs: int, classes: int) -> None:
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.b1, self.b2 = ClassNorm(classes, inputs), ClassNorm(classes, outputs)
        self.c_sc = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        y = self.c1(_doubled(F.relu(self.b1(x, labels))))
        y = self.c2(F.relu(self.b2(y, labels)))
        return y + self.c_sc(_doubled(x))


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class ClassGenerator64(nn.Module):
    """The class-conditional generator of PLG-MI and LOKT: a residual network with class-conditional batch norm.

    Miyato and Koyama (ICLR 2018), as in the public code of both attacks: latents of 128 numbers, 64 channels before the
    image, tanh. Weights: `l1`, `block2` to `block5`, `b6`, `conv6`.
    """

    def __init__(self, classes: int, latent_dim: int = 128, width: int = 64, resolution: int = 64) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        count = _doublings(resolution)
        widths = [width * 2 ** (count - k) for k in range(count + 1)]
        self.l1 = nn.Linear(latent_dim, widths[0] * 16)
        self.names = [f"block{number}" for number in range(2, 2 + count)]
        for name, inputs, outputs in zip(self.names, widths[:-1], widths[1:], strict=True):
            self.add_module(name, _ClassBlock(inputs, outputs, classes))
        self.add_module(f"b{count + 2}", nn.BatchNorm2d(width))
        self.add_module(f"conv{count + 2}", nn.Conv2d(width, 3, 1))
        self.last = count + 2

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Images (n, 3, resolution, resolution) in [-1, 1] of latents (n, latent_dim) and labels, int64 (n,)."""
        x = self.l1(latents).view(len(latents), -1, 4, 4)
        for name in self.names:
            x = self.get_submodule(name)(x, labels)
        x = F.relu(self.get_submodule(f"b{self.last}")(x))
        return torch.tanh(self.get_submodule(f"conv{self.last}")(x))
