"""What priors made of a user's own generator have in common: its images are brought to the target's shape and range.

A generator that was trained on photographs of the private people already holds what the attack is meant to dig out of
the classifier: attack accuracies then say nothing about it. Only people that the attacker may know, and no private
ones, may be in a generator's training data; nothing here can check that.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from mi_tune.priors.base import Prior
from mi_tune.priors.source import GeneratorSource, one_line
from mi_tune.runtime.cache import content_key, tensor_key
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import generator

_PROBED = 8  # images that are looked at before a generator is used
_OUTSIDE = 0.2  # share of pixels far outside the range from which on it must be the wrong one
_MARGIN = 0.1  # of the range: what a sound generator oversteps, in white or black parts even everywhere


class UserPrior(Prior):
    """A generator from a `GeneratorSource`, whose raw images (n, 1 or 3, side, side) lie in `output_range`.

    The range is mapped to [0, 1] and what lies beyond it is clipped; RGB becomes grey (ITU-R 601 luma, as for the
    target's own images) or grey RGB; the side becomes `resolution` by antialiased bilinear interpolation. So a
    generator of 64 px RGB images attacks a target of 32 px grey ones. It is one block, and has no discriminator.

    More than `batch` images are drawn part by part, and once more where a gradient is wanted: so a large generator
    needs the memory of one part.

    The prior is pickled as its source, `config` (the constructor's arguments) and weights, since classes from a file
    cannot be found by name elsewhere: the code must lie at the same place on every machine of a study.
    """

    def __init__(
        self,
        source: GeneratorSource,
        output_range: tuple[float, float],
        channels: int,
        resolution: int,
        batch: int | None,
    ) -> None:
        super().__init__()
        self.batch = batch
        self.source, self.output_range = source, output_range
        self.channels, self.resolution = channels, resolution
        self.generator = source.build()
        self.config: dict[str, Any] = {
            "source": source,
            "output_range": output_range,
            "channels": channels,
            "resolution": resolution,
            "batch": batch,
        }

    def render(self, latents: Tensor) -> Tensor:
        """The generator's images of latents (n, latent_dim), as they come out of it."""
        raise AttributeError(f"{type(self).__name__} does not render")

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.batch is None or len(latents) <= self.batch:
            return self._drawn(latents)
        # what a part's gradient needs is computed anew when its turn comes, not kept for all parts
        parts = [
            checkpoint(self._drawn, part, use_reentrant=False, preserve_rng_state=False)
            for part in latents.split(self.batch)
        ]
        return torch.cat(parts)

    def _drawn(self, latents: Tensor) -> Tensor:
        return self.fitted(self.render(latents))

    def fitted(self, raw: Tensor) -> Tensor:
        """Raw images as images (n, channels, resolution, resolution) in [0, 1]."""
        low, high = self.output_range
        images = ((raw.float() - low) / (high - low)).clamp(0, 1)
        if images.shape[1] == 3 and self.channels == 1:
            images = 0.299 * images[:, :1] + 0.587 * images[:, 1:2] + 0.114 * images[:, 2:]
        if images.shape[2:] != (self.resolution, self.resolution):
            size = (self.resolution, self.resolution)
            images = F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)
        return images.expand(-1, self.channels, -1, -1)

    # ------------------------------------------------------------------------------------------------- loading

    def load(self, seed: int, device: torch.device) -> Self:
        """Read the weights and move to `device`, ready to be attacked with; the module is frozen.

        Raises:
            InputError: weights that do not fit or are not finite; images of a shape that cannot be brought to the
                target's, not finite, not in the range, or different from call to call.
        """
        self.source.load_weights(self.generator)
        self.to(device).eval().requires_grad_(False)
        with torch.no_grad():
            self._prepare(seed)
            self._check_images(device)
        return self

    def _prepare(self, seed: int) -> None:
        """Whatever else must be known before latents can be drawn."""

    def _check_images(self, device: torch.device) -> None:
        latents = self.sample_latents(_PROBED, generator(0, "generator check", device=device))
        try:
            raw, again = self.render(latents), self.render(latents)
        except Exception as error:
            raise InputError(f"{self.source}: fails on latents {tuple(latents.shape)} ({one_line(error)})") from error
        shape = tuple(raw.shape) if isinstance(raw, Tensor) else type(raw).__name__
        if not isinstance(raw, Tensor) or raw.ndim != 4 or len(raw) != _PROBED:
            raise InputError(f"{self.source}: gives {shape} for {_PROBED} latents, no images (n, channels, side, side)")
        if raw.shape[1] not in (1, 3) or raw.shape[2] != raw.shape[3]:
            raise InputError(
                f"{self.source}: makes images {shape[1:]}, which cannot be brought to the target's "
                f"{(self.channels, self.resolution, self.resolution)}; give square images with 1 or 3 channels"
            )
        if not torch.isfinite(raw).all():
            raise InputError(f"{self.source}: makes images with NaN or infinite pixels; check its weights")
        if not torch.allclose(raw, again, atol=1e-3 * (self.output_range[1] - self.output_range[0])):
            raise InputError(f"{self.source}: draws other images of the same latents; make it free of random noise")
        self._check_range(raw.float())

    def _check_range(self, raw: Tensor) -> None:
        low, high = self.output_range
        seen = f"{self.source}: its pixels go from {float(raw.min()):.3g} to {float(raw.max()):.3g}"
        way_out = f"prior.output_range is ({low:g}, {high:g}); give the range of its output"
        margin = _MARGIN * (high - low)
        outside = float(((raw < low - margin) | (raw > high + margin)).float().mean())
        if outside > _OUTSIDE:
            raise InputError(f"{seen}, {outside:.0%} of them far outside the range: {way_out}")
        inside = raw.clamp(low, high)
        # e.g. [0, 1] taken for [-1, 1]: faces without any dark
        if float(inside.max() - inside.min()) <= (high - low) / 2:
            raise InputError(f"{seen}, at most half of the range: {way_out}")

    # -------------------------------------------------------------------------------------- identity and pickling

    def key(self) -> str:
        """16 hex digits from the weights, whichever file they came from, and all arguments that matter to an image."""
        config = {name: value for name, value in self.config.items() if name not in ("source", "batch")}
        state = {name: tensor_key(value.double()) for name, value in self.generator.state_dict().items()}
        return content_key(self.name, config, state)

    def code(self) -> tuple[ModuleType, ...]:
        """The modules of the factory and of the generator's class, whose text decides what is drawn.

        What they import in turn is not looked at.
        """
        own = sys.modules[type(self.generator).__module__]
        return tuple(dict.fromkeys((self.source.module(), own)))

    def __reduce__(self) -> tuple:
        return _rebuilt, (type(self), self.config, self.state_dict())


def _rebuilt(kind: type[UserPrior], config: dict[str, Any], state: dict[str, Tensor]) -> UserPrior:
    prior = kind(**config)
    prior.load_state_dict(state)
    # a copy of a prior on a GPU is on the GPU
    device = next((value.device for value in state.values()), torch.device("cpu"))
    return prior.to(device).eval().requires_grad_(False)
