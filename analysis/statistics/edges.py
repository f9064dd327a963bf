"""Laws of the front at an end of a searched range: better ones may lie outside."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from optuna.distributions import CategoricalDistribution

from analysis.statistics.records import Study
from mi_tune.runtime.errors import InputError
from mi_tune.search.geometry import quantile_of
from mi_tune.search.space import LARGEST_AREA, distributions, numeric, point_of
from mi_tune.setup import Space

NEAR = 0.03
"""Share of a range that counts as its end."""
LEAST_SHARE = 0.5
"""Share of the front's searched laws that must lie at an end before it is told."""
LEAST_LAWS = 3
NATURAL_ENDS = {("probability", 1.0), ("probability", 0.0), ("aspect_max", 1.0), ("area_span", 0.0)}
"""Ends beyond which a law cannot go."""


@dataclass(frozen=True)
class Edge:
    """An end of the range of a parameter at which laws of the front lie.

    Args:
        parameter: its name in the space. end: the value there. laws: how many lie there, of `of`.
    """

    parameter: str
    end: float
    laws: int
    of: int

    @property
    def sentence(self) -> str:
        """What it means, in one sentence."""
        return (
            f"{self.laws} of the {self.of} laws of the front that have a {self.parameter} lie at the end of its range, "
            f"{self.end:g}: better ones may lie beyond (search.space.{self.parameter})."
        )


def edges(study: Study) -> list[Edge]:
    """The ends of ranges at which at least half of the front's searched laws lie; empty if there are few laws.

    Raises InputError if the searched space in study.yaml cannot be read.
    """
    try:
        space = Space.model_validate(study.config["config"]["search"].get("space", {}))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{study.folder / 'study.yaml'}: config.search.space cannot be read") from error
    known = distributions(space)
    own = study.front[study.front.reference == ""]
    points = [point for _, row in own.iterrows() if (point := point_of(space, row)) is not None]
    found = []
    for name, distribution in known.items():
        values = [point[name] for point in points if name in point]
        if isinstance(distribution, CategoricalDistribution) or len(values) < LEAST_LAWS:
            continue
        at: dict[float, int] = defaultdict(int)
        low, high = numeric(distribution).low, numeric(distribution).high
        for value in values:
            place = quantile_of(distribution, value)
            if place <= NEAR:
                at[float(low)] += 1
            elif place >= 1 - NEAR:
                at[float(high)] += 1
        for end, count in at.items():
            last = (name, end) in NATURAL_ENDS or (name.startswith("area") and end >= LARGEST_AREA)
            if not last and count >= max(LEAST_LAWS, LEAST_SHARE * len(values)):
                found.append(Edge(name, end, count, len(values)))
    return found
