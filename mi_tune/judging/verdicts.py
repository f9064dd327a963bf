"""A judge's answers on reconstructions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mi_tune.judging.judge import Judge


@dataclass(frozen=True)
class Verdicts:
    """A judge's answers on reconstructions.

    Args:
        top1: the class that the judge names for each reconstruction, int (classes, kept).
        accuracy: share of each class's reconstructions that the judge assigns to it, (classes,).
        accuracy_top5: share of those with the class among the judge's five likeliest, (classes,).
    """

    top1: np.ndarray
    accuracy: np.ndarray
    accuracy_top5: np.ndarray


def judge_images(judge: Judge, images: Tensor, classes: Tensor, device: torch.device) -> Verdicts:
    """Judge reconstructions of the attacked classes.

    Args:
        images: uint8 or float in [0, 1], (classes, kept, channels, height, width). classes: int64 (classes,).
    """
    shape = images.shape[:2]
    logits = judge.logits(images.flatten(0, 1), device)
    labels = classes.repeat_interleave(shape[1])
    first_five = logits.topk(min(5, logits.shape[1]), dim=1).indices
    hit = (first_five == labels[:, None]).view(*shape, -1).float()
    return Verdicts(
        top1=first_five[:, 0].view(shape).numpy(),
        accuracy=hit[..., 0].mean(1).numpy().astype(float),
        accuracy_top5=hit.amax(2).mean(1).numpy().astype(float),
    )
