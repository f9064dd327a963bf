"""Searches of other frameworks, put against ours in the same replay.

Only these files know the frameworks; they come with `pip install 'mi_tune[outside]'` and nothing else needs them.
All of them start as ours do: from the same reference laws, those of the searched space told to the framework, and with
as many laws of their own initial design as ours take from the Sobol sequence. A framework is told of the floor what it
can be told. Laws are run as they are suggested, and recommended by the rules of `Contest`.
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
class Outsider:
    """Where a search is made: `make(name, surface, seed, min_accuracy_kept)` of a module of this package.

    Args:
        needs: modules that have to be installed for it, by what pip calls their package.
    """

    module: str
    about: str
    needs: tuple[tuple[str, str], ...]


_AX = (("ax-platform", "ax"),)
_SYNE = (("syne-tune", "syne_tune"),)
_SYNE_BAYESIAN = (*_SYNE, ("botorch", "botorch"))

OUTSIDERS = {
    "ax": Outsider("ax_client", "Ax: qLogNEHVI, laws recommended by its model", _AX),
    "ax-measured": Outsider("ax_client", "Ax: qLogNEHVI, laws recommended as measured", _AX),
    "syne-moasha": Outsider("syne_halving", "Syne Tune: MOASHA over random laws, as shipped", _SYNE),
    "syne-moasha-ordered": Outsider("syne_halving", "Syne Tune: MOASHA with its order put right", _SYNE),
    "syne-ehvi": Outsider("syne_bayesian", "Syne Tune: EHVI, as shipped", _SYNE_BAYESIAN),
    "syne-ehvi-righted": Outsider("syne_bayesian", "Syne Tune: EHVI, pairs and reference point right", _SYNE_BAYESIAN),
}


def check_installed(name: str) -> None:
    """Raises InputError, which names the package and how to get it, where a search's framework is not installed."""
    for package, module in OUTSIDERS[name].needs:
        if importlib.util.find_spec(module) is None:
            raise InputError(f"method '{name}' needs {package}, which is not installed: pip install 'mi_tune[outside]'")


def make_outsider(name: str, surface: Surface, seed: int, min_accuracy_kept: float | None = 0.8) -> Search:
    """The search `name` of OUTSIDERS, ready for `simulate`.

    Raises:
        InputError: its framework is not installed.
    """
    check_installed(name)
    return _quietly(OUTSIDERS[name].module).make(name, surface, seed, min_accuracy_kept)


def _quietly(module: str) -> ModuleType:
    """A module of this package, without what its framework says on being imported."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(f"{__name__}.{module}")
    finally:
        logging.disable(before)
