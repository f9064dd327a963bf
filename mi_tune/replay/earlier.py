"""A study of other data that has been run already, replayed, for a new study to start from."""

from __future__ import annotations

from pathlib import Path

from mi_tune.replay.rivals import Contest, make_rival
from mi_tune.replay.simulator import simulate
from mi_tune.replay.surface import Surface
from mi_tune.runtime.seeds import derive_seed
from mi_tune.search.warm import Earlier
from mi_tune.trial.laws import laws_of

TRIALS = 36
"""Of an earlier study: as many as the default study has."""


def earlier_study(surface: Surface, name: str, seed: int, min_accuracy_kept: float | None = 0.8) -> Earlier:
    """A default study of TRIALS trials on a surface, by one worker.

    Args:
        seed: of the study that will start from it. This one's is another: of the same law on the same surface it
            measures something else.
    """
    seed = derive_seed(seed, "earlier") % 2**32
    contest = Contest(make_rival("nehvi+repeat"), surface, seed, min_accuracy_kept, TRIALS)
    simulate(surface, contest, 1, float("inf"), seed)
    runs = contest.journal.table()
    return Earlier(name, surface.space, runs, laws_of(runs, Path(name)), Path(name))
