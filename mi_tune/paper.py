"""What a set-up file says of the publication that it follows: each field with its source, and the published figures."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Status = Literal["verified", "reported", "reconstructed", "unknown"]
"""How far a statement can be trusted: read in public code or in the publication's own words (`verified`), told by a
review or a digest (`reported`), put together here from verified parts (`reconstructed`), or not known."""

Share = float
"""An accuracy in [0, 1]."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Statement(_Part):
    """One field of a published set-up.

    value: in words. status, where: how it is known, and from what. Both belong to the publication; what this project
    runs instead stands in the sections of the set-up and under `differs`.
    """

    value: str | None = None
    status: Status
    where: str = ""

    @model_validator(mode="after")
    def _known_or_not(self) -> Statement:
        if (self.status == "unknown") == (self.value is not None):
            raise ValueError("a field is either unknown or has a value; give one of both")
        if self.status != "unknown" and not self.where:
            raise ValueError("say where it is from (where)")
        return self


class PublishedFigure(_Part):
    """A published result: accuracies, or their change against no defence.

    defence: `none`, or what the target was trained with. budget: of the attack, in words.
    """

    defence: str
    natural_accuracy: Share | None = Field(None, ge=0, le=1)
    attack_accuracy: Share | None = Field(None, ge=0, le=1)
    natural_change: float | None = Field(None, ge=-1, le=1)
    attack_change: float | None = Field(None, ge=-1, le=1)
    status: Literal["verified", "reported"]
    where: str
    budget: str = "not stated"


class Counts(_Part):
    """Numbers of images and people in the publication's protocol, for the cost; None where not known."""

    people: int | None = None
    train_images: int | None = None
    public_images: int | None = None
    attacked: int | None = None


class Gigaflops(_Part):
    """Floating-point operations of one image, in units of 1e9, a multiplication and an addition counted as two.

    training: forward and backward through the target, to its weights. forward: through the target. backward: forward
    and backward through target and generator, to the latent. judge: training of the judge. activations: MiB that
    training the target keeps for one image. weights: MiB of the target's weights.
    """

    training: float
    forward: float
    backward: float
    judge: float
    activations: float
    weights: float


class PaperSetup(_Part):
    """A published set-up.

    Args:
        title: one line. cell: `verified` if one public code has this combination of attack, data and architecture;
            `axis` if each of its parts is verified and the combination is put together here.
        fields: what the publication does.
        defences: what the law is compared with, by name; `where` says who compared them.
        differs: what a run of this file does otherwise, so that its figures and the published ones cannot be compared.
        needs: data sets and weights that do not come with this project, by name.
    """

    title: str
    cell: Literal["verified", "axis"]
    fields: dict[
        Literal["attack", "private", "public", "architecture", "start", "recipe", "erasing", "judge", "defences"],
        Statement,
    ]
    defences: tuple[str, ...] = ()
    figures: tuple[PublishedFigure, ...] = ()
    differs: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    counts: Counts = Counts()
    gigaflops: Gigaflops | None = None

    @model_validator(mode="after")
    def _complete(self) -> PaperSetup:
        missing = {"attack", "private", "public", "architecture", "start", "recipe", "erasing", "judge", "defences"} - {
            *self.fields
        }
        if missing:
            raise ValueError(f"fields lacks {', '.join(sorted(missing))}; mark what is not known as unknown")
        return self
