"""The base class of priors from a user's own generator; it converts images to the target's shape and range.

The generator must not have been trained on images of the private people. If it was, it already contains what the attack
is meant to extract from the target, and attack accuracies say nothing about the target. Its training data may contain
only people that the attacker may know. This code cannot check that.
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
from mi_tune.priors.source import GeneratorSource
from mi_tune.runtime.cache import content_key, tensor_key
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.imported import one_line
from mi_tune.runtime.seeds import generator

_CHECKED_IMAGES = 8  # number of images that are checked before a generator is used
_MAX_SHARE_OUTSIDE = 0.2  # with a larger share of pixels far outside the range, the range must be wrong
_MARGIN = 0.1  # share of the range by which a correct generator may exceed it, even everywhere in white or black parts


class UserPrior(Prior):
    """A prior from a user's own generator, whose raw images (n, 1 or 3, side, side) have values in `output_range`.

    The range is mapped to [0, 1], and values outside are clipped. RGB is converted to grey (ITU-R 601 luma, as for the
    target's own images), or grey to RGB. The side becomes `resolution` by antialiased bilinear interpolation. So a
    generator of 64 px RGB images can attack a target with 32 px grey ones. Of the generator's images only the
    share `crop` of the side is kept, at the centre. The prior is one block and has no discriminator, unless a subclass
    finds more.

    More than `batch` images are generated part by part, and a second time for their gradient (gradient checkpointing),
    so that a large generator needs the memory of one part only.

    The prior is pickled as its source, `config` (the constructor's arguments) and weights, because other processes
    cannot find classes from a file by name. So the code must be at the same path on every machine of a study.
    """

    def __init__(
        self,
        source: GeneratorSource,
        output_range: tuple[float, float],
        channels: int,
        resolution: int,
        batch: int | None,
        crop: float = 1.0,
    ) -> None:
        super().__init__()
        self.batch, self.crop = batch, crop
        self.source, self.output_range = source, output_range
        self.channels, self.resolution = channels, resolution
        self.generator = source.build()
        self.config: dict[str, Any] = {
            "source": source,
            "output_range": output_range,
            "channels": channels,
            "resolution": resolution,
            "batch": batch,
            "crop": crop,
        }

    def render(self, latents: Tensor) -> Tensor:
        """The generator's raw images of latents (n, latent_dim)."""
        raise AttributeError(f"{type(self).__name__} does not define render")

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.batch is None or len(latents) <= self.batch:
            return self._images(latents)
        # activations are recomputed for the gradient of each part, not kept for all parts
        parts = [
            checkpoint(self._images, part, use_reentrant=False, preserve_rng_state=False)
            for part in latents.split(self.batch)
        ]
        return torch.cat(parts)

    def _images(self, latents: Tensor) -> Tensor:
        return self.converted(self.render(latents))

    def converted(self, raw: Tensor) -> Tensor:
        """Convert raw images to images (n, channels, resolution, resolution) in [0, 1]."""
        low, high = self.output_range
        images = ((raw.float() - low) / (high - low)).clamp(0, 1)
        if self.crop < 1:
            kept = max(1, round(self.crop * images.shape[-1]))
            edge = (images.shape[-1] - kept) // 2
            images = images[..., edge : edge + kept, edge : edge + kept]
        if images.shape[1] == 3 and self.channels == 1:
            images = 0.299 * images[:, :1] + 0.587 * images[:, 1:2] + 0.114 * images[:, 2:]
        if images.shape[2:] != (self.resolution, self.resolution):
            size = (self.resolution, self.resolution)
            images = F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)
        return images.expand(-1, self.channels, -1, -1)

    # ------------------------------------------------------------------------------------------------- loading

    def load(self, seed: int, device: torch.device) -> Self:
        """Load the weights, move to `device`, freeze the module, and check its images.

        Raises:
            InputError: weights do not fit or are not finite; or images cannot be converted to the target's shape, are
                not finite, not in the range, or differ from call to call.
        """
        self.source.load_weights(self.generator)
        self.to(device).eval().requires_grad_(False)
        with torch.no_grad():
            self._prepare(seed)
            self._check_images(device)
        return self

    def _prepare(self, seed: int) -> None:
        """Estimate what a subclass needs before latents can be sampled."""

    def _check_images(self, device: torch.device) -> None:
        latents = self.sample_latents(_CHECKED_IMAGES, generator(0, "generator check", device=device))
        try:
            raw, again = self.render(latents), self.render(latents)
        except Exception as error:
            raise InputError(f"{self.source}: fails on latents {tuple(latents.shape)} ({one_line(error)})") from error
        shape = tuple(raw.shape) if isinstance(raw, Tensor) else type(raw).__name__
        if not isinstance(raw, Tensor) or raw.ndim != 4 or len(raw) != _CHECKED_IMAGES:
            raise InputError(
                f"{self.source}: gives {shape} for {_CHECKED_IMAGES} latents, not images (n, channels, side, side)"
            )
        if raw.shape[1] not in (1, 3) or raw.shape[2] != raw.shape[3]:
            raise InputError(
                f"{self.source}: makes images {shape[1:]}, which cannot be converted to the target's "
                f"{(self.channels, self.resolution, self.resolution)}; give square images with 1 or 3 channels"
            )
        if not torch.isfinite(raw).all():
            raise InputError(f"{self.source}: makes images with NaN or infinite pixels; check its weights")
        if not torch.allclose(raw, again, atol=1e-3 * (self.output_range[1] - self.output_range[0])):
            raise InputError(
                f"{self.source}: makes different images from the same latents; make it free of random noise"
            )
        self._check_range(raw.float())

    def _check_range(self, raw: Tensor) -> None:
        low, high = self.output_range
        culprit = f"{self.source}: its pixels go from {float(raw.min()):.3g} to {float(raw.max()):.3g}"
        way_out = f"prior.output_range is ({low:g}, {high:g}); give the range of its output"
        margin = _MARGIN * (high - low)
        outside = float(((raw < low - margin) | (raw > high + margin)).float().mean())
        if outside > _MAX_SHARE_OUTSIDE:
            raise InputError(f"{culprit}, {outside:.0%} of them far outside the range: {way_out}")
        inside = raw.clamp(low, high)
        # for example output in [0, 1] with range [-1, 1]: faces would have no dark pixels
        if float(inside.max() - inside.min()) <= (high - low) / 2:
            raise InputError(f"{culprit}, at most half of the range: {way_out}")

    # -------------------------------------------------------------------------------------- identity and pickling

    def key(self) -> str:
        """Content key of 16 hex digits, from the weights (not their file) and all arguments that affect an image."""
        config = {name: value for name, value in self.config.items() if name not in ("source", "batch")}
        state = {name: tensor_key(value.double()) for name, value in self.generator.state_dict().items()}
        return content_key(self.name, config, state)

    def code(self) -> tuple[ModuleType, ...]:
        """The modules of the factory and of the generator's class, whose source text goes into cache keys.

        Modules that they import are not included.
        """
        own = sys.modules[type(self.generator).__module__]
        return tuple(dict.fromkeys((self.source.module(), own)))

    def __reduce__(self) -> tuple:
        return _rebuilt, (type(self), self.config, self.state_dict())


def _rebuilt(kind: type[UserPrior], config: dict[str, Any], state: dict[str, Tensor]) -> UserPrior:
    prior = kind(**config)
    prior.load_state_dict(state)
    # the copy goes to the device of the original
    device = next((value.device for value in state.values()), torch.device("cpu"))
    return prior.to(device).eval().requires_grad_(False)
