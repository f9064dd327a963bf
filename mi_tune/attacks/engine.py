"""The attack engine: one loop over all classes and candidates at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from mi_tune.attacks import inits, optimisers, selection, views
from mi_tune.attacks.losses import LOSSES
from mi_tune.attacks.oracle import WhiteBox
from mi_tune.errors import DivergedError, InputError
from mi_tune.priors.base import Prior, PriorSamples
from mi_tune.seeds import generator

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Reconstructions:
    """What an attack returns.

    images: uint8 (classes, kept, channels, height, width), the best first; latents: (classes, kept, latent_dim);
    confidence: (classes, kept), the selection's score; start_images: the best starts, same shape as images.
    """

    images: Tensor
    latents: Tensor
    confidence: Tensor
    start_images: Tensor
    forward_passes: int
    backward_passes: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Attack:
    """An attack as a row of parts; `run` is the loop that they share.

    Args:
        name, budget: what to call it wherever its result is shown.
        init: where candidates start. view: what the target is shown in each step, `views` draws averaged.
        identity_loss: a name from `LOSSES`. identity_weight, prior_weight: their sum is minimised; the prior loss
            is minus the prior's realism.
        optimiser: how latents move. clamp: bound on every latent coordinate, None for none.
        steps: gradient steps. candidates: starts per class. keep: candidates returned per class.
        selection: score by which they are chosen.
        batch_limit: images through prior and target at once; bounds memory, does not change the result.
    """

    name: str
    budget: str
    init: inits.Normal | inits.BestOfSamples
    view: views.Identity | views.RandomCrop
    identity_loss: str
    optimiser: optimisers.Adam | optimisers.Momentum
    steps: int
    candidates: int
    keep: int
    selection: selection.ByConfidence | selection.MeanOverViews
    views: int = 1
    identity_weight: float = 1.0
    prior_weight: float = 0.0
    clamp: float | None = None
    batch_limit: int = 2048

    def describe(self) -> dict:
        """Every part with its parameters, as plain values."""
        parts = asdict(self)
        for name in ("init", "view", "optimiser", "selection"):
            parts[name] = {"kind": type(getattr(self, name)).__name__, **parts[name]}
        return parts

    def check(self, prior: Prior, samples: int) -> None:
        """Raise InputError if the attack cannot run with this prior and number of prior samples."""
        if self.prior_weight and prior.realism is None:
            raise InputError(
                f"attack '{self.name}' needs a prior with a discriminator; '{prior.name}' has none: use prior dcgan"
            )
        if isinstance(self.init, inits.BestOfSamples) and samples < self.candidates:
            raise InputError(
                f"attack '{self.name}' starts from {self.candidates} of the prior's samples, but there are {samples}; "
                "raise prior.samples"
            )

    def run(self, oracle: WhiteBox, prior: Prior, samples: PriorSamples, classes: Tensor, seed: int) -> Reconstructions:
        """Attack `classes` (int64, (n,)) of the oracle's target.

        Raises:
            InputError: see `check`. DivergedError: a latent became NaN or infinite.
        """
        self.check(prior, len(samples.latents))
        begun = time.perf_counter()
        device = oracle.device
        prior = prior.to(device).eval().requires_grad_(False)
        classes = classes.to(device)
        forward, backward = oracle.forward_passes, oracle.backward_passes
        start = self.init(oracle, prior, samples, classes, self.candidates, seed)
        labels = classes.repeat_interleave(self.candidates)
        parts = zip(start.flatten(0, 1).split(self.batch_limit), labels.split(self.batch_limit), strict=True)
        random = generator(seed, "views", device=device)
        latents = torch.cat([self._optimise(oracle, prior, z, y, random) for z, y in parts])
        if not torch.isfinite(latents).all():
            raise DivergedError(f"attack '{self.name}' diverged: latents are not finite")
        images = _decode(prior, latents, self.batch_limit)
        # the same selection draws for every candidate order: a stream of its own
        score = self.selection(oracle, images, labels, generator(seed, "selection", device=device))
        score = score.view(len(classes), self.candidates)
        # stable: where the target is equally sure, the better start wins, however many are kept
        best = score.sort(dim=1, descending=True, stable=True).indices[:, : self.keep]
        pick = lambda flat: _pick(flat.view(len(classes), self.candidates, *flat.shape[1:]), best)  # noqa: E731
        first = start[:, : self.keep].flatten(0, 1)
        return Reconstructions(
            images=_to_uint8(pick(images)),
            latents=pick(latents).cpu(),
            confidence=score.gather(1, best).cpu(),
            start_images=_to_uint8(_decode(prior, first, self.batch_limit)).view(
                len(classes), self.keep, *images.shape[1:]
            ),
            forward_passes=oracle.forward_passes - forward,
            backward_passes=oracle.backward_passes - backward,
            seconds=time.perf_counter() - begun,
        )

    def _optimise(
        self, oracle: WhiteBox, prior: Prior, start: Tensor, labels: Tensor, random: torch.Generator
    ) -> Tensor:
        latents = start.clone().requires_grad_(True)
        mover = self.optimiser.start(latents)
        loss_of = LOSSES[self.identity_loss]
        for _ in range(self.steps):
            images = prior.decode(latents)
            # a sum over candidates: each one's gradient is its own, whatever the batch
            loss = sum(loss_of(oracle.logits(self.view(images, random)), labels).sum() for _ in range(self.views)) * (
                self.identity_weight / self.views
            )
            if self.prior_weight:
                loss = loss - self.prior_weight * prior.realism(images).sum()
            (gradient,) = torch.autograd.grad(loss, latents)
            mover.step(gradient)
            if self.clamp is not None:
                with torch.no_grad():
                    latents.clamp_(-self.clamp, self.clamp)
        return latents.detach()


@torch.no_grad()
def _decode(prior: Prior, latents: Tensor, batch: int) -> Tensor:
    return torch.cat([prior.decode(part) for part in latents.split(batch)])


def _pick(values: Tensor, indices: Tensor) -> Tensor:
    """values (classes, candidates, ...) at indices (classes, kept)."""
    index = indices.view(*indices.shape, *[1] * (values.ndim - 2)).expand(-1, -1, *values.shape[2:])
    return values.gather(1, index)


def _to_uint8(images: Tensor) -> Tensor:
    return (images * 255).round().clamp(0, 255).to(torch.uint8).cpu()
