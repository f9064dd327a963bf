"""Search methods of other frameworks, compared with ours in the same replay.

Only the files of this package import the frameworks, which `pip install 'mi_tune[outside]'` installs; nothing else
needs them. All methods start like ours: from the same reference points, of which the framework is given those in the
searched space, and with as many laws of the framework's own initial design as ours take from the Sobol sequence. A
framework is given the floor in whatever form it accepts. Laws are run as they are suggested, and recommended by the
rules of `SimulatedStudy`.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import warnings
from dataclasses import dataclass
from types import ModuleType

from mi_tune.replay.simulator import Search
from mi_tune.replay.surface import Surface
from mi_tune.runtime.errors import InputError


@dataclass(frozen=True)
class OutsideMethod:
    """A search method of another framework.

    Args:
        module: module of this package whose `make(name, surface, seed, min_accuracy_kept)` returns the study.
        about: description for users.
        needs: pairs of a package, as pip calls it, and the module that it must provide.
    """

    module: str
    about: str
    needs: tuple[tuple[str, str], ...]


_AX = (("ax-platform", "ax"),)
_SYNE = (("syne-tune", "syne_tune"),)
_SYNE_BAYESIAN = (*_SYNE, ("botorch", "botorch"))

OUTSIDE_METHODS = {
    "ax": OutsideMethod("ax_client", "Ax: qLogNEHVI, laws recommended by its model", _AX),
    "ax-measured": OutsideMethod("ax_client", "Ax: qLogNEHVI, laws recommended as measured", _AX),
    "syne-moasha": OutsideMethod("syne_halving", "Syne Tune: MOASHA over random laws, as shipped", _SYNE),
    "syne-moasha-ordered": OutsideMethod("syne_halving", "Syne Tune: MOASHA with its order corrected", _SYNE),
    "syne-ehvi": OutsideMethod("syne_bayesian", "Syne Tune: EHVI, as shipped", _SYNE_BAYESIAN),
    "syne-ehvi-righted": OutsideMethod(
        "syne_bayesian", "Syne Tune: EHVI, pairs and reference point corrected", _SYNE_BAYESIAN
    ),
}


def check_installed(name: str) -> None:
    """Raise InputError, which says what to install, if the framework of the method `name` is not installed."""
    for package, module in OUTSIDE_METHODS[name].needs:
        if importlib.util.find_spec(module) is None:
            raise InputError(f"method '{name}' needs {package}, which is not installed: pip install 'mi_tune[outside]'")


def make_outside_study(name: str, surface: Surface, seed: int, min_accuracy_kept: float | None = 0.8) -> Search:
    """A study of the method `name` of OUTSIDE_METHODS, ready for `simulate`.

    Raises:
        InputError: its framework is not installed.
    """
    check_installed(name)
    return _import_quietly(OUTSIDE_METHODS[name].module).make(name, surface, seed, min_accuracy_kept)


def _import_quietly(module: str) -> ModuleType:
    """Import a module of this package without the log messages and warnings of its framework."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(f"{__name__}.{module}")
    finally:
        logging.disable(before)
