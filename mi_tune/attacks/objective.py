"""What a candidate is worth: identity loss over models and views, prior loss, feature regularisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from mi_tune.attacks.losses import LOSSES
from mi_tune.attacks.oracle import HardLabel, SoftLabel, WhiteBox
from mi_tune.attacks.views import View
from mi_tune.priors.base import Prior


class Worth(NamedTuple):
    """Loss (n,) to go down, and confidence (n,) of the first model in the class, mean over the views."""

    loss: Tensor
    confidence: Tensor


@dataclass(frozen=True)
class FeatureMatch:
    """LOMMA's regulariser: weight * mean((phi(x) - mu)^2), mu the mean penultimate features of public images.

    It is part of the first model's identity loss, as published: averaged over the models and weighted with it.
    The released code draws from N(mu, sigma) and overwrites the draw with mu, as here; other code bases sample.
    """

    weight: float = 1.0


class GradientObjective:
    """For models that can be differentiated.

    Args:
        members: the models; their identity losses are averaged. views: each is drawn once and their losses averaged.
        worst: share of the views, the worst ones, that is averaged instead of all of them (CVaR); 1 for all.
    """

    def __init__(
        self,
        members: Sequence[WhiteBox],
        prior: Prior,
        identity_loss: str,
        identity_weight: float,
        views: Sequence[View],
        worst: float,
        prior_weight: float,
        match: FeatureMatch | None,
        public_features: Tensor | None,
    ) -> None:
        self.members, self.prior, self.views, self.worst = members, prior, views, worst
        self.loss_of, self.identity_weight, self.prior_weight = LOSSES[identity_loss], identity_weight, prior_weight
        self.match, self.public_features = match, public_features

    def __call__(self, images: Tensor, labels: Tensor, random: torch.Generator) -> Worth:
        losses, confidence = [], torch.zeros(len(images), device=images.device)
        for view in self.views:
            seen = view(images, random)
            total: Tensor | float = 0.0
            for number, member in enumerate(self.members):
                first = number == 0
                answer = member.answer(seen, features=first and self.match is not None)
                total = total + self.loss_of(answer.logits, labels)
                if first and self.match is not None:
                    total = total + self.match.weight * (answer.features - self.public_features).square().mean(1)
                if first:
                    with torch.no_grad():
                        confidence += answer.logits.softmax(1).gather(1, labels[:, None])[:, 0] / len(self.views)
            losses.append(total / len(self.members))
        stacked = torch.stack(losses)
        if self.worst < 1:
            stacked = stacked.topk(max(1, round(self.worst * len(losses))), dim=0).values
        loss = self.identity_weight * stacked.mean(0)
        if self.prior_weight:
            loss = loss - self.prior_weight * self.prior.realism(images)
        return Worth(loss, confidence)


class SoftLabelObjective:
    """For probabilities alone: the identity loss of their logarithms, which are logits up to a constant per image.

    Cross-entropy and margin do not feel the constant; logit becomes cross-entropy.
    """

    def __init__(self, oracle: SoftLabel, identity_loss: str, views: Sequence[View]) -> None:
        self.oracle, self.views, self.loss_of = oracle, views, LOSSES[identity_loss]

    def __call__(self, images: Tensor, labels: Tensor, random: torch.Generator) -> Worth:
        answers = [self.oracle.confidence(view(images, random)) for view in self.views]
        losses = [self.loss_of(answer.clamp_min(1e-12).log(), labels) for answer in answers]
        confidence = torch.stack([answer.gather(1, labels[:, None])[:, 0] for answer in answers])
        return Worth(torch.stack(losses).mean(0), confidence.mean(0))


class HardLabelObjective:
    """For decisions alone: the share of views that leave the class."""

    def __init__(self, oracle: HardLabel, views: Sequence[View]) -> None:
        self.oracle, self.views = oracle, views

    def __call__(self, images: Tensor, labels: Tensor, random: torch.Generator) -> Worth:
        left = torch.stack([self.oracle.labels(view(images, random)) != labels for view in self.views])
        loss = left.float().mean(0)
        return Worth(loss, 1 - loss)


Objective = GradientObjective | SoftLabelObjective | HardLabelObjective
