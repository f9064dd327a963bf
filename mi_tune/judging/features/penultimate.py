"""What the last linear layer of a classifier is given."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from mi_tune.nets.features import features_of
from mi_tune.nets.training import predict


def penultimate(model: nn.Module, images: Tensor, device: torch.device) -> np.ndarray:
    """Penultimate features, float32 (n, features), of uint8 images or float images in [0, 1], (n, channels, h, w).

    The model is moved to the device and put in evaluation mode. Raises InputError if it has no linear layer.
    """
    with features_of(model) as seen:
        predict(model.to(device), images, device)
    return torch.cat([part.flatten(1).float().cpu() for part in seen]).numpy()
