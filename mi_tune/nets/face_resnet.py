"""dlib's face embedding as a PyTorch network, with its published weights.

The network is dlib's `dnn_face_recognition_ex` (King, 2017): a ResNet with 29 convolutions, trained on 3 million faces,
whose embeddings of one person lie within 0.6 of each other. Its authors give 99.38 % on Labeled Faces in the Wild. The
weights are in the public domain (CC0). Here it runs in batches, on any device, and on a CPU several times faster.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.runtime.errors import InputError

CHIP = 150
"""Side of the aligned face images that the network takes, in pixels."""

EMBEDDING = 128
_MEAN = (122.782, 117.001, 104.298)
"""What the network subtracts of red, green and blue, on the scale of 0 to 255."""

_LEVELS = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
"""Width and number of residual blocks at each level, and whether its first block halves the resolution."""


class FaceResNet(nn.Module):
    """Maps aligned faces (n, 3, 150, 150), in [0, 1], to embeddings (n, 128)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _ConvAffine(3, 32, kernel=7, stride=2)
        blocks, width = [], 32
        for wide, count, halves in _LEVELS:
            for number in range(count):
                blocks.append(_Residual(width, wide, halves and number == 0))
                width = wide
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(width, EMBEDDING, bias=False)
        self.mean: Tensor
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        x = (images * 255 - self.mean) / 256
        x = F.max_pool2d(self.stem(x).relu(), 3, 2)
        return self.head(self.blocks(x).mean((2, 3)))


class _ConvAffine(nn.Module):
    """A convolution, then a factor and an offset per channel, which are batch normalisation with fixed statistics."""

    def __init__(self, channels: int, filters: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        # dlib pads a convolution only where it keeps the resolution
        self.conv = nn.Conv2d(channels, filters, kernel, stride, padding=kernel // 2 if stride == 1 else 0)
        self.gamma, self.beta = nn.Parameter(torch.ones(filters)), nn.Parameter(torch.zeros(filters))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * self.gamma[:, None, None] + self.beta[:, None, None]


class _Residual(nn.Module):
    def __init__(self, channels: int, filters: int, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        self.first = _ConvAffine(channels, filters, stride=2 if halves else 1)
        self.second = _ConvAffine(filters, filters)

    def forward(self, x: Tensor) -> Tensor:
        out = self.second(self.first(x).relu())
        skip = F.avg_pool2d(x, 2, 2) if self.halves else x
        # dlib adds tensors of different sizes as if the smaller were padded with zeros
        channels, height, width = (max(a, b) for a, b in zip(out.shape[1:], skip.shape[1:], strict=True))
        return (_padded(out, channels, height, width) + _padded(skip, channels, height, width)).relu()


def _padded(x: Tensor, channels: int, height: int, width: int) -> Tensor:
    return F.pad(x, (0, width - x.shape[3], 0, height - x.shape[2], 0, channels - x.shape[1]))


def load_face_resnet(path: Path) -> FaceResNet:
    """The network with the weights of dlib's `dlib_face_recognition_resnet_model_v1.dat`.

    Only numbers are read from the file, and no code. Raises InputError if it is missing or holds another network.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the weights of dlib's face network ({error.strerror})") from error
    model = FaceResNet()
    pairs = [module for module in model.modules() if isinstance(module, _ConvAffine)]
    tensors = dict[str, list[np.ndarray]](con_=[], affine_=[], fc_=[])
    try:
        for marker in _MARKERS.finditer(data):
            kind = marker["kind"].decode()
            tensors[kind].append(_read_tensor(data, marker.end(), skipped=2 if kind == "fc_" else 0))
        for module, conv, affine in zip(pairs, tensors["con_"], tensors["affine_"], strict=True):
            weights = module.conv.weight.numel()
            _fill(module.conv.weight, conv[:weights])
            assert module.conv.bias is not None
            _fill(module.conv.bias, conv[weights:])
            gamma, beta = np.split(affine, 2)
            _fill(module.gamma, gamma)
            _fill(module.beta, beta)
        (head,) = tensors["fc_"]
        # dlib multiplies from the left: (inputs, outputs)
        _fill(model.head.weight, head.reshape(model.head.in_features, EMBEDDING).T)
    except (ValueError, IndexError, RuntimeError) as error:
        raise InputError(
            f"{path}: not the weights of dlib's face network; take dlib_face_recognition_resnet_model_v1.dat of the "
            "package face_recognition_models"
        ) from error
    return model.eval().requires_grad_(False)


# dlib writes the name of a layer as its length (itself a number of one byte) and its letters
_MARKERS = re.compile(rb"\x01[\x05\x07\x04](?P<kind>con_|affine_|fc_)(?:(?<=affine_)|\d)", re.DOTALL)


def _read_tensor(data: bytes, place: int, skipped: int) -> np.ndarray:
    """The values of a tensor, which follow a version, four sizes, and before them `skipped` further integers."""
    numbers = []
    for _ in range(skipped + 5):
        # one byte that says how many bytes the number has, the number itself with its lowest byte first
        length = data[place] & 15
        numbers.append(int.from_bytes(data[place + 1 : place + 1 + length], "little"))
        place += 1 + length
    return np.frombuffer(data, "<f4", int(np.prod(numbers[-4:])), place)


def _fill(parameter: Tensor, values: np.ndarray) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(values.astype(np.float32)).reshape(parameter.shape))
