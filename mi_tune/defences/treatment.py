"""A treatment: everything in which the training of targets with the same set-up can differ."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mi_tune.defences.controls import CONTROLS, CUTOUT_STEPS, Control, cutout
from mi_tune.defences.defence import Defence, check_mix, deployed
from mi_tune.defences.registry import defence_from, in_order
from mi_tune.erasing import NO_DEFENCE, ErasingLaw
from mi_tune.nets import place
from mi_tune.nets.guards import Guard
from mi_tune.nets.training import Recipe
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.mix_text import mix_text

CONTROL_NAMES = ("cutout", *CONTROLS)
"""The names that `controlled` and `strengths_of` accept."""


@dataclass(frozen=True)
class Treatment:
    """The part of a target's training that trials and comparisons vary.

    Args:
        law: the erasing law.
        control: another augmentation, applied after the law.
        epochs: number of epochs as a multiple of the set-up's; the learning rate's schedule is stretched with it.
        dropped: share of the training images left out of each epoch, drawn again every epoch, in [0, 1).
        refilled: whether the kept images are repeated until the epoch has as many steps as without `dropped`.
        defences: beside erasing. They are kept in the order of `DEFENCES`, in which they change the loss, so that a mix
            is one whichever way it is written; those without effect are left out.

    Raises:
        InputError: a number is outside its range, or two defences cannot be used together.
    """

    law: ErasingLaw = NO_DEFENCE
    control: Control | None = None
    epochs: float = 1.0
    dropped: float = 0.0
    refilled: bool = False
    defences: tuple[Defence, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "defences", in_order(one for one in self.defences if one.active))
        check_mix(self.defences)
        if not self.epochs > 0:
            raise InputError(f"treatment: epochs {self.epochs} is not above 0; it is a multiple of the set-up's epochs")
        if not 0 <= self.dropped < 1:
            raise InputError(f"treatment: dropped {self.dropped} is not in [0, 1); some images must remain")

    def recipe(self, usual: Recipe) -> Recipe:
        """The set-up's recipe `usual`, changed by the treatment; at least one epoch."""
        epochs = max(1, round(usual.epochs * self.epochs))
        return dataclasses.replace(usual, epochs=epochs, dropped=self.dropped, refilled=self.refilled)

    def resolved(self, mean: tuple[float, ...]) -> Treatment:
        """The same treatment with every `mean` fill replaced by the training images' mean, in [0, 1] per channel."""
        control = self.control.resolved(mean) if self.control is not None else None
        return dataclasses.replace(self, law=self.law.resolved(mean), control=control)

    @property
    def undefended(self) -> bool:
        """Whether the training is the plain one: no erasing, no control, no other defence."""
        return self.law.probability == 0 and self.control is None and not self.defences

    @property
    def mix(self) -> str:
        """The defences beside erasing as one text, "" without any."""
        return mix_text((one.kind, {name: getattr(one, name) for name in one.limits}) for one in self.defences)

    @property
    def starts_from_public(self) -> bool:
        """Whether a defence needs a network that learnt to tell the public people apart."""
        return any(one.needs_public for one in self.defences)

    def check(self, model: nn.Module, classes: int) -> None:
        """Raise InputError, with the reason, if a defence does not fit this classifier."""
        for one in self.defences:
            one.check(model, classes)

    def guarded(
        self, model: nn.Module, images: Tensor, classes: int, seed: int, device: torch.device
    ) -> tuple[Guard, ...]:
        """Change a new classifier, in place, as the defences want it, and move it to the device.

        Args:
            images: of the training, (n, channels, height, width). seed: of new weights, and of what the guards draw.

        Returns:
            What acts while it trains.

        Raises:
            InputError: a defence does not fit the classifier.
        """
        self.check(model, classes)
        for one in self.defences:
            one.rebuild(model, seed)
        place(model, device)
        probe = images[:2].to(device)
        guards = [one.guard(model, probe, classes, seed) for one in self.defences]
        return tuple(guard for guard in guards if guard is not None)

    def deployed(self, model: nn.Module) -> nn.Module:
        """The classifier that is published after the training; `model` itself stays as it is."""
        return deployed(model, self.defences)

    def shaped(self, model: nn.Module) -> nn.Module:
        """A new classifier with the structure of the deployed one, for its `state_dict`; changes `model`."""
        for one in self.defences:
            one.rebuild(model, 0)
        return deployed(model, self.defences)

    def to_dict(self) -> dict:
        """The parameters as plain JSON values."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        control = self.control.to_dict() if self.control else None
        return plain | {
            "law": self.law.to_dict(),
            "control": control,
            "defences": [one.to_dict() for one in self.defences],
        }

    @classmethod
    def from_dict(cls, values: dict) -> Treatment:
        """Read a treatment as `to_dict` writes it. Raises InputError for an unknown parameter."""
        unknown = set(values) - {f.name for f in dataclasses.fields(cls)}
        if unknown:
            raise InputError(f"treatment: unknown parameter {', '.join(sorted(unknown))}")
        given = dict(values)
        if "law" in given:
            given["law"] = ErasingLaw.from_dict(given["law"])
        if given.get("control") is not None:
            given["control"] = Control.from_dict(given["control"])
        given["defences"] = tuple(defence_from(one) for one in given.get("defences", ()))
        return cls(**given)


UNTREATED = Treatment()
"""The plain training, without any defence."""


def controlled(name: str, strength: float) -> Treatment:
    """The treatment with one control and no other defence. Raises InputError for an unknown name or wrong strength."""
    if name == "cutout":
        return Treatment(law=cutout(strength))
    if name not in CONTROLS:
        raise InputError(f"unknown control '{name}'; choose from {', '.join(CONTROL_NAMES)}")
    return Treatment(control=CONTROLS[name](strength))


def strengths_of(name: str) -> dict[str, Treatment]:
    """Treatments with a control of `CONTROL_NAMES` at three strengths, from mild to strong, by readable names.

    A comparison trains all three and keeps the one whose natural accuracy is nearest to that of the compared law.
    Raises InputError for an unknown name.
    """
    if name == "cutout":
        return {f"Cutout {strength:g}": controlled(name, strength) for strength in CUTOUT_STEPS}
    if name not in CONTROLS:
        raise InputError(f"unknown control '{name}'; choose from {', '.join(CONTROL_NAMES)}")
    kind = CONTROLS[name]
    return {kind(strength).name: controlled(name, strength) for strength in kind.steps}
