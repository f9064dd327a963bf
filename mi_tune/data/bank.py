"""A bank: images of one resolution with their identities, in one contiguous array."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Bank:
    """Images with identities.

    Args:
        images: uint8, (n, channels, height, width), contiguous.
        labels: int64, (n,), index into `names`.
        names: one name per identity.

    NumPy rather than torch: Ray hands NumPy arrays to the workers of a node without copying them.
    """

    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]

    @property
    def identities(self) -> int:
        return len(self.names)

    @property
    def channels(self) -> int:
        return self.images.shape[1]

    @property
    def resolution(self) -> int:
        return self.images.shape[2]

    def __len__(self) -> int:
        return len(self.images)

    def fingerprint(self) -> str:
        """16 hex digits that change with any pixel, label or name."""
        digest = hashlib.sha256()
        digest.update(repr((self.images.shape, self.names)).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()[:16]

    def only(self, identities: np.ndarray) -> Bank:
        """The given identities (indices into `names`), relabelled from 0 in that order."""
        new_label = np.full(self.identities, -1, dtype=np.int64)
        new_label[identities] = np.arange(len(identities))
        keep = new_label[self.labels] >= 0
        return Bank(
            np.ascontiguousarray(self.images[keep]),
            new_label[self.labels[keep]],
            tuple(self.names[i] for i in identities),
        )

    def take(self, indices: np.ndarray) -> Bank:
        """The given images, with all identities' names kept."""
        return Bank(np.ascontiguousarray(self.images[indices]), self.labels[indices], self.names)

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Images and labels as tensors that share this memory; never write to them."""
        with warnings.catch_warnings():
            # memory shared between processes is read-only, which torch cannot express
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            return torch.from_numpy(self.images), torch.from_numpy(self.labels)

    def mean(self) -> tuple[float, ...]:
        """Mean of each channel in [0, 1]."""
        return tuple((self.images.mean((0, 2, 3)) / 255).tolist())
