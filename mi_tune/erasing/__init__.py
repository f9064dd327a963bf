"""Random Erasing: the erasing law, its fills, published laws, and export as code."""

from mi_tune.erasing.fills import FILLS, IMAGENET_MEAN, MIDRE_FILL
from mi_tune.erasing.law import LOCATIONS, ErasingLaw, Rectangles
from mi_tune.erasing.presets import NO_DEFENCE, REFERENCE_LAWS, SHORT_NAMES, named_law

__all__ = [
    "FILLS",
    "IMAGENET_MEAN",
    "LOCATIONS",
    "MIDRE_FILL",
    "NO_DEFENCE",
    "REFERENCE_LAWS",
    "SHORT_NAMES",
    "ErasingLaw",
    "Rectangles",
    "named_law",
]
