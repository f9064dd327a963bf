"""Identity losses: from logits (n, classes) and attacked labels, int64 (n,), to one loss per image, (n,)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mi_tune.runtime.errors import InputError
from mi_tune.runtime.wording import did_you_mean


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy, -log softmax(f)_y (GMI, Zhang et al., CVPR 2020)."""
    return F.cross_entropy(logits, labels, reduction="none")


def logit(logits: Tensor, labels: Tensor) -> Tensor:
    """Negative logit, -f_y (LOMMA, Nguyen et al., CVPR 2023): lowering the other classes does not reduce it."""
    return -logits.gather(1, labels[:, None])[:, 0]


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Max-margin loss: max over other classes of f_j, minus f_y (PLG-MI, Yuan et al., AAAI 2023)."""
    own = F.one_hot(labels, logits.shape[1]).bool()
    return logits.masked_fill(own, -torch.inf).amax(1) - logits.gather(1, labels[:, None])[:, 0]


def poincare(logits: Tensor, labels: Tensor) -> Tensor:
    """Poincare distance between the l1-normalised logits and the label (PPA, Struppek et al., ICML 2022).

    d(u, v) = arccosh(1 + 2 |u - v|^2 / ((1 - |u|^2) (1 - |v|^2))), u = f / |f|_1, v = 0.9999 at the label, else 0.
    Unlike that of cross-entropy, its gradient does not vanish when the target is already sure.
    """
    u = logits / logits.abs().sum(1, keepdim=True).clamp_min(1e-12)
    v = F.one_hot(labels, logits.shape[1]).to(u.dtype) * (1 - 1e-4)
    u_norm, v_norm = (u**2).sum(1), (v**2).sum(1)
    ratio = ((u - v) ** 2).sum(1) / ((1 - u_norm).clamp_min(1e-7) * (1 - v_norm))
    return torch.acosh(1 + 2 * ratio)


LOSSES = {"cross_entropy": cross_entropy, "logit": logit, "margin": margin, "poincare": poincare}


def check_loss(name: str) -> None:
    """Raise InputError, with similar names, unless `name` is an identity loss."""
    if name not in LOSSES:
        raise InputError(f"unknown identity loss '{name}'; {did_you_mean(name, LOSSES, most=2)}")
