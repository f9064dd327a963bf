"""The setup and the search, as the user writes them: typed, checked, every default visible."""

from __future__ import annotations

import copy
import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mi_tune.erasing import FILLS, LOCATIONS
from mi_tune.runtime.errors import InputError

Range = tuple[float, float]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSetup(_Section):
    """Which images, and how they are split."""

    source: Literal["orl", "folder", "procedural"] = "orl"
    private: Path | None = Field(None, description="ImageFolder of the people to protect")
    public: Path | None = Field(None, description="ImageFolder of other people; missing: split off from private")
    private_identities: int | None = Field(None, ge=2, description="how many identities are private (drawn by seed)")
    public_identities: int | None = Field(None, ge=2, description="procedural: how many drawn people are public")
    images_per_identity: int | None = Field(None, ge=3, description="procedural: photographs of each drawn person")
    resolution: int = Field(32, ge=16, le=512)
    channels: Literal[1, 3] | None = Field(None, description="1 grey, 3 RGB; missing: 1 if all images are grey")
    fit: Literal["crop", "stretch"] = "crop"
    split: tuple[float, float, float] = Field((0.6, 0.2, 0.2), description="train, val and test share per identity")

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
                raise ValueError(f"drawn faces are read at 16 to 128 px, not {self.resolution}; lower data.resolution")
            if self.channels == 3:
                raise ValueError("drawn faces are grey; set channels to 1 or leave it out")
        else:
            for name in ("public_identities", "images_per_identity"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} belongs to source 'procedural', not '{self.source}'; leave it out")
        if min(self.split) <= 0 or abs(sum(self.split) - 1) > 1e-6:
            raise ValueError(f"split {self.split} must be three positive shares that add up to 1")
        return self


class TargetSetup(_Section):
    """Architecture and training of the targets; the erasing law is the trial's."""

    architecture: str = "small_cnn"
    epochs: int = Field(80, ge=1)
    batch_size: int = Field(32, ge=2)
    optimiser: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(0.05, ge=0)
    shift: int = Field(2, ge=0)
    flip: bool = True
    replicates: int = Field(1, ge=1, description="targets trained and attacked per trial; accuracies are their mean")
    report_every: int = Field(10, ge=1, description="epochs between reports and checkpoints")


class PriorSetup(_Section):
    """The attacker's prior, made from the public images, the drawing of drawn faces (procedural),
    or a generator of the user's own (import, style).

    A generator that was trained on the private people makes a study worthless: it knows what the attack looks for.
    """

    kind: Literal["eigenface", "dcgan", "wgan", "procedural", "import", "style"] = "eigenface"
    samples: int = Field(2000, ge=1, description="samples rendered once for best-of-N starts")
    gan_steps: int | None = Field(None, ge=1, description="training steps of the GAN; missing: its default")
    generator: str | None = Field(None, description="own: package.module:factory or path/to/file.py:factory")
    weights: Path | None = Field(None, description="own: a state_dict; missing: the factory sets the weights")
    latent_dim: int | None = Field(None, ge=1, description="import: latents; missing: the module's own latent_dim")
    output_range: Range | None = Field(None, description="own: of its pixels; missing: import [0, 1], style [-1, 1]")
    batch: int | None = Field(None, ge=1, description="own: images drawn at once, for memory; missing: all")
    truncation: float | None = Field(None, gt=0, le=1, description="style: psi of draws; missing: 1")

    @field_validator("generator")
    @classmethod
    def _named(cls, generator: str | None) -> str | None:
        place, _, factory = (generator or "").rpartition(":")
        if place.endswith(".py") and factory.isidentifier():
            # workers have working directories of their own
            return f"{Path(place).absolute()}:{factory}"
        if generator is not None and not all(part.isidentifier() for part in (*place.split("."), factory)):
            raise ValueError(f"'{generator}' is neither package.module:factory nor path/to/file.py:factory")
        return generator

    @field_validator("weights")
    @classmethod
    def _from_anywhere(cls, weights: Path | None) -> Path | None:
        return weights and weights.absolute()

    @model_validator(mode="after")
    def _consistent(self) -> PriorSetup:
        own = self.kind in ("import", "style")
        if own and self.generator is None:
            raise ValueError(f"kind '{self.kind}' needs a generator: package.module:factory or path/to/file.py:factory")
        fields = dict.fromkeys(("generator", "weights", "output_range", "batch"), ("import", "style"))
        for name, kinds in (fields | {"latent_dim": ("import",), "truncation": ("style",)}).items():
            if getattr(self, name) is not None and self.kind not in kinds:
                raise ValueError(f"{name} goes with kind {' or '.join(kinds)} (--prior), not with '{self.kind}'")
        if self.output_range is not None and self.output_range[0] >= self.output_range[1]:
            raise ValueError(f"output_range {self.output_range} is upside down; give its low and high end")
        return self


class AttackSetup(_Section):
    """The attack of every trial."""

    preset: str = "ppa"
    budget: Literal["reduced", "4x", "16x", "full"] = "reduced"


class JudgeSetup(_Section):
    """The judge of every trial, and the verifier of a confirmation."""

    architecture: str = "residual_gn"
    epochs: int = Field(40, ge=1)
    verifier_views: int | None = Field(
        None, ge=1, description="training images of each of the verifier's networks; missing: its default"
    )
    regressor_steps: int | None = Field(
        None, ge=1, description="procedural: training steps of the identity regressor; missing: its default"
    )


class Space(_Section):
    """Ranges of the searched law. A range searches, a single value fixes; lists are choices.

    `area_low` and `area_span` draw the area range [low, low + span], cut at 0.95. `aspect_max` m gives the aspect
    range [1/m, m].
    """

    probability: Range | float = (0.3, 1.0)
    area_low: Range | float = (0.02, 0.7)
    area_span: Range | float = (0.0, 0.6)
    aspect_max: Range | float = (1.0, 3.0)
    location: Annotated[list[str], Field(min_length=1)] = ["inside", "overflow", "periphery"]
    fill: Annotated[list[str], Field(min_length=1)] = ["midre", "mean", "noise"]
    count: tuple[int, int] | int = 1
    clean_epochs: tuple[int, int] | int = 0

    @model_validator(mode="after")
    def _in_range(self) -> Space:
        limits = {
            "probability": (0, 1),
            "area_low": (0.001, 0.95),
            "area_span": (0, 0.95),
            "aspect_max": (1, 10),
            "count": (1, 16),
            "clean_epochs": (0, 10_000),
        }
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            low, high = value if isinstance(value, tuple) else (value, value)
            if low > high:
                raise ValueError(f"{name} is upside down: {low} > {high}; swap its ends")
            if low < least or high > most:
                raise ValueError(f"{name} {value} is outside [{least}, {most}]")
        for name, known in (("location", LOCATIONS), ("fill", FILLS)):
            for value in getattr(self, name):
                if value not in known:
                    near = difflib.get_close_matches(value, known, n=3) or known
                    raise ValueError(f"unknown {name} '{value}'; did you mean {', '.join(near)}?")
        return self


class StoppingSetup(_Section):
    """Whether trials that fall behind are ended early, and where they are compared; see `study.moasha.Ladder`."""

    scheduler: Literal["none", "moasha"] = "none"
    unit: str = Field("epoch", description="what trials report their progress in")
    grace: float | None = Field(None, gt=0, description="units that every trial gets; a ninth of a training if missing")
    reduction: float = Field(3.0, gt=1, description="one trial in so many goes on at each rung")
    brackets: int = Field(1, ge=1, description="ladders that trials take in turn; ladder k lacks the k lowest rungs")


class SearchSetup(_Section):
    """How the laws are searched."""

    sampler: str = "nehvi"
    trials: int = Field(36, ge=1, description="trials in all, reference points and repeats among them")
    startup: int = Field(4, ge=1, description="trials drawn from the scrambled Sobol sequence before the model starts")
    repeats: float = Field(0.25, ge=0, le=0.9, description="share of the trials that run a law of the front again")
    min_accuracy: float | None = Field(None, ge=0, le=1, description="natural accuracy below which a law is infeasible")
    min_accuracy_kept: float | None = Field(
        0.8, ge=0, le=1, description="the same, as a share of the natural accuracy without defence"
    )
    stopping: StoppingSetup = StoppingSetup()
    warm_start: Path | None = Field(None, description="folder of an earlier study, whose front is tried first")
    transfer: bool = Field(False, description="whether its trials are also a prior of the model (nehvi)")
    space: Space = Space()

    @field_validator("warm_start")
    @classmethod
    def _from_anywhere(cls, warm_start: Path | None) -> Path | None:
        return warm_start and warm_start.absolute()


class Setup(_Section):
    """Everything that decides a study's numbers, but for its seed."""

    name: str = Field("study", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    data: DataSetup = DataSetup()
    target: TargetSetup = TargetSetup()
    prior: PriorSetup = PriorSetup()
    attack: AttackSetup = AttackSetup()
    judge: JudgeSetup = JudgeSetup()
    search: SearchSetup = SearchSetup()


def read_setup(path: Path) -> dict[str, Any]:
    """The values in a YAML file. Raises InputError if it is missing, not YAML, or not a mapping."""
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except OSError as error:
        raise InputError(f"{path}: cannot read the setup ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: a setup is a mapping of sections such as data, target, search")
    return values


def make_setup(values: dict[str, Any], origin: str, overrides: dict[str, Any] | None = None) -> Setup:
    """Validate `values` with `overrides` such as {"target.epochs": 3} on top (None values are ignored).

    Raises:
        InputError: an unknown key or a wrong value, in one line that begins with `origin` and names it.
    """
    values = copy.deepcopy(values)
    for dotted, value in (overrides or {}).items():
        if value is not None:
            *sections, key = dotted.split(".")
            place = values
            for section in sections:
                place = place.setdefault(section, {})
            place[key] = value
    try:
        return Setup.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("tuple[", "float", "int")))
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = f"unknown key{_near_key(first['loc'])}"
        elif first["type"] not in ("value_error", "missing"):
            message += f" (got {first['input']!r})"
        raise InputError(f"{origin}: {place + ': ' if place else ''}{message}") from error


def _near_key(location: tuple) -> str:
    model: Any = Setup
    for part in location[:-1]:
        field = model.model_fields.get(part)
        model = field.annotation if field else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return ""
    near = difflib.get_close_matches(str(location[-1]), model.model_fields, n=2)
    return f"; did you mean {', '.join(near)}?" if near else f"; known are {', '.join(model.model_fields)}"
