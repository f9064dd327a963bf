"""Inception-ResNet-v1, the network of FaceNet's public weights, a target of MIRROR at 160 px."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvNorm(nn.Sequential):
    """Convolution, batch norm and ReLU, under the names of the public weights: `conv`, `bn`."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.add_module("conv", nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False))
        self.add_module("bn", nn.BatchNorm2d(outputs, eps=1e-3))
        self.add_module("relu", nn.ReLU())


def _line(*sizes: int) -> nn.Sequential:
    """A 1x1 convolution and then 3x3 ones, with these widths from the input on."""
    layers = [ConvNorm(sizes[0], sizes[1], 1)]
    layers += [ConvNorm(a, b, 3, padding=1) for a, b in pairwise(sizes[1:])]
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """Branches side by side, joined by a 1x1 convolution, and added to the input with a small weight.

    Args:
        branches: named `branch0`, `branch1`, ... joined: their channels in all.
        scale: the weight. last: without the ReLU.
    """

    def __init__(self, width: int, joined: int, scale: float, branches: list[nn.Module], last: bool = False) -> None:
        super().__init__()
        self.count, self.scale, self.last = len(branches), scale, last
        for number, branch in enumerate(branches):
            self.add_module(f"branch{number}", branch)
        self.conv2d = nn.Conv2d(joined, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        found = [self.get_submodule(f"branch{number}")(x) for number in range(self.count)]
        y = self.conv2d(torch.cat(found, 1)) * self.scale + x
        return y if self.last else F.relu(y)


class Reduction(nn.Module):
    """Branches that halve the resolution, side by side with a max-pooling."""

    def __init__(self, branches: list[nn.Module]) -> None:
        super().__init__()
        self.count = len(branches)
        for number, branch in enumerate(branches):
            self.add_module(f"branch{number}", branch)

    def forward(self, x: Tensor) -> Tensor:
        found = [self.get_submodule(f"branch{number}")(x) for number in range(self.count)]
        return torch.cat([*found, F.max_pool2d(x, 3, 2)], 1)


def _block_35() -> Residual:
    return Residual(256, 96, 0.17, [ConvNorm(256, 32, 1), _line(256, 32, 32), _line(256, 32, 32, 32)])


def _crossed(width: int, inner: int, length: int) -> nn.Sequential:
    """A 1x1 convolution, then one along rows and one along columns."""
    half = length // 2
    return nn.Sequential(
        ConvNorm(width, inner, 1),
        ConvNorm(inner, inner, (1, length), padding=(0, half)),
        ConvNorm(inner, inner, (length, 1), padding=(half, 0)),
    )


def _block_17() -> Residual:
    return Residual(896, 256, 0.10, [ConvNorm(896, 128, 1), _crossed(896, 128, 7)])


def _block_8(scale: float = 0.20, last: bool = False) -> Residual:
    return Residual(1792, 384, scale, [ConvNorm(1792, 192, 1), _crossed(1792, 192, 3)], last)


class InceptionResNetV1(nn.Module):
    """Szegedy et al., "Inception-v4, Inception-ResNet" (AAAI 2017), figures 10 to 15, with FaceNet's embedding of 512.

    The published size of images is 160 px, at least 75. The names of the weights are those of the package
    facenet-pytorch, whose VGGFace2 and CASIA-WebFace weights are the published start.
    """

    def __init__(self, classes: int, channels: int = 3, resolution: int = 160) -> None:
        super().__init__()
        self.conv2d_1a = ConvNorm(channels, 32, 3, 2)
        self.conv2d_2a = ConvNorm(32, 32, 3)
        self.conv2d_2b = ConvNorm(32, 64, 3, padding=1)
        self.conv2d_3b = ConvNorm(64, 80, 1)
        self.conv2d_4a = ConvNorm(80, 192, 3)
        self.conv2d_4b = ConvNorm(192, 256, 3, 2)
        self.repeat_1 = nn.Sequential(*(_block_35() for _ in range(5)))
        down = nn.Sequential(ConvNorm(256, 192, 1), ConvNorm(192, 192, 3, padding=1), ConvNorm(192, 256, 3, 2))
        self.mixed_6a = Reduction([ConvNorm(256, 384, 3, 2), down])
        self.repeat_2 = nn.Sequential(*(_block_17() for _ in range(10)))
        self.mixed_7a = Reduction(
            [
                nn.Sequential(ConvNorm(896, 256, 1), ConvNorm(256, 384, 3, 2)),
                nn.Sequential(ConvNorm(896, 256, 1), ConvNorm(256, 256, 3, 2)),
                nn.Sequential(ConvNorm(896, 256, 1), ConvNorm(256, 256, 3, padding=1), ConvNorm(256, 256, 3, 2)),
            ]
        )
        self.repeat_3 = nn.Sequential(*(_block_8() for _ in range(5)))
        self.block8 = _block_8(scale=1.0, last=True)
        self.dropout = nn.Dropout(0.6)
        self.last_linear = nn.Linear(1792, 512, bias=False)
        self.last_bn = nn.BatchNorm1d(512, eps=1e-3)
        self.logits = nn.Linear(512, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, channels, side, side), normalised to [-1, 1]."""
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(images)))
        x = self.conv2d_3b(F.max_pool2d(x, 3, 2))
        x = self.repeat_1(self.conv2d_4b(self.conv2d_4a(x)))
        x = self.repeat_2(self.mixed_6a(x))
        x = self.block8(self.repeat_3(self.mixed_7a(x)))
        x = self.last_bn(self.last_linear(self.dropout(x.mean((2, 3)))))
        return self.logits(x)
