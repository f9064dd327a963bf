"""A user's own generator with normal latents as a prior."""

from __future__ import annotations

from torch import Tensor, nn

from mi_tune.priors.source import GeneratorSource
from mi_tune.priors.user import UserPrior
from mi_tune.runtime.errors import InputError


class ImportedPrior(UserPrior):
    """A module that maps standard normal latents (n, latent_dim) to images; `UserPrior` says which images it can make.

    A generator that takes latents of another shape or distribution, or a class, needs a wrapper module that takes
    normal vectors only. A module `realism` of it, which gives one score per image, higher for real ones, is the
    discriminator that GMI and LOMMA need; it is shown the images as the target gets them.

    Args:
        source: code and weights of the module.
        channels, resolution: of the target's images.
        output_range: lowest and highest value of the module's output.
        latent_dim: size of the latents; by default the module's attribute `latent_dim`.
        batch: images to generate at once; by default all. crop: see `UserPrior`.

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
        crop: float = 1.0,
    ) -> None:
        super().__init__(source, output_range, channels, resolution, batch, crop)
        if latent_dim is None:
            latent_dim = getattr(self.generator, "latent_dim", None)
        if not isinstance(latent_dim, int):
            raise InputError(f"{source}: the size of its latents is not known; give prior.latent_dim")
        self.latent_dim = self.config["latent_dim"] = latent_dim
        scorer = getattr(self.generator, "realism", None)
        self.realism = scorer if isinstance(scorer, nn.Module) else None

    def render(self, latents: Tensor) -> Tensor:
        return self.generator(latents)
