"""A replayed study of other data, as the earlier study of a warm start."""

from __future__ import annotations

from pathlib import Path

from mi_tune.replay.search_methods import SimulatedStudy, make_search_method
from mi_tune.replay.simulator import simulate
from mi_tune.replay.surface import Surface
from mi_tune.runtime.seeds import derive_seed
from mi_tune.search.warm import EarlierStudy
from mi_tune.trial.laws import laws_of

EARLIER_STUDY_TRIALS = 36
"""Trials of the earlier study: as many as the default study has."""


def earlier_study(surface: Surface, name: str, seed: int, min_accuracy_kept: float | None = 0.8) -> EarlierStudy:
    """Simulate a default study of EARLIER_STUDY_TRIALS trials on a surface, by one worker.

    Args:
        seed: of the study that will start from it. This study derives another seed from it, so that its noise is
            independent even for the same law on the same surface.
    """
    seed = derive_seed(seed, "earlier") % 2**32
    study = SimulatedStudy(make_search_method("nehvi+repeat"), surface, seed, min_accuracy_kept, EARLIER_STUDY_TRIALS)
    simulate(surface, study, 1, float("inf"), seed)
    runs = study.journal.table()
    return EarlierStudy(name, surface.space, runs, laws_of(runs, Path(name)), Path(name))
