"""Several attacks on one target: the attacker keeps what the target recognises best."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mi_tune.attacks.engine import Attack, Passes, Reconstructions, plain
from mi_tune.attacks.ground import Ground
from mi_tune.attacks.oracle import HardLabel
from mi_tune.attacks.selection import Selection
from mi_tune.priors.base import Prior
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import generator


@dataclass(frozen=True, kw_only=True)
class Portfolio:
    """Attacks of one threat model whose reconstructions are pooled and chosen from by one selection.

    An attacker does not know which attack a defence resists least; it runs them all and lets the target say. Passes and
    seconds are the sums over the members. Latents shorter than another member's are filled up with NaN.
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
            raise InputError(f"attack '{self.name}': its members have different access to the target")

    @property
    def candidates(self) -> int:
        return max(member.candidates for member in self.members)

    @property
    def needs_discriminator(self) -> bool:
        """See `Attack.needs_discriminator`."""
        return any(member.needs_discriminator for member in self.members)

    def describe(self) -> dict:
        """Every member with its parts, and how their results are chosen from, as plain values."""
        parts = {"name": self.name, "budget": self.budget, "access": self.access, "keep": self.keep}
        return {**parts, "selection": plain(self.selection), "members": [m.describe() for m in self.members]}

    def check(self, prior: Prior, samples: int) -> None:
        """Raise InputError if one of the attacks cannot run."""
        for member in self.members:
            member.check(prior, samples)

    def passes(self, classes: int, samples: int, public: int = 0) -> Passes:
        """See `Attack.passes`."""
        each = [member.passes(classes, samples, public) for member in self.members]
        pooled = classes * self.selection.count * sum(member.keep for member in self.members)
        return Passes(sum(p.forward for p in each) + pooled, sum(p.backward for p in each))

    def run(self, oracle: HardLabel, ground: Ground, classes: Tensor, seed: int) -> Reconstructions:
        """See `Attack.run`."""
        begun, forward, backward = time.perf_counter(), oracle.forward_passes, oracle.backward_passes
        # the same seed: where two members differ in one part, they differ in that part alone
        found = [member.run(oracle, ground, classes, seed) for member in self.members]
        images = torch.cat([f.images for f in found], 1)
        pool = images.shape[1]
        labels = classes.to(oracle.device).repeat_interleave(pool)
        random = generator(seed, "portfolio", device=oracle.device)
        flat = images.flatten(0, 1).to(oracle.device).float() / 255
        score = self.selection.known(ground.law)(oracle, flat, labels, random).view(len(classes), pool).cpu()
        best = score.sort(dim=1, descending=True, stable=True).indices[:, : self.keep]
        rows = torch.arange(len(classes))[:, None]
        # members that train priors have latents of their own size
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
