"""The section `target` of a set-up."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from mi_tune.runtime.imported import checked_factory
from mi_tune.setup.section import Range, Section, checked_network


class TargetSetup(Section):
    """Architecture and training of the targets. The erasing law is set by each trial."""

    architecture: str = Field(
        "small_cnn",
        description="small_cnn, a classifier of torchvision, timm:NAME, or your own network: package.module:factory or "
        "path/to/file.py:factory",
    )
    trainer: str | None = Field(
        None, description="your own training loop: package.module:train or path/to/file.py:train"
    )
    epochs: int = Field(80, ge=1)
    batch_size: int = Field(32, ge=2)
    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = Field(2e-3, gt=0, description="peak of the schedule")
    weight_decay: float = Field(0.05, ge=0)
    schedule: Literal["one_cycle", "cosine", "multistep", "constant"] = "one_cycle"
    warm_up: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="share of the training in which the learning rate rises; default: 0.15 of one_cycle",
    )
    milestones: tuple[float, ...] = Field(
        (), description="multistep: where the learning rate falls, as shares of the training such as [0.5, 0.75]"
    )
    step_factor: float = Field(0.1, gt=0, lt=1, description="multistep: factor of the learning rate at a milestone")
    shift: int = Field(2, ge=0, description="largest random translation in pixels; without crop")
    flip: bool = True
    crop: Range | None = Field(
        None, description="random resized crop: range of its area as a share of the image, such as [0.3, 1.0]"
    )
    crop_aspect: Range = Field((3 / 4, 4 / 3), description="range of the crop's width / height")
    colour_jitter: tuple[float, float, float, float] | None = Field(
        None, description="strengths of brightness, contrast, saturation and hue, such as [0.4, 0.4, 0.4, 0.1]"
    )
    ema: float | None = Field(None, gt=0, lt=1, description="decay of a moving average of the weights, such as 0.999")
    compile: bool = Field(False, description="compile the training with torch.compile: a minute first, faster steps")
    pretrained: str | None = Field(
        None, description="start from torchvision's or timm's own weights: DEFAULT, or their name"
    )
    start_from: Path | None = Field(None, description="start from a file of weights: a state_dict or safetensors")
    mean: tuple[float, ...] | None = Field(
        None, description="normalisation that the weights of start_from expect, per channel; default: the usual one"
    )
    std: tuple[float, ...] | None = None
    freeze: int = Field(0, ge=0, description="number of first blocks that keep the weights that they start from")
    pretrain: Literal["none", "public"] = Field(
        "none", description="public: train first to tell the public people apart, then replace the head"
    )
    pretrain_epochs: int = Field(20, ge=1, description="epochs of that training")
    replicates: int = Field(1, ge=1, description="targets trained and attacked per trial; accuracies are their mean")
    report_every: int = Field(10, ge=1, description="epochs between reports and checkpoints")

    @field_validator("architecture")
    @classmethod
    def _check_own_network(cls, architecture: str) -> str:
        return checked_network(architecture)

    @field_validator("trainer")
    @classmethod
    def _check_trainer(cls, trainer: str | None) -> str | None:
        return trainer and checked_factory(trainer)

    @field_validator("start_from")
    @classmethod
    def _absolute_start(cls, start_from: Path | None) -> Path | None:
        return start_from and start_from.absolute()

    @model_validator(mode="after")
    def _consistent_recipe(self) -> TargetSetup:
        if (self.schedule == "multistep") != bool(self.milestones):
            raise ValueError("milestones, such as [0.5, 0.75], go with schedule multistep, and it needs some")
        if any(not 0 < share < 1 for share in self.milestones):
            raise ValueError(f"milestones {self.milestones} are shares of the training; give numbers between 0 and 1")
        if self.crop is not None and not 0 < self.crop[0] <= self.crop[1] <= 1:
            raise ValueError(f"crop {self.crop} is no range of shares of the image, from low to high, in (0, 1]")
        if not 0 < self.crop_aspect[0] <= self.crop_aspect[1]:
            raise ValueError(f"crop_aspect {self.crop_aspect} is no range of positive numbers, from low to high")
        if self.colour_jitter is not None and (min(self.colour_jitter) < 0 or self.colour_jitter[3] > 0.5):
            raise ValueError(f"colour_jitter {self.colour_jitter}: give strengths from 0 up, and a hue of at most 0.5")
        return self

    @model_validator(mode="after")
    def _consistent_start(self) -> TargetSetup:
        if self.pretrained is not None and self.start_from is not None:
            raise ValueError("pretrained and start_from are two starts; give one of them")
        if self.freeze and self.pretrained is None and self.start_from is None and self.pretrain == "none":
            raise ValueError(
                "freeze keeps the weights that a target starts from; give some by --pretrained, --start-from or "
                "--pretrain public"
            )
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std go together; give both, or neither")
        if self.mean is not None and self.std is not None:
            if self.start_from is None:
                raise ValueError("mean and std are the normalisation of the weights of start_from; give that file too")
            if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3) or min(self.std) <= 0:
                raise ValueError("mean and std: give one or three values of each, and std above 0")
        return self
