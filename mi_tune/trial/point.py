"""Points: the treatments that a confirmation or another comparison trains with fresh seeds."""

from __future__ import annotations

from dataclasses import dataclass

from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import NO_DEFENCE, REFERENCE_LAWS, ErasingLaw

CONFIRMED_LAWS = {
    **REFERENCE_LAWS,
    # torchvision's RandomErasing() with its default arguments: it fills with zeros, which is black in pixel space
    "torchvision default": ErasingLaw(0.5, area=(0.02, 0.33), aspect=(0.3, 3.3), fill="black"),
}
"""The reference points of a confirmation, by name."""

UNDEFENDED = "no defence"
"""Name of the point without defence."""

LEFT_OUT = "part left out"
"""Kind of a point that is a mix without one of its parts."""


@dataclass(frozen=True)
class Point:
    """One treatment in a confirmation or another comparison.

    Args:
        name: the name of a reference point or control, or `trial 7`.
        kind: `reference`, `front`, `near front`, `stopped early` (without defence), `augmentation`, or `part left out`
            of a mix.
        treatment: what its targets are trained with; `mean` fills are resolved.
        trial: number of the study's trial of this law; None if the study has none.
        epoch: stop the training after this epoch; None trains to the end of the schedule.
    """

    name: str
    kind: str
    treatment: Treatment
    trial: int | None = None
    epoch: int | None = None

    @property
    def is_control(self) -> bool:
        """Whether it is a control: early stopping, another augmentation than erasing, or a mix without one part."""
        return self.kind in ("stopped early", "augmentation", LEFT_OUT)


def stopped(epoch: int) -> Point:
    """The point of the undefended training stopped after `epoch` epochs."""
    return Point(f"no defence, stopped at epoch {epoch}", "stopped early", Treatment(NO_DEFENCE), epoch=epoch)
