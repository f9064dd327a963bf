"""The section `prior` of a set-up."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator, model_validator

from mi_tune.runtime.imported import checked_factory
from mi_tune.runtime.kinds import PriorKind
from mi_tune.setup.section import Range, Section


class PriorSetup(Section):
    """The attacker's prior.

    It is made from the public images, is the program that draws the faces (`procedural`), or is the user's own
    generator (`import`, `style`). The user's generator must not have been trained on the private people. If it was, it
    already knows what the attack is meant to find, and the study says nothing.
    """

    kind: PriorKind = "eigenface"
    samples: int = Field(2000, ge=1, description="samples that are rendered once; starts are the best of them")
    components: int | None = Field(
        None, ge=1, description="eigenface: number of components; default: as many as unseen public people need"
    )
    gan_steps: int | None = Field(None, ge=1, description="training steps of the GAN; default: its recipe's")
    generator: str | None = Field(None, description="own generator: package.module:factory or path/to/file.py:factory")
    weights: Path | None = Field(None, description="own generator: a state_dict; default: those set by the factory")
    latent_dim: int | None = Field(None, ge=1, description="import: latent size; default: the module's latent_dim")
    output_range: Range | None = Field(
        None, description="own generator: range of its pixels; default: import [0, 1], style [-1, 1]"
    )
    batch: int | None = Field(None, ge=1, description="own generator: images at once, to save memory; default: all")
    truncation: float | None = Field(None, gt=0, le=1, description="style: truncation psi of samples; default: 1")
    crop: float | None = Field(
        None, gt=0, le=1, description="own generator: share of its side that is kept, at the centre; default: 1"
    )

    @field_validator("generator")
    @classmethod
    def _check_generator(cls, generator: str | None) -> str | None:
        return generator and checked_factory(generator)

    @field_validator("weights")
    @classmethod
    def _absolute_weights(cls, weights: Path | None) -> Path | None:
        return weights and weights.absolute()

    @model_validator(mode="after")
    def _consistent(self) -> PriorSetup:
        own = self.kind in ("import", "style")
        if own and self.generator is None:
            raise ValueError(f"kind '{self.kind}' needs a generator: package.module:factory or path/to/file.py:factory")
        fields = dict.fromkeys(("generator", "weights", "output_range", "batch", "crop"), ("import", "style"))
        only = {"latent_dim": ("import",), "truncation": ("style",), "components": ("eigenface",)}
        for name, kinds in (fields | only).items():
            if getattr(self, name) is not None and self.kind not in kinds:
                raise ValueError(f"{name} goes with kind {' or '.join(kinds)} (--prior), not with '{self.kind}'")
        if self.output_range is not None and self.output_range[0] >= self.output_range[1]:
            raise ValueError(f"output_range {self.output_range} is upside down; give its low and high end")
        return self
