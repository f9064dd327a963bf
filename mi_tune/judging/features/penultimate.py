"""Penultimate features: the input of a classifier's last linear layer."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from mi_tune.nets.features import features_of
from mi_tune.nets.training import predict


def penultimate(model: nn.Module, images: Tensor, device: torch.device) -> np.ndarray:
    """Penultimate features of images, float32 (n, features).

    Args:
        model: a classifier; it is moved to the device and put in evaluation mode.
        images: (n, channels, height, width), uint8 or float in [0, 1].

    Raises:
        InputError: the model has no linear layer.
    """
    with features_of(model) as batches:
        predict(model.to(device), images, device)
    return torch.cat([batch.flatten(1).float().cpu() for batch in batches]).numpy()
