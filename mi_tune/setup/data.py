"""The section `data` of a set-up."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from mi_tune.data.places import is_loader
from mi_tune.runtime.imported import checked_factory
from mi_tune.setup.section import Section


class DataSetup(Section):
    """The images and how they are split."""

    source: Literal["orl", "folder", "procedural"] = "orl"
    private: Path | None = Field(
        None,
        description="the people to protect: an ImageFolder, a file of arrays, a loader (path/to/file.py:load), or a "
        "data set by name",
    )
    public: Path | None = Field(None, description="other people, in any of these forms; default: split off")
    root: Path | None = Field(None, description="folder of the data sets by name")
    private_identities: int | None = Field(None, ge=2, description="number of private identities (drawn by seed)")
    public_identities: int | None = Field(None, ge=2, description="procedural: number of public people")
    images_per_identity: int | None = Field(None, ge=3, description="procedural: images of each drawn person")
    resolution: int = Field(32, ge=16, le=512)
    channels: Literal[1, 3] | None = Field(None, description="1 grey, 3 RGB; default: 1 if all images are grey")
    fit: Literal["crop", "stretch"] = "crop"
    split: tuple[float, float, float] | Literal["published"] = Field(
        (0.6, 0.2, 0.2), description="train, val and test shares per identity; published: as the papers at 224 px"
    )

    @field_validator("private", "public")
    @classmethod
    def _check_loader(cls, place: Path | None) -> Path | None:
        return Path(checked_factory(str(place))) if place is not None and is_loader(place) else place

    @model_validator(mode="after")
    def _consistent(self) -> DataSetup:
        if self.source == "folder" and self.private is None:
            raise ValueError("source 'folder' needs a private folder (--private DIR)")
        if self.source == "orl" and (self.private or self.public):
            raise ValueError("the built-in faces take no folders; set source to 'folder'")
        if self.source == "procedural":
            if self.private or self.public:
                raise ValueError("drawn faces take no folders; set source to 'folder'")
            if self.resolution > 128:
                raise ValueError(f"drawn faces need 16 to 128 px, not {self.resolution}; lower data.resolution")
            if self.channels == 3:
                raise ValueError("drawn faces are grey; set channels to 1 or leave it out")
        else:
            for name in ("public_identities", "images_per_identity"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} belongs to source 'procedural', not '{self.source}'; leave it out")
        if self.split != "published" and (min(self.split) <= 0 or abs(sum(self.split) - 1) > 1e-6):
            raise ValueError(f"split {self.split} must be three positive shares that add up to 1")
        return self
