"""mi_tune: tune Random Erasing against model inversion attacks.

What stands in `__all__` is public. All else may change without notice. The names are imported when they are first used,
so that `import mi_tune` is quick and starts neither torch nor Ray.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

__all__ = [
    "Audit",
    "Confirmation",
    "ErasingLaw",
    "InputError",
    "Recommendation",
    "Setup",
    "Study",
    "attack",
    "build_setup",
    "confirm",
    "load",
    "tune",
]

if TYPE_CHECKING:
    from mi_tune.erasing import ErasingLaw
    from mi_tune.library.attacking import Audit, attack
    from mi_tune.library.confirming import Confirmation, confirm
    from mi_tune.library.setups import build_setup
    from mi_tune.library.studies import Recommendation, Study, load
    from mi_tune.library.tuning import tune
    from mi_tune.runtime.errors import InputError
    from mi_tune.setup import Setup

_HOMES = {
    "mi_tune.erasing": ("ErasingLaw",),
    "mi_tune.library.attacking": ("Audit", "attack"),
    "mi_tune.library.confirming": ("Confirmation", "confirm"),
    "mi_tune.library.setups": ("build_setup",),
    "mi_tune.library.studies": ("Recommendation", "Study", "load"),
    "mi_tune.library.tuning": ("tune",),
    "mi_tune.runtime.errors": ("InputError",),
    "mi_tune.setup": ("Setup",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'mi_tune' has no attribute '{name}'; public are {', '.join(__all__)}")
    found = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
