"""Every search by its name: ours, `sampler+part+part`, and those of other frameworks."""

from __future__ import annotations

import difflib

from mi_tune.replay.outside import OUTSIDERS, check_installed, make_outsider
from mi_tune.replay.rivals import NEED_EARLIER, Contest, make_rival
from mi_tune.replay.simulator import Search
from mi_tune.replay.surface import Surface
from mi_tune.runtime.errors import InputError
from mi_tune.search.samplers import SAMPLERS
from mi_tune.search.warm import Earlier


def method_name(text: str) -> str:
    """The name of the search that is written `text`: parts in their order, without spaces.

    Raises:
        InputError: there is no such search, near ones are offered; or its framework is not installed.
    """
    word, *parts = [part.strip() for part in text.split("+")]
    if word not in OUTSIDERS:
        near = difflib.get_close_matches(word, OUTSIDERS, n=3)
        if word not in SAMPLERS and near:
            near += difflib.get_close_matches(word, SAMPLERS, n=3)
            raise InputError(f"method '{text}': unknown '{word}'; did you mean {', '.join(near)}?")
        return make_rival(text).name
    if parts:
        raise InputError(f"method '{text}': {word} is a whole search of another framework; leave out +{parts[0]}")
    check_installed(word)
    return word


def starts_warm(name: str) -> bool:
    """Whether the search `name`, of `method_name`, needs an earlier study."""
    return name not in OUTSIDERS and bool(make_rival(name).parts & NEED_EARLIER)


def is_modelled(name: str) -> bool:
    """Whether the search `name`, of `method_name`, asks our model of both accuracies."""
    return name not in OUTSIDERS and make_rival(name).modelled


def make_search(
    name: str, surface: Surface, seed: int, min_accuracy_kept: float | None = 0.8, earlier: Earlier | None = None
) -> Search:
    """The search `name`, of `method_name`, at work in one study.

    Args:
        surface, earlier: see `Contest`. min_accuracy_kept: as in a study's setup.
    """
    if name in OUTSIDERS:
        return make_outsider(name, surface, seed, min_accuracy_kept)
    return Contest(make_rival(name), surface, seed, min_accuracy_kept, earlier=earlier)
