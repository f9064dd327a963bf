"""A treatment: everything in which the training of one target may differ from another's of the same setup."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from mi_tune.defences.controls import CONTROLS, CUTOUT_STEPS, Control, cutout
from mi_tune.erasing import NO_DEFENCE, ErasingLaw
from mi_tune.nets.training import Recipe
from mi_tune.runtime.errors import InputError

CONTROL_NAMES = ("cutout", *CONTROLS)
"""The controls that `controlled` and `ladder` know."""


@dataclass(frozen=True)
class Treatment:
    """What a target is trained with.

    Args:
        law: the erasing law. control: another augmentation, applied after the law.
        epochs: the epochs as a multiple of the setup's; the learning rate's schedule is stretched with them.
        dropped: share of the training images left out of each epoch, drawn anew every epoch, in [0, 1).
        refilled: go through the kept images again until the epoch has as many steps as without `dropped`.

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
            raise InputError(f"treatment: epochs {self.epochs} is not above 0; it is a multiple of the setup's epochs")
        if not 0 <= self.dropped < 1:
            raise InputError(f"treatment: dropped {self.dropped} is not in [0, 1); some must be left")

    def recipe(self, usual: Recipe) -> Recipe:
        """The setup's recipe, changed as the treatment says; at least one epoch."""
        epochs = max(1, round(usual.epochs * self.epochs))
        return dataclasses.replace(usual, epochs=epochs, dropped=self.dropped, refilled=self.refilled)

    def resolved(self, mean: tuple[float, ...]) -> Treatment:
        """The same treatment with every `mean` fill replaced by the training images' mean, in [0, 1] per channel."""
        control = self.control.resolved(mean) if self.control is not None else None
        return dataclasses.replace(self, law=self.law.resolved(mean), control=control)

    def to_dict(self) -> dict:
        """Parameters as plain JSON values."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return plain | {"law": self.law.to_dict(), "control": self.control.to_dict() if self.control else None}

    @classmethod
    def from_dict(cls, values: dict) -> Treatment:
        """The treatment that `to_dict` wrote. Raises InputError on a name that is not a parameter."""
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
    """The undefended training with one control of `CONTROL_NAMES`. Raises InputError for its name or strength."""
    if name == "cutout":
        return Treatment(law=cutout(strength))
    if name not in CONTROLS:
        raise InputError(f"unknown control '{name}'; choose from {', '.join(CONTROL_NAMES)}")
    return Treatment(control=CONTROLS[name](strength))


def ladder(name: str) -> dict[str, Treatment]:
    """Three strengths of a control of `CONTROL_NAMES` by readable names, from mild to strong.

    To be trained and the one taken whose natural accuracy is nearest to that of the law in question.
    """
    if name == "cutout":
        return {f"Cutout {strength:g}": controlled(name, strength) for strength in CUTOUT_STEPS}
    if name not in CONTROLS:
        raise InputError(f"unknown control '{name}'; choose from {', '.join(CONTROL_NAMES)}")
    kind = CONTROLS[name]
    return {kind(strength).name: controlled(name, strength) for strength in kind.steps}
