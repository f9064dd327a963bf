"""A small convolutional classifier for 28 to 64 px."""

import torch
from torch import Tensor, nn

from mi_tune.runtime.errors import InputError


class SmallCNN(nn.Module):
    """Convolution, pooling, batch norm and ReLU, once per halving down to about 4 px, then one linear layer.

    There is no global pooling: the position of features helps to distinguish aligned faces.
    """

    def __init__(self, classes: int, channels: int, resolution: int, width: int = 32) -> None:
        super().__init__()
        if not 16 <= resolution <= 128:
            raise InputError(
                f"small_cnn needs 16 to 128 px, not {resolution}; choose a torchvision architecture such as resnet18"
            )
        layers: list[nn.Module] = []
        size, features = resolution, channels
        while size >= 8:
            layers += [
                nn.Conv2d(features, width, 3, padding=1, bias=False),
                nn.MaxPool2d(2),  # before the norm, which then handles a quarter of the values
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            size, features, width = size // 2, width, min(width * 2, 256)
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(features * size * size, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.flatten(self.features(x), 1))
