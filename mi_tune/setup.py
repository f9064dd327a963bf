"""The set-up and the search as the user configures them: typed fields with checks and defaults."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mi_tune.erasing import FILLS, LOCATIONS
from mi_tune.paper import PaperSetup
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.imported import checked_factory
from mi_tune.runtime.kinds import Budget, PriorKind
from mi_tune.runtime.wording import did_you_mean, near_names

Range = tuple[float, float]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSetup(_Section):
    """The images and how they are split."""

    source: Literal["orl", "folder", "procedural"] = "orl"
    private: Path | None = Field(None, description="the people to protect: an ImageFolder, or a file of arrays")
    public: Path | None = Field(None, description="other people, in the same form; default: split off from private")
    private_identities: int | None = Field(None, ge=2, description="number of private identities (drawn by seed)")
    public_identities: int | None = Field(None, ge=2, description="procedural: number of public people")
    images_per_identity: int | None = Field(None, ge=3, description="procedural: images of each drawn person")
    resolution: int = Field(32, ge=16, le=512)
    channels: Literal[1, 3] | None = Field(None, description="1 grey, 3 RGB; default: 1 if all images are grey")
    fit: Literal["crop", "stretch"] = "crop"
    split: tuple[float, float, float] = Field((0.6, 0.2, 0.2), description="train, val and test shares per identity")

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
        if min(self.split) <= 0 or abs(sum(self.split) - 1) > 1e-6:
            raise ValueError(f"split {self.split} must be three positive shares that add up to 1")
        return self


class TargetSetup(_Section):
    """Architecture and training of the targets. The erasing law is set by each trial."""

    architecture: str = Field(
        "small_cnn",
        description="small_cnn, a classifier of torchvision, timm:NAME, or your own network: package.module:factory or "
        "path/to/file.py:factory",
    )
    epochs: int = Field(80, ge=1)
    batch_size: int = Field(32, ge=2)
    optimiser: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(0.05, ge=0)
    shift: int = Field(2, ge=0)
    flip: bool = True
    pretrain: Literal["none", "public"] = Field(
        "none", description="public: train first to tell the public people apart, then replace the head"
    )
    pretrain_epochs: int = Field(20, ge=1, description="epochs of that training")
    replicates: int = Field(1, ge=1, description="targets trained and attacked per trial; accuracies are their mean")
    report_every: int = Field(10, ge=1, description="epochs between reports and checkpoints")

    @field_validator("architecture")
    @classmethod
    def _check_own_network(cls, architecture: str) -> str:
        own = ":" in architecture and not architecture.startswith("timm:")
        return checked_factory(architecture) if own else architecture


class PriorSetup(_Section):
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


class AttackSetup(_Section):
    """The attack that every trial is attacked with."""

    preset: str = Field(
        "map_logit",
        description="name of a preset, or your own attack: package.module:factory or path/to/file.py:factory",
    )
    budget: Budget = "reduced"

    @field_validator("preset")
    @classmethod
    def _check_own(cls, preset: str) -> str:
        return checked_factory(preset) if ":" in preset else preset


class JudgeSetup(_Section):
    """The judge of every trial, the recogniser beside it, and the verifier of a confirmation."""

    kind: Literal["auto", "classifier", "verifier", "recogniser"] = Field(
        "auto",
        description="who judges the trials: a classifier of the private people, the verifier, or the recogniser; "
        "auto: the recogniser if there is one, else a classifier",
    )
    architecture: str = "residual_gn"
    epochs: int = Field(40, ge=1)
    photographs: Literal["unseen", "all"] = Field(
        "unseen", description="private images that a classifier as judge learns from: those no target sees, or all"
    )
    recogniser: str = Field(
        "auto",
        description="judge from outside: faces, none, or your own, package.module:factory or path/to/file.py:factory; "
        "auto: faces for the built-in faces if installed, else none",
    )
    recogniser_weights: Path | None = Field(None, description="own recogniser: a state_dict; default: the factory's")
    recogniser_resolution: int | None = Field(None, ge=1, description="own recogniser: its side; default: the images'")
    recogniser_channels: Literal[1, 3] | None = Field(None, description="own recogniser; default: the images'")
    verifier_views: int | None = Field(
        None, ge=1, description="training images of each network of the verifier; default: its recipe's"
    )
    regressor_steps: int | None = Field(
        None, ge=1, description="procedural: training steps of the identity regressor; default: its recipe's"
    )

    @field_validator("recogniser")
    @classmethod
    def _check_recogniser(cls, recogniser: str) -> str:
        if ":" in recogniser:
            return checked_factory(recogniser)
        known = ("auto", "none", "faces")
        if recogniser not in known:
            raise ValueError(
                f"unknown recogniser '{recogniser}'; choose {', '.join(known)}, or path/to/file.py:factory"
            )
        return recogniser

    @field_validator("recogniser_weights")
    @classmethod
    def _absolute_recogniser(cls, weights: Path | None) -> Path | None:
        return weights and weights.absolute()

    @model_validator(mode="after")
    def _some_recogniser(self) -> JudgeSetup:
        if self.kind == "recogniser" and self.recogniser == "none":
            raise ValueError("kind recogniser needs a recogniser: faces, or path/to/file.py:factory")
        return self

    @model_validator(mode="after")
    def _own_recogniser(self) -> JudgeSetup:
        for name in ("recogniser_weights", "recogniser_resolution", "recogniser_channels"):
            if getattr(self, name) is not None and ":" not in self.recogniser:
                raise ValueError(f"{name} goes with your own recogniser, not with '{self.recogniser}'")
        return self


class Space(_Section):
    """The searched parameters of the erasing law with their ranges.

    A range is searched, a single value is fixed, a list holds the choices. The law's area range is [area_low,
    area_low + area_span], cut at 0.95; its aspect ratio range is [1 / aspect_max, aspect_max].
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
                    raise ValueError(f"unknown {name} '{value}'; {did_you_mean(value, known)}")
        return self


class StoppingSetup(_Section):
    """Early stopping of trials that fall behind, and the rungs of it; see `search.halving.RungSchedule`."""

    scheduler: Literal["none", "moasha"] = "none"
    unit: str = Field("epoch", description="unit in which trials report their progress")
    grace: float | None = Field(None, gt=0, description="units that every trial gets; default: a ninth of a training")
    reduction: float = Field(3.0, gt=1, description="one trial in `reduction` continues at each rung")
    brackets: int = Field(
        1, ge=1, description="brackets, which trials enter in turn; bracket k lacks the k lowest rungs"
    )


class SearchSetup(_Section):
    """How the search over erasing laws runs."""

    sampler: str = Field(
        "nehvi", description="name of a sampler, or your own: package.module:factory or path/to/file.py:factory"
    )
    trials: int = Field(36, ge=1, description="number of trials, with reference points and repeats")
    startup: int = Field(4, ge=1, description="first laws, from a scrambled Sobol sequence, before the model is used")
    repeats: float = Field(0.25, ge=0, le=0.9, description="share of the trials that repeat a law of the front")
    min_accuracy: float | None = Field(None, ge=0, le=1, description="natural accuracy below which a law is infeasible")
    min_accuracy_kept: float | None = Field(
        0.8, ge=0, le=1, description="the same as a share of the natural accuracy without defence"
    )
    stopping: StoppingSetup = StoppingSetup()
    warm_start: Path | None = Field(None, description="folder of an earlier study, whose front is run first")
    transfer: bool = Field(False, description="whether the earlier study's trials also inform the front model (nehvi)")
    space: Space = Space()

    @field_validator("sampler")
    @classmethod
    def _check_own_sampler(cls, sampler: str) -> str:
        return checked_factory(sampler) if ":" in sampler else sampler

    @field_validator("warm_start")
    @classmethod
    def _absolute_warm_start(cls, warm_start: Path | None) -> Path | None:
        return warm_start and warm_start.absolute()


class Setup(_Section):
    """Everything except the seed that decides a study's numbers."""

    name: str = Field("study", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    data: DataSetup = DataSetup()
    target: TargetSetup = TargetSetup()
    prior: PriorSetup = PriorSetup()
    attack: AttackSetup = AttackSetup()
    judge: JudgeSetup = JudgeSetup()
    search: SearchSetup = SearchSetup()
    paper: PaperSetup | None = Field(None, description="what this set-up follows, where it is a published one")


def read_setup(path: Path) -> dict[str, Any]:
    """Read a YAML file of a set-up as plain values. Raises InputError if it is missing, not YAML, or not a mapping."""
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except OSError as error:
        raise InputError(f"{path}: cannot read the set-up ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: a set-up is a mapping of sections such as data, target, search")
    return values


def make_setup(values: dict[str, Any], origin: str, overrides: dict[str, Any] | None = None) -> Setup:
    """Validate a set-up.

    Args:
        values: nested sections and values, as in the YAML file.
        origin: where they are from, for the error message.
        overrides: values that replace those, such as {"target.epochs": 3}; None is ignored.

    Raises:
        InputError: an unknown key or a wrong value; one line that begins with `origin` and names the key.
    """
    values = copy.deepcopy(values)
    for dotted, value in (overrides or {}).items():
        if value is not None:
            *sections, key = dotted.split(".")
            mapping = values
            for section in sections:
                mapping = mapping.setdefault(section, {})
            mapping[key] = value
    try:
        return Setup.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("tuple[", "float", "int")))
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = f"unknown key{_key_hint(first['loc'])}"
        elif first["type"] not in ("value_error", "missing"):
            message += f" (got {first['input']!r})"
        raise InputError(f"{origin}: {place + ': ' if place else ''}{message}") from error


def _key_hint(location: tuple) -> str:
    model: Any = Setup
    for part in location[:-1]:
        field = model.model_fields.get(part)
        model = field.annotation if field else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return ""
    near = near_names(str(location[-1]), model.model_fields, most=2)
    return f"; did you mean {', '.join(near)}?" if near else f"; known are {', '.join(model.model_fields)}"
