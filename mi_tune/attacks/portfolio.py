"""Portfolios: several attacks on one target, of whose reconstructions the attacker keeps the best ones."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mi_tune.attacks.describing import plain
from mi_tune.attacks.engine import Attack
from mi_tune.attacks.ground import Ground
from mi_tune.attacks.oracle import HardLabel
from mi_tune.attacks.parts import Passes, Selection
from mi_tune.attacks.reconstructions import Reconstructions
from mi_tune.priors.base import Prior
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import generator


@dataclass(frozen=True, kw_only=True)
class Portfolio:
    """Attacks with the same access to the target, whose reconstructions are pooled and ranked by one selection.

    An attacker does not know in advance which attack works best against a defence. It runs them all, and the target's
    answers choose. Passes and seconds are sums over the members. Where members have latents of different size, shorter
    ones are padded with NaN.

    Args:
        keep: reconstructions that are returned per person, out of those of all members.

    Raises:
        InputError: the members have different access.
    """

    name: str
    budget: str
    members: tuple[Attack, ...]
    selection: Selection
    keep: int

    @property
    def access(self) -> str:
        return self.members[0].access

    def __post_init__(self) -> None:
        if len({member.access for member in self.members}) != 1:
            raise InputError(f"attack '{self.name}': its members have different access to the target; use one access")

    @property
    def candidates(self) -> int:
        return max(member.candidates for member in self.members)

    @property
    def needs_discriminator(self) -> bool:
        """See `Attack.needs_discriminator`."""
        return any(member.needs_discriminator for member in self.members)

    def describe(self) -> dict[str, Any]:
        """Every member with its parts, and the selection, as plain values."""
        parts = {"name": self.name, "budget": self.budget, "access": self.access, "keep": self.keep}
        return {**parts, "selection": plain(self.selection), "members": [m.describe() for m in self.members]}

    def check(self, prior: Prior, samples: int) -> None:
        """Raise InputError if one of the members cannot run; see `Attack.check`."""
        for member in self.members:
            member.check(prior, samples)

    def passes(self, classes: int, samples: int, public: int = 0) -> Passes:
        """See `Attack.passes`; the members' sum, with the selection among their reconstructions."""
        each = [member.passes(classes, samples, public) for member in self.members]
        pooled = classes * self.selection.count * sum(member.keep for member in self.members)
        return Passes(sum(p.forward for p in each) + pooled, sum(p.backward for p in each))

    def run(self, oracle: HardLabel, ground: Ground, classes: Tensor, seed: int) -> Reconstructions:
        """See `Attack.run`."""
        begun, forward, backward = time.perf_counter(), oracle.forward_passes, oracle.backward_passes
        # all members get the same seed, so that members which differ in one part differ in nothing else
        found = [member.run(oracle, ground, classes, seed) for member in self.members]
        images = torch.cat([f.images for f in found], 1)
        pool = images.shape[1]
        labels = classes.to(oracle.device).repeat_interleave(pool)
        random = generator(seed, "portfolio", device=oracle.device)
        flat = images.flatten(0, 1).to(oracle.device).float() / 255
        score = self.selection.known(ground.law)(oracle, flat, labels, random).view(len(classes), pool).cpu()
        best = score.sort(dim=1, descending=True, stable=True).indices[:, : self.keep]
        rows = torch.arange(len(classes))[:, None]
        # the latents of members that train their own prior have another size
        widest = max(f.latents.shape[2] for f in found)
        padded = [F.pad(f.latents, (0, widest - f.latents.shape[2]), value=torch.nan) for f in found]
        return Reconstructions(
            images=images[rows, best],
            latents=torch.cat(padded, 1)[rows, best],
            confidence=score.gather(1, best),
            start_images=found[0].start_images,
            forward_passes=oracle.forward_passes - forward,
            backward_passes=oracle.backward_passes - backward,
            surrogate_passes=sum(f.surrogate_passes for f in found),
            prepare_seconds=sum(f.prepare_seconds for f in found),
            seconds=time.perf_counter() - begun,
        )
