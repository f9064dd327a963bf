"""Accuracies on the scale on which all are equally noisy."""

from __future__ import annotations

import numpy as np


def spread_out(accuracy: np.ndarray) -> np.ndarray:
    """arcsin(sqrt(p)), of which hits of the same number of tries have the same variance wherever p is."""
    return np.arcsin(np.sqrt(np.clip(accuracy, 0, 1)))


def drawn_in(value: np.ndarray) -> np.ndarray:
    """The accuracy whose `spread_out` is `value`; values beyond the ends are at the ends."""
    return np.sin(np.clip(value, 0, np.pi / 2)) ** 2
