"""A treatment: everything in which the training of targets with the same set-up can differ."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from mi_tune.defences.controls import CONTROLS, CUTOUT_STEPS, Control, cutout
from mi_tune.erasing import NO_DEFENCE, ErasingLaw
from mi_tune.nets.training import Recipe
from mi_tune.runtime.errors import InputError

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

    Raises:
        InputError: a number is outside its range.
    """

    law: ErasingLaw = NO_DEFENCE
    control: Control | None = None
    epochs: float = 1.0
    dropped: float = 0.0
    refilled: bool = False

    def __post_init__(self) -> None:
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

    def to_dict(self) -> dict:
        """The parameters as plain JSON values."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return plain | {"law": self.law.to_dict(), "control": self.control.to_dict() if self.control else None}

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
        return cls(**given)


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
