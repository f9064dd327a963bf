"""The second judge's network: a short convolutional stem, then self-attention over the positions of its last map."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.runtime.errors import InputError


class _Block(nn.Module):
    """Transformer block: self-attention over positions and a two-layer network, both residual with pre-layer-norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.think = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.mix(self.norm1(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value)
        x = x + self.join(attended.transpose(1, 2).flatten(2))
        return x + self.think(self.norm2(x))


class ConvAttention(nn.Module):
    """A convolutional stem, two attention blocks, and one linear layer over all positions.

    The stem repeats convolution, pooling, group norm and GELU until the map has 7 to 12 px a side. Convolutions without
    attention learn small face data sets well, but resemble the default target. Attention alone (patches without
    pooling) learns them badly.
    """

    def __init__(self, classes: int, channels: int, resolution: int, width: int = 64, heads: int = 4) -> None:
        super().__init__()
        if resolution < 16:
            raise InputError(f"conv_attention needs 16 px or more, not {resolution}; raise data.resolution")
        layers: list[nn.Module] = []
        size, features = resolution, channels
        while size > 12:
            size //= 2
            out = width if size <= 12 else width // 2
            layers += [
                nn.Conv2d(features, out, 3, padding=1, bias=False),
                nn.MaxPool2d(2),
                nn.GroupNorm(8, out),
                nn.GELU(),
            ]
            features = out
        self.stem = nn.Sequential(*layers)
        self.places = nn.Parameter(0.02 * torch.randn(1, size * size, width))
        self.blocks = nn.Sequential(_Block(width, heads), _Block(width, heads))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width * size * size, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).flatten(2).transpose(1, 2) + self.places
        return self.head(self.norm(self.blocks(x)).flatten(1))
