"""The loss of a candidate: identity loss over models and views, prior loss, feature regularisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from mi_tune.attacks.losses import LOSSES
from mi_tune.attacks.oracle import HardLabel, SoftLabel, WhiteBox
from mi_tune.attacks.parts import View
from mi_tune.priors.base import Prior


class Worth(NamedTuple):
    """Evaluation of n images.

    loss: (n,), to be minimised. confidence: (n,), of the first model in the attacked class, mean over the views.
    """

    loss: Tensor
    confidence: Tensor


@dataclass(frozen=True)
class FeatureMatch:
    """LOMMA's feature regularisation, weight * mean((phi(x) - mu)^2): mu is the mean feature vector of public images.

    phi are the penultimate features.

    As published, it is part of the first model's identity loss, so it is averaged over the models and weighted with it.
    The released code draws from N(mu, sigma) and then overwrites the draw with mu, which is what happens here. Other
    code bases use the draw.
    """

    weight: float = 1.0


class GradientObjective:
    """The loss for optimisers that follow gradients, over models that can be differentiated.

    Args:
        members: the models; their identity losses are averaged. views: each is drawn once; their losses are averaged.
        worst: share of the views, those with the highest losses, that is averaged instead (conditional value at risk);
            1 for all views.
        match, public_features: the feature regularisation and its mu, (features,).
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
        self.match = None
        if match is not None:
            assert public_features is not None
            self.match = (match.weight, public_features)

    def __call__(self, images: Tensor, labels: Tensor, random: torch.Generator) -> Worth:
        losses, confidence = [], torch.zeros(len(images), device=images.device)
        nothing = confidence.new_zeros(())
        for view in self.views:
            seen = view(images, random)
            total = nothing
            for number, member in enumerate(self.members):
                first = number == 0
                answer = member.answer(seen, features=first and self.match is not None)
                total = total + self.loss_of(answer.logits, labels)
                if first and self.match is not None:
                    weight, mean = self.match
                    assert answer.features is not None
                    total = total + weight * (answer.features - mean).square().mean(1)
                if first:
                    with torch.no_grad():
                        confidence += answer.logits.softmax(1).gather(1, labels[:, None])[:, 0] / len(self.views)
            losses.append(total / len(self.members))
        stacked = torch.stack(losses)
        if self.worst < 1:
            stacked = stacked.topk(max(1, round(self.worst * len(losses))), dim=0).values
        loss = self.identity_weight * stacked.mean(0)
        if self.prior_weight:
            assert self.prior.realism is not None, "Attack.check asks for a discriminator"
            loss = loss - self.prior_weight * self.prior.realism(images)
        return Worth(loss, confidence)


class SoftLabelObjective:
    """The loss for soft labels: the identity loss of log-probabilities, which are logits up to a constant per image.

    The constant does not change cross-entropy and margin. The logit loss becomes cross-entropy.
    """

    def __init__(self, oracle: SoftLabel, identity_loss: str, views: Sequence[View]) -> None:
        self.oracle, self.views, self.loss_of = oracle, views, LOSSES[identity_loss]

    def __call__(self, images: Tensor, labels: Tensor, random: torch.Generator) -> Worth:
        answers = [self.oracle.confidence(view(images, random)) for view in self.views]
        losses = [self.loss_of(answer.clamp_min(1e-12).log(), labels) for answer in answers]
        confidence = torch.stack([answer.gather(1, labels[:, None])[:, 0] for answer in answers])
        return Worth(torch.stack(losses).mean(0), confidence.mean(0))


class HardLabelObjective:
    """The loss for hard labels: the share of views that are outside the class."""

    def __init__(self, oracle: HardLabel, views: Sequence[View]) -> None:
        self.oracle, self.views = oracle, views

    def __call__(self, images: Tensor, labels: Tensor, random: torch.Generator) -> Worth:
        outside = torch.stack([self.oracle.labels(view(images, random)) != labels for view in self.views])
        loss = outside.float().mean(0)
        return Worth(loss, 1 - loss)


Objective = GradientObjective | SoftLabelObjective | HardLabelObjective
