"""The improved residual networks IR-50 and IR-152 of face recognition, at any size of images."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

UNITS = {50: (3, 4, 14, 3), 100: (3, 13, 30, 3), 152: (3, 8, 36, 3)}
"""Units in each of the four stages, by the network's nominal depth (Deng et al., ArcFace, CVPR 2019)."""

WIDTHS = (64, 128, 256, 512)
EMBEDDING = 512


class IRUnit(nn.Module):
    """A residual unit: batch norm, convolution, PReLU, convolution with the stride, batch norm.

    The shortcut keeps every stride-th pixel, or where the width changes is a 1x1 convolution with batch norm.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module
        if inputs == outputs:
            self.shortcut_layer = nn.MaxPool2d(1, stride)
        else:
            project = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut_layer = nn.Sequential(project, nn.BatchNorm2d(outputs))
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut_layer(x) + self.res_layer(x)


class IRNetwork(nn.Module):
    """IR-50, IR-100 or IR-152 with an embedding of 512 numbers and a linear head.

    At 64 px IR-50 is the literature's `FaceNet64`, at 112 px its usual judge, `FaceNet`; IR-152 at 64 px is `IR152`
    (Chen et al., KED-MI, ICCV 2021). The first unit of every stage halves the resolution. The names of the weights are
    those of face.evoLVe's backbones, `input_layer`, `body` and `output_layer`, with the head `fc_layer`.

    Args:
        resolution: side of the images, at least 16 px; the last map has a 16th of it.
        depth: 50, 100 or 152.
    """

    def __init__(self, classes: int, channels: int = 3, resolution: int = 64, depth: int = 50) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(
            nn.Conv2d(channels, WIDTHS[0], 3, padding=1, bias=False), nn.BatchNorm2d(WIDTHS[0]), nn.PReLU(WIDTHS[0])
        )
        units: list[nn.Module] = []
        inputs = WIDTHS[0]
        for width, count in zip(WIDTHS, UNITS[depth], strict=True):
            for number in range(count):
                units.append(IRUnit(inputs, width, stride=1 if number else 2))
                inputs = width
        self.body = nn.Sequential(*units)
        side = -(-resolution // 16)  # a convolution with stride 2 rounds up
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Dropout(0.5),
            nn.Flatten(),
            nn.Linear(inputs * side**2, EMBEDDING),
            nn.BatchNorm1d(EMBEDDING),
        )
        self.fc_layer = nn.Linear(EMBEDDING, classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, channels, resolution, resolution) in [0, 1], not normalised."""
        return self.fc_layer(self.output_layer(self.body(self.input_layer(images))))


IR50 = partial(IRNetwork, depth=50)
IR152 = partial(IRNetwork, depth=152)
