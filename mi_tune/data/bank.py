"""A bank: images with identities as one contiguous uint8 array."""

from __future__ import annotations

import functools
import hashlib
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

BLOCK = 32
"""Images that are taken out of a bank at a time where a copy of all would be too large."""


@dataclass(frozen=True)
class Bank:
    """Images of one resolution with their identities.

    Args:
        images: uint8 (n, channels, height, width), contiguous.
        labels: int64 (n,), index into `names`.
        names: one name per identity.

    The arrays are NumPy's, not torch's, because Ray shares NumPy arrays between the workers of a node without copies.
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
        """Hash of all pixels, labels and names: 16 hex digits."""
        return self._fingerprint

    @functools.cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        digest.update(repr((self.images.shape, self.names)).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()[:16]

    def only(self, identities: np.ndarray) -> Bank:
        """The bank of the given identities (indices into `names`), relabelled from 0 in that order."""
        new_label = np.full(self.identities, -1, dtype=np.int64)
        new_label[identities] = np.arange(len(identities))
        keep = new_label[self.labels] >= 0
        return Bank(
            np.ascontiguousarray(self.images[keep]),
            new_label[self.labels[keep]],
            tuple(self.names[i] for i in identities),
        )

    def take(self, indices: np.ndarray) -> Bank:
        """The bank of the images at `indices`, with the names of all identities."""
        return Bank(np.ascontiguousarray(self.images[indices]), self.labels[indices], self.names)

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Images and labels as tensors that share the bank's memory; do not write to them."""
        with warnings.catch_warnings():
            # Ray's shared memory is read-only; torch has no read-only tensors and warns
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            return torch.from_numpy(self.images), torch.from_numpy(self.labels)

    def mean(self, indices: np.ndarray | None = None) -> tuple[float, ...]:
        """Mean pixel of the images at `indices`, or of all, in [0, 1], one value per channel."""
        chosen = np.arange(len(self)) if indices is None else indices
        total = np.zeros(self.channels)
        for part in np.array_split(chosen, max(1, -(-len(chosen) // BLOCK))):
            total += self.images[part].sum((0, 2, 3), dtype=np.int64)  # whole numbers, so no order of sums matters
        return tuple((total / (len(chosen) * self.resolution**2) / 255).tolist())
