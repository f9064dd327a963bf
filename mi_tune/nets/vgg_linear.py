"""VGG16 with batch norm as the 64 px line of model inversion uses it: no pooling at the end, and one linear layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_PLAN = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Width and number of convolutions before each of the five poolings (Simonyan and Zisserman, ICLR 2015, column D)."""


class VGGLinear(nn.Module):
    """The convolutions of VGG16-BN, batch norm of the flat features without a shift, and one linear layer.

    Zhang et al., "The Secret Revealer" (CVPR 2020), and the attacks after it at 64 px, where the features are 512 x 2 x
    2. The shift of the last batch norm is a parameter of their checkpoints, and stays at 0. The names of the weights
    are those of their checkpoints: `feature`, `bn`, `fc_layer`.

    Args:
        resolution: side of the images, at least 32 px; the features have a 32nd of it.
    """

    def __init__(self, classes: int, channels: int = 3, resolution: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = channels
        for width, count in _PLAN:
            for _ in range(count):
                layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                inputs = width
            layers.append(nn.MaxPool2d(2))
        self.feature = nn.Sequential(*layers)
        features = inputs * (resolution // 32) ** 2
        self.bn = nn.BatchNorm1d(features)
        self.bn.bias.requires_grad_(False)
        self.fc_layer = nn.Linear(features, classes)
        for module in self.feature:
            if isinstance(module, nn.Conv2d):  # He initialisation, as torchvision's VGG has it
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, channels, resolution, resolution) in [0, 1], not normalised."""
        return self.fc_layer(self.bn(torch.flatten(self.feature(images), 1)))
