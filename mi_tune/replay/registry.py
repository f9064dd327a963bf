"""All search methods by name: ours, written `sampler+part+part`, and those of other frameworks."""

from __future__ import annotations

from mi_tune.replay.outside import OUTSIDE_METHODS, check_installed, make_outside_study
from mi_tune.replay.search_methods import NEED_EARLIER, SimulatedStudy, make_search_method
from mi_tune.replay.simulator import Search
from mi_tune.replay.surface import Surface
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.wording import did_you_mean, near_names
from mi_tune.search.samplers import SAMPLERS
from mi_tune.search.warm import EarlierStudy


def method_name(text: str) -> str:
    """The normalised name of the search method that is written `text`: parts in fixed order, without spaces.

    Raises:
        InputError: there is no such method (the message suggests similar ones), or its framework is not installed.
    """
    word, *parts = [part.strip() for part in text.split("+")]
    if word not in OUTSIDE_METHODS:
        if word not in SAMPLERS and near_names(word, OUTSIDE_METHODS):
            known = [*OUTSIDE_METHODS, *SAMPLERS]
            raise InputError(f"method '{text}': unknown '{word}'; {did_you_mean(word, known)}")
        return make_search_method(text).name
    if parts:
        raise InputError(f"method '{text}': {word} is a whole search of another framework; leave out +{parts[0]}")
    check_installed(word)
    return word


def starts_warm(name: str) -> bool:
    """Whether the method `name`, from `method_name`, needs an earlier study."""
    return name not in OUTSIDE_METHODS and bool(make_search_method(name).parts & NEED_EARLIER)


def is_modelled(name: str) -> bool:
    """Whether the method `name`, from `method_name`, uses our front model."""
    return name not in OUTSIDE_METHODS and make_search_method(name).modelled


def make_search(
    name: str, surface: Surface, seed: int, min_accuracy_kept: float | None = 0.8, earlier: EarlierStudy | None = None
) -> Search:
    """One simulated study of the method `name`, from `method_name`.

    Args:
        surface, earlier: see `SimulatedStudy`. min_accuracy_kept: as in a study's set-up.
    """
    if name in OUTSIDE_METHODS:
        return make_outside_study(name, surface, seed, min_accuracy_kept)
    return SimulatedStudy(make_search_method(name), surface, seed, min_accuracy_kept, earlier=earlier)
