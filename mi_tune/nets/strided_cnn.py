"""A cheap convolutional classifier: the network of an attacker's students."""

from torch import Tensor, nn


class StridedCNN(nn.Module):
    """Three strided convolutions with group norm and SiLU, average pooling to 4x4, one linear layer.

    It differs from the default target in stride, norm, activation and the lack of max-pooling, and from the default
    judge in the lack of residual blocks.
    """

    def __init__(self, classes: int, channels: int, resolution: int, width: int = 24) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        features = channels
        for out in (width, 2 * width, 4 * width):
            layers += [nn.Conv2d(features, out, 5, 2, padding=2, bias=False), nn.GroupNorm(8, out), nn.SiLU()]
            features = out
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4))
        self.head = nn.Linear(features * 16, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).flatten(1))
