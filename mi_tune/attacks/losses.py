"""Identity losses: how far logits (n, classes) are from the attacked labels (n,); one value per image, (n,)."""

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log softmax(f)_y (GMI, Zhang et al., CVPR 2020)."""
    return F.cross_entropy(logits, labels, reduction="none")


def poincare(logits: Tensor, labels: Tensor) -> Tensor:
    """Distance in the Poincare ball between the l1-normalised logits and the label (PPA, Struppek et al., ICML 2022).

    d(u, v) = arccosh(1 + 2 |u - v|^2 / ((1 - |u|^2) (1 - |v|^2))), u = f / |f|_1, v = 0.9999 at the label, else 0.
    Unlike cross-entropy its gradient does not vanish when the target is already sure.
    """
    u = logits / logits.abs().sum(1, keepdim=True).clamp_min(1e-12)
    v = F.one_hot(labels, logits.shape[1]).to(u.dtype) * (1 - 1e-4)
    u_norm, v_norm = (u**2).sum(1), (v**2).sum(1)
    ratio = ((u - v) ** 2).sum(1) / ((1 - u_norm).clamp_min(1e-7) * (1 - v_norm))
    return torch.acosh(1 + 2 * ratio)


LOSSES = {"cross_entropy": cross_entropy, "poincare": poincare}
