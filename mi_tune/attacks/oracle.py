"""What an attacker may ask of the target, and the count of what it asked."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mi_tune.device import autocast


class WhiteBox:
    """Logits with gradients. Counts images through the target, forwards and backwards.

    The target is put in evaluation mode and its parameters are frozen: an attack needs the gradient of the image
    alone, and the weights' gradients would cost a third of its time.
    """

    def __init__(self, target: nn.Module, device: torch.device) -> None:
        self.target = target.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
        self.device = device
        self.forward_passes = 0
        self.backward_passes = 0

    def logits(self, images: Tensor) -> Tensor:
        """Logits (n, classes), float32, of images (n, channels, height, width) in [0, 1]."""
        self.forward_passes += len(images)
        if torch.is_grad_enabled() and images.requires_grad:
            self.backward_passes += len(images)
        with autocast(self.device):
            return self.target(images.contiguous(memory_format=torch.channels_last)).float()

    @torch.no_grad()
    def confidence(self, images: Tensor, batch_size: int = 1024) -> Tensor:
        """Softmax (n, classes) without gradients, of uint8 images or float images in [0, 1]."""
        parts = []
        for part in images.split(batch_size):
            x = part.to(self.device)
            parts.append(self.logits(x.float() / 255 if x.dtype == torch.uint8 else x).softmax(1))
        return torch.cat(parts)
