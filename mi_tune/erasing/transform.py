"""An erasing law as a transform of torchvision, for training code that is not this project's."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from mi_tune.erasing.law import ErasingLaw
from mi_tune.runtime.errors import InputError

_PIL_MODES = ("L", "RGB")
_NO_IMAGE = (tv_tensors.Mask, tv_tensors.BoundingBoxes)


class ErasingTransform(v2.Transform):
    """Erases regions of images as a law says; a step of a pipeline of `torchvision.transforms.v2`, or of its own.

    Put it behind all other augmentations, where pixels are still in [0, 1] or bytes: before `Normalize`. It takes

    - tensors and `tv_tensors.Image`, (channels, height, width) or a batch (n, channels, height, width), uint8 or floats
      in [0, 1]; every image of a batch is erased by draws of its own;
    - PIL images of mode L or RGB;
    - NumPy arrays (height, width), (height, width, channels) or (n, height, width, channels), uint8 or floats.

    Each comes back as what it was, and the input stays as it is. Beside images, alone or in any structure that a data
    set returns, labels, masks and boxes pass through. Of several plain tensors or arrays the first with two dimensions
    or more is the image, as in all transforms of torchvision.

    Draws come from torch's global generator, which a `DataLoader` seeds differently in each worker and each epoch.

    Args:
        law: a `mean` fill must be resolved (`ErasingLaw.resolved`).

    Raises:
        InputError: when it is called: no image; images of another type, range or number of channels than the fill has;
            or the fill `other_image` on a single image.
    """

    def __init__(self, law: ErasingLaw) -> None:
        super().__init__()
        self.law = law
        # shared, so that the workers of a DataLoader see it change
        self._on = torch.ones(1, dtype=torch.bool).share_memory_()

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """Begin epoch `epoch`, counted from 0, of a training of `epochs`: a law's last, clean epochs do not erase."""
        self._on.fill_(epoch < epochs - self.law.clean_epochs)

    def forward(self, *inputs: Any) -> Any:
        """Erase the images among the inputs."""
        flat, structure = tree_flatten(inputs if len(inputs) > 1 else inputs[0])
        found = _images_in(flat)
        if not found:
            kinds = ", ".join(sorted({type(one).__name__ for one in flat})) or "nothing"
            raise InputError(
                f"erasing law: got {kinds} and no image; give a tensor (channels, height, width), a PIL image or a "
                "NumPy array (height, width, channels)"
            )
        for place in found:
            flat[place] = self._erased(flat[place])
        return tree_unflatten(flat, structure)

    def _erased(self, image: Any) -> Any:
        if not bool(self._on):
            return image
        if isinstance(image, Image.Image):
            if image.mode not in _PIL_MODES:
                raise InputError(f"erasing law: a PIL image of mode {image.mode}; give one of mode L or RGB (.convert)")
            return F.to_pil_image(self._pixels(F.pil_to_tensor(image)))
        if isinstance(image, np.ndarray):
            return self._array(image)
        erased = self._pixels(image.as_subclass(Tensor))
        return tv_tensors.wrap(erased, like=image) if isinstance(image, tv_tensors.TVTensor) else erased

    def _array(self, image: np.ndarray) -> np.ndarray:
        """The same in the layout of NumPy's images, channels last."""
        if image.ndim > 2 and image.shape[-1] not in (1, 3):
            raise InputError(
                f"erasing law: an array of shape {image.shape}; give (height, width), (height, width, channels) or a "
                "batch of the latter, with 1 or 3 channels, or a tensor"
            )
        pixels = torch.from_numpy(np.ascontiguousarray(image))
        pixels = pixels[None] if image.ndim == 2 else pixels.movedim(-1, -3)
        erased = self._pixels(pixels)
        return (erased[0] if image.ndim == 2 else erased.movedim(-3, -1)).contiguous().numpy()

    def _pixels(self, images: Tensor) -> Tensor:
        self.law.check_images(images)
        return self.law.erase(images)[0] if images.ndim == 4 else self.law.erase(images[None])[0][0]

    def extra_repr(self) -> str:
        """The law's parameters."""
        return ", ".join(f"{name}={value!r}" for name, value in self.law.to_dict().items())


def _images_in(flat: list[Any]) -> list[int]:
    """Places of the images: those that say so by their type, else the first plain tensor or array that can be one."""
    if any(isinstance(one, tv_tensors.Video) for one in flat):
        raise InputError("erasing law: videos are not erased; give their frames as a batch of images")
    sure = [k for k, one in enumerate(flat) if isinstance(one, (tv_tensors.Image, Image.Image))]
    if sure:
        return sure
    plain = (
        k
        for k, one in enumerate(flat)
        if isinstance(one, (Tensor, np.ndarray)) and not isinstance(one, _NO_IMAGE) and one.ndim >= 2
    )
    first = next(plain, None)
    return [] if first is None else [first]
