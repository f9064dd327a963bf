"""What a judge says of reconstructions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mi_tune.judging.judge import Judge


@dataclass(frozen=True)
class Verdicts:
    """Per reconstruction: the judge's class, int (classes, kept); per class: top-1 and top-5 accuracy (classes,)."""

    top1: np.ndarray
    accuracy: np.ndarray
    accuracy_top5: np.ndarray


def judge_images(judge: Judge, images: Tensor, classes: Tensor, device: torch.device) -> Verdicts:
    """Judge reconstructions: uint8 images (classes, kept, channels, height, width) of the attacked `classes`."""
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
