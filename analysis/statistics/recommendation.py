"""Hypervolume over the course of a study, paired differences between laws, and the recommended law."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from analysis.statistics.records import Study
from mi_tune.judging.intervals import Estimate, class_difference
from mi_tune.search.front import hypervolume


def hypervolume_history(study: Study) -> pd.DataFrame:
    """Hypervolume of the complete trials at the end of each of them, in the order in which they ended.

    Returns:
        The columns `trial`, `finished` (number of complete trials so far), `minutes` (since the study's first trial
        began) and `hypervolume` (in [0, 1]).
    """
    complete = study.complete
    ends = pd.to_datetime(complete.finished, utc=True)
    complete = complete.assign(end=ends).sort_values(["end", "trial"], kind="stable")
    begun = pd.to_datetime(study.runs.started[study.runs.started != ""], utc=True).min()
    reference = study.config["hypervolume_reference"]
    natural, attack = complete.natural_accuracy.to_numpy(float), complete.attack_accuracy.to_numpy(float)
    corner = reference["natural_accuracy"], reference["attack_accuracy"]
    volumes = [hypervolume(natural[:k], attack[:k], *corner) for k in range(1, len(complete) + 1)]
    return pd.DataFrame(
        {
            "trial": complete.trial.to_numpy(),
            "finished": np.arange(1, len(complete) + 1),
            "minutes": (complete.end - begun).dt.total_seconds().to_numpy() / 60,
            "hypervolume": volumes,
        }
    )


def difference(study: Study, trial: int, other: int, column: str) -> Estimate | None:
    """`column` of `trial` minus that of `other`, paired by class, with a 95 % class-level bootstrap interval.

    None if one of them has no per-class accuracies.
    """
    known = study.differences
    if (trial, other, column) not in known:
        known[trial, other, column] = _difference(study, trial, other, column)
    return known[trial, other, column]


def _difference(study: Study, trial: int, other: int, column: str) -> Estimate | None:
    ours, theirs = study.per_class(trial), study.per_class(other)
    if ours is None or theirs is None or column not in ours or column not in theirs:
        return None
    one, two = ours[column].to_numpy(float), theirs[column].to_numpy(float)
    known = np.isfinite(one) & np.isfinite(two)  # a trial may attack a sample of the people
    return class_difference(one[known], two[known]) if known.any() else None


@dataclass(frozen=True)
class Expectation:
    """Expectation of the search's model for a law; natural_loss is relative to its expectation for no defence."""

    natural_loss: float
    natural_accuracy: float
    attack_accuracy: float


@dataclass(frozen=True)
class Recommendation:
    """The complete law with the lowest expected attack accuracy among those within the allowed loss.

    The expected accuracies are those of `Study.expected`. The best of many measurements is partly the luckiest; the
    expectation of the search's model is less affected by luck.

    expected: the model's expectation, which decides whether the law is within the allowed loss; None if the
    measurements decided. natural_change, attack_change: measured change from no defence, paired by class. equals:
    other laws within the allowed loss whose attack accuracy does not differ significantly from this law's (95 %
    interval of the difference, paired by class, not corrected for their number).
    """

    trial: int
    allowed_loss: float
    expected: Expectation | None
    natural_change: Estimate | None
    attack_change: Estimate | None
    equals: tuple[int, ...]

    @property
    def helps(self) -> bool | None:
        """Whether the attack accuracy is significantly below the undefended one (95 % interval); None if unknown."""
        return None if self.attack_change is None else self.attack_change.high < 0

    @property
    def costs_more(self) -> bool:
        """Whether the measured loss of natural accuracy is significantly larger than allowed (95 % interval)."""
        return self.natural_change is not None and self.natural_change.high < -self.allowed_loss


def recommend(study: Study, allowed_loss: float) -> Recommendation | None:
    """The recommended law if natural accuracy may fall by `allowed_loss` (0.05: five points) below no defence.

    None if the trial without defence is not complete.
    """
    undefended = study.undefended
    if undefended is None:
        return None
    laws = study.expected.assign(trial=study.complete.trial)
    laws["natural_loss"] = laws.natural_accuracy[undefended.trial] - laws.natural_accuracy
    within = laws[laws.natural_loss <= allowed_loss + 1e-9]
    best = within.sort_values(["attack_accuracy", "natural_accuracy", "trial"], ascending=[True, False, True]).iloc[0]
    trial, base = int(best.trial), int(undefended.trial)
    equals = []
    for other in within.trial:
        change = None if other == trial else difference(study, int(other), trial, "attack_accuracy")
        if change is not None and change.low <= 0 <= change.high:
            equals.append(int(other))
    same = trial == base
    return Recommendation(
        trial,
        allowed_loss,
        Expectation(*(float(best[field.name]) for field in fields(Expectation))) if best.modelled else None,
        None if same else difference(study, trial, base, "natural_accuracy"),
        None if same else difference(study, trial, base, "attack_accuracy"),
        tuple(equals),
    )
