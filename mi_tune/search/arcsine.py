"""The variance-stabilising transform of accuracies: arcsin(sqrt(p)), and its inverse."""

from __future__ import annotations

import numpy as np


def to_arcsine(accuracy: np.ndarray) -> np.ndarray:
    """arcsin(sqrt(p)): of a share of hits among n tries it has variance 1 / (4 n), whatever p is."""
    return np.arcsin(np.sqrt(np.clip(accuracy, 0, 1)))


def from_arcsine(value: np.ndarray) -> np.ndarray:
    """The accuracy whose `to_arcsine` is `value`; values outside [0, pi / 2] become 0 or 1."""
    return np.sin(np.clip(value, 0, np.pi / 2)) ** 2
