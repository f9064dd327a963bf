"""What each switch of a study over mixes changes along the front: erasing and every other defence, on against off.

The front model is fitted to the study's trials, as the search fits it. In each of many posterior samples, a function
that agrees with the trials, the lowest attack accuracy is taken among many mixes with the switch on, and among many
with it off, that are at least as accurate as a level on the front. Their difference is the change at this level; all
other parameters may be others on both sides. The interval holds 95 % of the samples. So it says what the trials leave
open, not what other people or other trainings would give.

Limits. A switch that was seldom on has a wide interval. What the model expects between trials decides where trials are
few. A sample may reach low at a mix that nobody has tried, so a switch with many untried mixes looks a little better
than it is, within its interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import qmc

from analysis.statistics.ranks import best_ranks
from analysis.statistics.records import Study
from analysis.statistics.resampling import percentile_estimate
from mi_tune.judging.intervals import Estimate
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed
from mi_tune.search.expectation import observed_in
from mi_tune.search.front import front_mask
from mi_tune.search.front_model import FrontModel
from mi_tune.search.geometry import Geometry
from mi_tune.search.observations import Observations
from mi_tune.search.space import distributions
from mi_tune.setup import Space

LEVELS = (1 / 6, 1 / 2, 5 / 6)
"""Places of the levels on the natural accuracies of the expected front, from its least accurate law to its most."""
MIN_TRIALS = 20
"""Fewest complete trials for an answer."""
MIN_TRIALS_OF_A_SIDE = 3
"""Fewest of them with a switch on, and with it off."""
SAMPLES, SOBOL_MIXES, FLIPS = 256, 2**11, 4
"""Posterior samples, mixes of the Sobol sequence, and mixes that are made of each of the better trials by flipping one
switch, with other values of the parameters that then exist."""
BETTER_SHARE = 0.25
"""Least share of the trials, the best ranks of non-dominated sorting, that count as better."""
REACHED = 0.95
"""Least share of the samples in which a mix with the switch on and one with it off must be so accurate."""


@dataclass(frozen=True)
class SwitchEffect:
    """What one switch changes.

    Args:
        name: of the switch. on, off: complete trials with it on and off. changes: lowest attack accuracy with the
            switch on minus that with it off, at each level, with an interval; None where no mix of one of the sides is
            so accurate. why: why there are no changes at all, or "".
    """

    name: str
    on: int
    off: int
    changes: tuple[Estimate | None, ...] = ()
    why: str = ""

    def told(self, level: int) -> bool:
        """Whether the interval at a level leaves out 0."""
        change = self.changes[level] if self.changes else None
        return change is not None and (change.high < 0 or change.low > 0)


@dataclass(frozen=True)
class SwitchEffects:
    """The changes of every switch.

    Args:
        levels: natural accuracies, (levels,), rising. effects: of each switch, first what lowers the attack accuracy
            most.
    """

    levels: tuple[float, ...]
    effects: tuple[SwitchEffect, ...]


def study_switches(study: Study) -> SwitchEffects | None:
    """The changes of every switch of a study; None if its space has no switches, or too few trials are complete.

    The same study always gives the same answer.

    Raises:
        InputError: the searched space in study.yaml cannot be read.
    """
    try:
        space = Space.model_validate(study.config["config"]["search"].get("space", {}))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{study.folder / 'study.yaml'}: config.search.space cannot be read") from error
    known = distributions(space)
    if not known.switches:
        return None
    geometry = Geometry(known)
    return switch_effects(geometry, observed_in(study.runs, space, geometry))


def switch_effects(geometry: Geometry, observed: Observations) -> SwitchEffects | None:
    """The changes of every switch of a space, by trials of it; None if fewer than MIN_TRIALS of them are complete."""
    board = geometry.switchboard
    complete = np.isfinite(observed.attack)
    if board is None or complete.sum() < MIN_TRIALS:
        return None
    rng = np.random.default_rng(derive_seed(0, "switches"))
    model = FrontModel(geometry).update(observed)
    tried = observed.units[complete]
    natural, attack = model.expected(tried)
    front = natural[front_mask(natural, attack)]
    levels = tuple(float(front.min() + place * np.ptp(front)) for place in LEVELS)
    mixes = _mixes(geometry, tried, tried[best_ranks(natural, attack, BETTER_SHARE)], rng)
    samples = model.sample_posterior(SAMPLES, rng)(mixes)
    on, on_tried = board.on(mixes), board.on(tried)
    effects = []
    for number, name in enumerate(board.names):
        counts = int(on_tried[:, number].sum()), int((~on_tried[:, number]).sum())
        if min(counts) < MIN_TRIALS_OF_A_SIDE:
            side = "on" if counts[0] < counts[1] else "off"
            why = f"{side} in {min(counts)} complete trial{'' if min(counts) == 1 else 's'}: too few to say"
            effects.append(SwitchEffect(name, *counts, why=why))
            continue
        changes = _lowest(*samples, levels, on[:, number]) - _lowest(*samples, levels, ~on[:, number])
        effects.append(SwitchEffect(name, *counts, tuple(_estimate(change) for change in changes)))
    return SwitchEffects(levels, tuple(sorted(effects, key=_mean_change)))


def _mixes(geometry: Geometry, tried: np.ndarray, better: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Points of the unit cube: of the whole space, those that were tried, and the better ones with a switch flipped."""
    board = geometry.switchboard
    assert board is not None
    anywhere = qmc.Sobol(len(geometry.names), scramble=True, rng=rng).random(SOBOL_MIXES)
    flipped = [anywhere, tried]
    # a parameter that exists keeps its value; the others may exist once the switch is flipped
    active = board.active(better)
    on = board.on(better)
    for number, name in enumerate(board.names):
        for _ in range(FLIPS):
            points = np.where(active, better, rng.random(better.shape))
            points[:, board.columns] = better[:, board.columns]
            points[:, board.columns[number]] = [board.coordinate(name, not one) for one in on[:, number]]
            flipped.append(points)
    return np.concatenate(flipped)


def _lowest(natural: np.ndarray, attack: np.ndarray, levels: tuple[float, ...], some: np.ndarray) -> np.ndarray:
    """Lowest attack accuracy among some mixes that are at least as accurate as each level, in every sample.

    Args:
        natural, attack: accuracies of the mixes in every sample, (samples, mixes). some: bool (mixes,).

    Returns:
        (levels, samples), NaN where none is so accurate.
    """
    natural, attack = natural[:, some], attack[:, some]
    found = np.array([np.where(natural >= level, attack, np.inf).min(1, initial=np.inf) for level in levels])
    return np.where(np.isfinite(found), found, np.nan)


def _estimate(change: np.ndarray) -> Estimate | None:
    """Mean of the samples in which both sides reach a level, and the interval that holds 95 % of them."""
    known = change[np.isfinite(change)]
    if len(known) < REACHED * len(change):
        return None
    return percentile_estimate(float(known.mean()), known, 0.95)


def _mean_change(effect: SwitchEffect) -> float:
    """Mean change over levels, by which switches are sorted: those that lower the attack accuracy most come first."""
    known = [change.value for change in effect.changes if change is not None]
    return sum(known) / len(known) if known else float("inf")
