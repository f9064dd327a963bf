"""The judge's network: residual blocks with group norm, which no default target has."""

import torch.nn.functional as F
from torch import Tensor, nn


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(8, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(8, outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.skip_scale = 1.0  # a defence may lower it

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(F.silu(self.norm1(self.conv1(x)))))
        skip = self.skip(x)
        return F.silu(y + (skip if self.skip_scale == 1 else self.skip_scale * skip))


class ResidualGroupNorm(nn.Module):
    """A stem and three residual blocks (stride 2 each), average pooling to 2x2, and one linear layer."""

    def __init__(self, classes: int, channels: int, resolution: int, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 5, stride=2 if resolution > 48 else 1, padding=2, bias=False)
        self.blocks = nn.Sequential(
            _Block(width, width, 2), _Block(width, 2 * width, 2), _Block(2 * width, 4 * width, 2)
        )
        self.head = nn.Linear(4 * width * 4, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(F.silu(self.stem(x)))
        return self.head(F.adaptive_avg_pool2d(x, 2).flatten(1))
