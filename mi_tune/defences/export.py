"""A treatment as code to paste."""

from __future__ import annotations

from mi_tune.defences.treatment import Treatment
from mi_tune.erasing.export import law_snippet


def treatment_snippet(treatment: Treatment, side: int, channels: int) -> str:
    """Python code for an erasing law with fills as numbers, and for the other defences, which need this package.

    side, channels: of the images.
    """
    law = law_snippet(treatment.law, side, side, channels)
    if not treatment.defences:
        return law
    names = ", ".join(sorted(type(one).__name__ for one in treatment.defences))
    lines = [
        *([] if treatment.law.probability == 0 else [law, ""]),
        "# a classifier of your own training with: " + "; ".join(one.name for one in treatment.defences),
        "from mi_tune.defences.registry import read_mix",
        "from mi_tune.defences.treatment import Treatment",
        f"# {names}: each docstring gives loss and source",
        f'treatment = Treatment(defences=read_mix("{treatment.mix}"))',
        "guards = treatment.guarded(model, images, classes, seed, device)  # changes the new model in place",
        "# every step: guard.before(images, random), then loss = guard.loss(loss, Step(...)) for each guard",
        "published = treatment.deployed(model)",
    ]
    return "\n".join(lines)
