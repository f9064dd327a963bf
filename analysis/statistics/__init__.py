"""Numbers with intervals, computed from study folders. Nothing here draws figures."""

from analysis.statistics.attacks import Attacks, load_attacks
from analysis.statistics.confirmation import Confirmation, has_confirmation, load_confirmation
from analysis.statistics.contrast import Contrast, PropertyRecord, load_property
from analysis.statistics.records import Study, load_study

__all__ = [
    "Attacks",
    "Confirmation",
    "Contrast",
    "PropertyRecord",
    "Study",
    "has_confirmation",
    "load_attacks",
    "load_confirmation",
    "load_property",
    "load_study",
]
