"""The built-in face recogniser: dlib's, which has never seen an image of any study (optional extra `faces`).

Images are taken as portraits: no face is searched for. Within a fixed square, which leaves out 13 % of the image at
each side, dlib places five landmarks; by these the face is rotated, scaled and cut out as in the network's training
(King, 2017). Each image gets an embedding, also one that shows no face.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.judging.gallery import Embedding
from mi_tune.nets import face_resnet, place
from mi_tune.nets.face_resnet import CHIP, load_face_resnet
from mi_tune.runtime.cache import content_key
from mi_tune.runtime.errors import InputError

NAME = "faces"
"""Name of the recogniser in set-ups."""
INSTALL = "pip install 'mi_tune[faces]'"

_MARGIN = 20 / 150
"""Share of the image that is left out at each side of the square in which landmarks are placed."""
_PADDING = 0.25
"""Room around the face in the aligned image, as in the network's training."""
_NETWORK = "dlib_face_recognition_resnet_model_v1.dat"
_LANDMARKS = "shape_predictor_5_face_landmarks.dat"


def faces_installed() -> bool:
    """Whether the extra `faces` is installed."""
    return importlib.util.find_spec("_dlib_pybind11") is not None and _weights_folder() is not None


def face_embedding() -> Embedding:
    """dlib's embedding of faces. Raises InputError, with the command that installs it, if the extra is missing."""
    folder = _weights_folder()
    if folder is None or not faces_installed():
        raise InputError(f"the recogniser '{NAME}' needs an optional extra; install it: {INSTALL}")
    encoder = FaceEncoder(folder)
    key = content_key(NAME, modules=(sys.modules[__name__], face_resnet))
    return Embedding(NAME, (encoder,), mirrored=False, key=key)


def _weights_folder() -> Path | None:
    # found without importing the package, whose code needs a module that newer Pythons lack
    spec = importlib.util.find_spec("face_recognition_models")
    folder = Path(spec.origin).parent / "models" if spec is not None and spec.origin else None
    return folder if folder is not None and (folder / _NETWORK).is_file() and (folder / _LANDMARKS).is_file() else None


class FaceEncoder(nn.Module):
    """Portraits (n, channels, height, width), in [0, 1], grey or RGB, to embeddings (n, 128).

    The network computes in single precision wherever the rest computes in half, so that its answers are the published
    ones.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.network = place(load_face_resnet(folder / _NETWORK), torch.device("cpu"))
        self.landmarks = folder / _LANDMARKS
        self._predictor: Any = None

    def __getstate__(self) -> dict[str, Any]:
        # each process reads the landmarks' file itself
        return {**super().__getstate__(), "_predictor": None}

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        chips = torch.from_numpy(self.aligned(images)).to(images.device).permute(0, 3, 1, 2)
        with torch.autocast(images.device.type, enabled=False):
            return self.network((chips.float() / 255).contiguous(memory_format=torch.channels_last))

    def aligned(self, images: Tensor) -> np.ndarray:
        """The aligned faces, uint8 (n, 150, 150, 3)."""
        dlib = _dlib()
        if self._predictor is None:
            self._predictor = dlib.shape_predictor(str(self.landmarks))
        side = max(CHIP, *images.shape[2:])
        rgb = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
        large = F.interpolate(rgb.float(), (side, side), mode="bicubic", antialias=True, align_corners=False)
        portraits = (large.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
        low = round(_MARGIN * side)
        square = dlib.rectangle(low, low, side - low, side - low)
        chips = [dlib.get_face_chip(one, self._predictor(one, square), CHIP, _PADDING) for one in portraits]
        return np.stack(chips) if chips else np.empty((0, CHIP, CHIP, 3), np.uint8)


def _dlib() -> ModuleType:
    try:
        import dlib
    except ImportError as error:
        raise InputError(f"the recogniser '{NAME}' needs dlib; install it: {INSTALL}") from error
    return dlib
