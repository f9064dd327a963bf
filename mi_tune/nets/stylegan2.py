"""StyleGAN2's generator in plain PyTorch, whose weights have the names of the public StyleGAN2-ADA pickles.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (CVPR 2020) and "Training Generative Adversarial
Networks with Limited Data" (NeurIPS 2020). Everything is computed in float32, without kernels of its own. A layer with
random noise is called with constant noise, or none. Its training is not part of this project; docs/own.md shows how to
export the weights of a public pickle.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
"""Negative slope of all leaky ReLUs; each is followed by the gain sqrt(2)."""

TAPS = (1.0, 3.0, 3.0, 1.0)
"""The separable low-pass filter of all resampling."""

CLAMP = 256.0
"""The bound on activations of networks that were trained with half-precision layers, as all public ones of 2020."""


def low_pass() -> Tensor:
    """The filter as a square (4, 4) with sum 1."""
    taps = torch.tensor(TAPS)
    square = torch.outer(taps, taps)
    return square / square.sum()


def upsampled(images: Tensor, kernel: Tensor) -> Tensor:
    """Images of twice the side: a zero after every pixel, then the low-pass filter with gain 4."""
    channels = images.shape[1]
    filters = (4 * kernel).expand(channels, 1, -1, -1)
    # the transposed convolution inserts the zeros itself; the filter is symmetric, so it needs no flip
    return F.conv_transpose2d(images, filters, stride=2, padding=1, groups=channels)


def activated(x: Tensor) -> Tensor:
    """Leaky ReLU with gain sqrt(2)."""
    return F.leaky_relu(x, SLOPE) * math.sqrt(2)


class EqualisedLinear(nn.Module):
    """A linear layer whose stored weights are standard normal and are scaled when they are used.

    Args:
        rate: the layer's factor on the learning rate. bias: of the start.
    """

    def __init__(self, inputs: int, outputs: int, rate: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.weight_gain, self.bias_gain = rate / math.sqrt(inputs), rate

    def forward(self, x: Tensor) -> Tensor:
        """Values (n, outputs) of x (n, inputs), without an activation."""
        return F.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)


class MappingNetwork(nn.Module):
    """The mapping from z to w: z at unit length per coordinate, then linear layers with leaky ReLUs.

    It returns w once for every layer of the synthesis, (n, num_ws, w_dim). Its weights are `fc0`, `fc1`, ..., and the
    mean of w in training, `w_avg`.
    """

    w_avg: Tensor

    def __init__(self, z_dim: int, w_dim: int, num_ws: int, layers: int) -> None:
        super().__init__()
        self.num_ws, self.layers = num_ws, layers
        for number in range(layers):
            self.add_module(f"fc{number}", EqualisedLinear(z_dim if number == 0 else w_dim, w_dim, rate=0.01))
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor, c: None = None, truncation_psi: float = 1.0) -> Tensor:
        """w of z (n, z_dim); c is not used. truncation_psi: 1 is off; less pulls w to its mean in training."""
        x = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for number in range(self.layers):
            x = activated(self.get_submodule(f"fc{number}")(x))
        if truncation_psi != 1:
            x = torch.lerp(self.w_avg, x, truncation_psi)
        return x[:, None].repeat(1, self.num_ws, 1)


class StyledConv(nn.Module):
    """A 3x3 convolution whose input channels are scaled by the style, and whose outputs are brought to unit size.

    The scale of an input channel is an affine function of w. Instead of a convolution with weights for each image, the
    input is scaled before and the output after it, which is the same (CVPR 2020, section 2.2, equations 1 and 3).

    Args:
        up: 2 doubles the side first, by a transposed convolution and the low-pass filter.
    """

    resample_filter: Tensor
    noise_const: Tensor

    def __init__(self, inputs: int, outputs: int, w_dim: int, resolution: int, up: int) -> None:
        super().__init__()
        self.up = up
        self.affine = EqualisedLinear(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.register_buffer("resample_filter", low_pass())

    def forward(self, x: Tensor, w: Tensor, noise: bool, clamp: Tensor) -> Tensor:
        style = self.affine(w)
        size = style.square() @ self.weight.square().sum((2, 3)).T
        x = x * style[:, :, None, None]
        if self.up == 2:
            x = F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2)
            channels = x.shape[1]
            x = F.conv2d(x, (4 * self.resample_filter).expand(channels, 1, -1, -1), padding=1, groups=channels)
        else:
            x = F.conv2d(x, self.weight, padding=1)
        x = x * (size + 1e-8).rsqrt()[:, :, None, None]
        if noise:
            x = x + self.noise_const * self.noise_strength
        return activated(x + self.bias.view(-1, 1, 1)).clamp(-clamp, clamp)


class ToImage(nn.Module):
    """A styled 1x1 convolution to the image's channels, without bringing its outputs to unit size."""

    def __init__(self, inputs: int, channels: int, w_dim: int) -> None:
        super().__init__()
        self.gain = 1 / math.sqrt(inputs)
        self.affine = EqualisedLinear(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(channels, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, w: Tensor, clamp: Tensor) -> Tensor:
        style = self.affine(w) * self.gain
        image = F.conv2d(x * style[:, :, None, None], self.weight) + self.bias.view(-1, 1, 1)
        return image.clamp(-clamp, clamp)


class Block(nn.Module):
    """The layers of one resolution: `conv0` (from half the side), `conv1` and `torgb`; 4x4 begins with `const`."""

    resample_filter: Tensor

    def __init__(self, inputs: int, outputs: int, w_dim: int, resolution: int, channels: int) -> None:
        super().__init__()
        self.convolutions = 2 if inputs else 1
        if inputs:
            self.conv0 = StyledConv(inputs, outputs, w_dim, resolution, up=2)
        else:
            self.const = nn.Parameter(torch.randn(outputs, resolution, resolution))
        self.conv1 = StyledConv(outputs, outputs, w_dim, resolution, up=1)
        self.torgb = ToImage(outputs, channels, w_dim)
        self.register_buffer("resample_filter", low_pass())

    def forward(
        self, x: Tensor | None, image: Tensor | None, ws: Tensor, noise: bool, clamp: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Features and image at this resolution; ws: (n, convolutions + 1, w_dim)."""
        x = self.const.expand(len(ws), -1, -1, -1) if x is None else self.conv0(x, ws[:, 0], noise, clamp)
        x = self.conv1(x, ws[:, self.convolutions - 1], noise, clamp)
        drawn = self.torgb(x, ws[:, self.convolutions], clamp)
        return x, drawn if image is None else upsampled(image, self.resample_filter) + drawn


class Synthesis(nn.Module):
    """The synthesis from ws to images: blocks `b4`, `b8`, ..., whose images are added up ("skip" architecture).

    `clamp`, the bound on activations, is stored with the weights; a public state_dict does not have it, and gets the
    bound that the network was made with.
    """

    clamp: Tensor

    def __init__(
        self, w_dim: int, resolution: int, channels: int, channel_base: int, channel_max: int, clamp: float
    ) -> None:
        super().__init__()
        self.sides = [2**k for k in range(2, resolution.bit_length())]
        self.widths = [min(channel_base // side, channel_max) for side in self.sides]
        self.channels = channels
        for number, (side, width) in enumerate(zip(self.sides, self.widths, strict=True)):
            inputs = self.widths[number - 1] if number else 0
            self.add_module(f"b{side}", Block(inputs, width, w_dim, side, channels))
        self.num_ws = 2 * len(self.sides)
        self.register_buffer("clamp", torch.tensor(clamp))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        state_dict.setdefault(f"{prefix}clamp", self.clamp)
        super()._load_from_state_dict(state_dict, prefix, *others)

    def forward(self, ws: Tensor, noise_mode: str = "const", force_fp32: bool = True) -> Tensor:
        """Images (n, channels, side, side), about [-1, 1], of ws (n, num_ws, w_dim).

        noise_mode: `const` or `none`. force_fp32: not used; everything is float32.
        """
        x = image = None
        for number in range(len(self.sides)):
            x, image = self.step(x, image, ws, number, noise_mode)
        assert image is not None
        return image

    def step(
        self, x: Tensor | None, image: Tensor | None, ws: Tensor, number: int, noise_mode: str = "const"
    ) -> tuple[Tensor, Tensor]:
        """Features and image after block `number`; None before the first."""
        block = self.get_submodule(f"b{self.sides[number]}")
        assert isinstance(block, Block)
        # the last w of a block is also the first of the next
        first = max(0, 2 * number - 1)
        return block(x, image, ws[:, first : first + block.convolutions + 1], noise_mode == "const", self.clamp)


class StyleGAN2(nn.Module):
    """The generator: `mapping` and `synthesis`, without classes, as the prior `style` takes it.

    Args:
        z_dim, w_dim: sizes of z and w. resolution: side of the images, a power of 2 from 8 on. channels: 1 or 3.
        channel_base, channel_max: a map of side s has min(channel_base // s, channel_max) channels.
        mapping_layers: linear layers of the mapping.
        clamp: bound on activations; infinity for networks that were trained in float32 alone.
    """

    def __init__(
        self,
        resolution: int,
        z_dim: int = 512,
        w_dim: int = 512,
        channels: int = 3,
        channel_base: int = 32768,
        channel_max: int = 512,
        mapping_layers: int = 8,
        clamp: float = CLAMP,
    ) -> None:
        super().__init__()
        self.synthesis = Synthesis(w_dim, resolution, channels, channel_base, channel_max, clamp)
        self.z_dim, self.w_dim, self.num_ws, self.c_dim = z_dim, w_dim, self.synthesis.num_ws, 0
        self.mapping = MappingNetwork(z_dim, w_dim, self.num_ws, mapping_layers)


def paper256() -> StyleGAN2:
    """256 px at half the channels, as the public FFHQ networks of that size have it (configuration `paper256`)."""
    return StyleGAN2(256, channel_base=16384)


def paper512() -> StyleGAN2:
    """512 px, as the public AFHQ networks have it (configuration `paper512`)."""
    return StyleGAN2(512)


def paper1024() -> StyleGAN2:
    """1024 px, as the public FFHQ and MetFaces networks have it (configuration `paper1024`)."""
    return StyleGAN2(1024)


def twin() -> StyleGAN2:
    """32 px with few channels and random weights, scaled so that its pixels lie about in [-1, 1]: it draws nobody."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = StyleGAN2(32, z_dim=32, w_dim=32, channel_base=512, channel_max=32, mapping_layers=2)
        with torch.no_grad():
            images = made.synthesis(made.mapping(torch.randn(64, 32)))
            for module in made.modules():
                if isinstance(module, ToImage):
                    module.weight.mul_(0.5 / images.std())
    return made
