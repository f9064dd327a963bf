"""A user's own generator of images from normal latents as a prior."""

from __future__ import annotations

from torch import Tensor

from mi_tune.priors.source import GeneratorSource
from mi_tune.priors.user import UserPrior
from mi_tune.runtime.errors import InputError


class ImportedPrior(UserPrior):
    """A module that maps standard normal latents (n, latent_dim) to images; see `UserPrior` for what fits.

    A generator that wants latents of another shape or distribution, or a class, needs a module around it that takes
    normal vectors alone.

    Args:
        source: where module and weights come from.
        channels, resolution: of the target's images.
        output_range: lowest and highest value of the module's output.
        latent_dim: missing: the module's attribute `latent_dim`.
        batch: images at once; missing: as many as are asked for.

    Raises:
        InputError: see `GeneratorSource.build`; also a missing latent_dim.
    """

    name = "import"

    def __init__(
        self,
        source: GeneratorSource,
        channels: int,
        resolution: int,
        output_range: tuple[float, float] = (0.0, 1.0),
        latent_dim: int | None = None,
        batch: int | None = None,
    ) -> None:
        super().__init__(source, output_range, channels, resolution, batch)
        if latent_dim is None:
            latent_dim = getattr(self.generator, "latent_dim", None)
        if not isinstance(latent_dim, int):
            raise InputError(f"{source}: how many latents does it take? Give prior.latent_dim")
        self.latent_dim = self.config["latent_dim"] = latent_dim

    def render(self, latents: Tensor) -> Tensor:
        return self.generator(latents)
