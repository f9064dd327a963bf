"""The set-up and the search as the user configures them: typed fields with checks and defaults."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mi_tune.data.places import is_loader
from mi_tune.erasing import FILLS, LOCATIONS
from mi_tune.paper import PaperSetup
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.imported import checked_factory
from mi_tune.runtime.kinds import Budget, PriorKind
from mi_tune.runtime.wording import did_you_mean, near_names

Range = tuple[float, float]
JUDGE_KINDS = ("auto", "classifier", "verifier", "recogniser")
"""Who may judge the trials, beside a judge of the user's."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSetup(_Section):
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


class TargetSetup(_Section):
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
        return _checked_network(architecture)

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


def _checked_network(architecture: str) -> str:
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
    identities: int | None = Field(
        None, ge=5, description="private people that each trial attacks, the same for all laws; default: all of them"
    )

    others: tuple[str, ...] | None = Field(
        None,
        description="other attacks, as name or name:budget, on every target; a trial counts the one that finds most. "
        "Default: none, or with defences one that sees through them",
    )

    @field_validator("preset")
    @classmethod
    def _check_own(cls, preset: str) -> str:
        return checked_factory(preset) if ":" in preset else preset

    @field_validator("others", mode="before")
    @classmethod
    def _split(cls, others: Any) -> Any:
        if isinstance(others, str):
            return tuple(name.strip() for name in others.split(",") if name.strip() not in ("", "none"))
        return others


class JudgeSetup(_Section):
    """The judge of every trial, the recogniser beside it, and the verifier of a confirmation."""

    kind: str = Field(
        "auto",
        description="who judges the trials: a classifier of the private people, the verifier, or the recogniser; "
        "auto: the recogniser if there is one, else a classifier; or your own classifier of the private people: "
        "package.module:factory or path/to/file.py:factory",
    )
    weights: Path | None = Field(None, description="own judge: a state_dict or safetensors; default: the factory's")
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

    @field_validator("kind")
    @classmethod
    def _check_kind(cls, kind: str) -> str:
        if ":" in kind:
            return checked_factory(kind)
        if kind not in JUDGE_KINDS:
            raise ValueError(f"unknown judge '{kind}'; choose {', '.join(JUDGE_KINDS)}, or path/to/file.py:factory")
        return kind

    @field_validator("architecture")
    @classmethod
    def _check_own_network(cls, architecture: str) -> str:
        return _checked_network(architecture)

    @field_validator("weights")
    @classmethod
    def _absolute_weights(cls, weights: Path | None) -> Path | None:
        return weights and weights.absolute()

    @model_validator(mode="after")
    def _own_judge(self) -> JudgeSetup:
        if self.weights is not None and ":" not in self.kind:
            raise ValueError(
                f"weights go with your own judge (--judge path/to/file.py:factory), not with '{self.kind}'"
            )
        return self

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


class ParameterRange(_Section):
    """A parameter of a defence: its searched range, or its only value where both ends are equal.

    In a set-up file `[low, high]` or a number will do; scale and published value are then the defence's own.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False
    published: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return {"low": value, "high": value}
        if isinstance(value, (list, tuple)) and len(value) == 2:
            return {"low": value[0], "high": value[1]}
        return value

    @model_validator(mode="after")
    def _in_order(self) -> ParameterRange:
        if self.low > self.high:
            raise ValueError(f"{[self.low, self.high]} is upside down; swap its ends")
        return self


class Space(_Section):
    """The searched parameters of the erasing law, and of other defences, with their ranges.

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
    defences: dict[str, dict[str, ParameterRange]] = Field(
        {}, description="other defences that a mix may have: all, a list of names, or names with ranges of parameters"
    )
    most_defences: int = Field(3, ge=1, description="largest number of defences beside erasing in one mix")
    clashes: list[tuple[str, str]] = Field([], description="defences that cannot be used together; filled in")

    @field_validator("defences", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            between = "+" if ":" in value else ","
            value = [name.strip() for name in value.split(between) if name.strip()]
        if isinstance(value, (list, tuple)):
            return {str(name): {} for name in value}
        return {name: ranges or {} for name, ranges in value.items()} if isinstance(value, dict) else value

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
    controls: bool | None = Field(
        None, description="whether undefended controls are trained for the control line; default: from 24 trials on"
    )
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
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise InputError(f"{path}: cannot read the set-up ({error.strerror})") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: no text in UTF-8, or nested too deeply, so it is no set-up") from error
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
