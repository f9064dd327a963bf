"""A way to train that is compared with others by targets of fresh seeds."""

from __future__ import annotations

from dataclasses import dataclass

from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import NO_DEFENCE, REFERENCE_LAWS, ErasingLaw

CONFIRMED_LAWS = {
    **REFERENCE_LAWS,
    # RandomErasing() as torchvision calls it without arguments: zeros, in pixel space black
    "torchvision default": ErasingLaw(0.5, area=(0.02, 0.33), aspect=(0.3, 3.3), fill="black"),
}
"""The reference points of a confirmation."""

UNDEFENDED = "no defence"


@dataclass(frozen=True)
class Point:
    """A way to train, to be confirmed by targets of fresh seeds.

    Args:
        name: of the reference, `trial 7`, or of the control.
        kind: `reference`, `front`, `near front`, `stopped early` (without defence) or `augmentation`.
        treatment: what its targets are trained with, fills resolved.
        trial: the study's trial of this law, None where the study has none.
        epoch: stop there, and not at the end of the schedule.
    """

    name: str
    kind: str
    treatment: Treatment
    trial: int | None = None
    epoch: int | None = None

    @property
    def is_control(self) -> bool:
        return self.kind in ("stopped early", "augmentation")


def stopped(epoch: int) -> Point:
    """The undefended training, stopped after `epoch` epochs."""
    return Point(f"no defence, stopped at epoch {epoch}", "stopped early", Treatment(NO_DEFENCE), epoch=epoch)
