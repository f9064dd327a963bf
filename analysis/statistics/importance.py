"""Which parameters of the law move each objective, bring a law to the front, and move it along the front.

Four questions, each answered by one share a searched parameter. Shares of a question add up to 1 by construction, so
what does nothing has no share of 0 but one of luck: `Importance.nothing` says how much.

- `natural`, `attack`: functional ANOVA (Hutter et al. 2014) of each accuracy over all laws. Trees learn the accuracy
  from the parameters; a parameter's importance is the variance over the space, uniformly (aspect ratios
  logarithmically), of what they say when all other parameters are averaged out: its main effect. Optuna's evaluator
  does the same with scikit-learn, which mi_tune does not install; see `analysis.forest`.
- `towards`: PED-ANOVA (Watanabe, Bansal and Hutter 2023) by Optuna: how far the density of a parameter among the
  better laws differs (Pearson divergence) from its density among all laws tried. The better laws are the best ranks of
  non-dominated sorting that hold at least a quarter of the laws, the front being the first rank. It looks at one
  parameter at a time: one that a searcher only tried together with a good one looks good itself.
- `along`: functional ANOVA of the position along the front, among the laws near it: the best ranks that hold at least
  half of the laws. With both accuracies scaled to run from 0 to 1 over the front, the position is the mean of
  the natural accuracy given up and the attack accuracy avoided: 0 at the accurate end, 1 at the private one. Away
  from the front at right angles (as much lost on one as on the other) it does not change.

Limits. A study of 24 to 48 laws shows strong main effects and hides weak ones: intervals are wide, and a parameter
with a tenth of the variance is usually not told from nothing. Effects of combinations have no bar (`alone` says how
much is left for them). A model-based search tries most laws where it expects the front, so that parameters come in
bundles: trees share an effect among those that moved together, and only more laws away from the front part
them. The span of areas is the one that the law has, cut at the largest possible area, and is bound to the least area.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, create_trial
from scipy.stats import qmc

from analysis.statistics.forest import Cells, parts_of
from analysis.statistics.ranks import best_ranks, position_along
from analysis.statistics.records import Study
from analysis.statistics.resampling import between
from analysis.statistics.searched import SearchedLaws, searched_laws
from mi_tune.judging.intervals import Estimate
from mi_tune.runtime.seeds import derive_seed
from mi_tune.search.geometry import quantile_of

QUESTIONS = ("natural", "attack", "towards", "along")
TITLES = {
    "natural": "Natural accuracy",
    "attack": "Attack accuracy",
    "towards": "Towards the front",
    "along": "Along the front",
}
LABELS = {
    "probability": "probability",
    "area_low": "least area",
    "area_span": "span of areas",
    "aspect_max": "largest aspect ratio",
    "location": "location",
    "fill": "fill",
    "count": "rectangles",
    "clean_epochs": "clean epochs",
}
LEAST_LAWS = 12
"""Laws without which nothing is said about an objective."""
LEAST_COMPLETE = 20
"""Complete laws without which nothing is said about the front: half of them are near it, a quarter are better."""
BETTER, NEAR = 0.25, 0.5
RESAMPLES, TREES = 300, 8
PED_RESAMPLES = 100
"""Optuna needs about ten milliseconds for each."""
LEVEL = 0.95
COPIES = 8


@dataclass(frozen=True)
class Importance:
    """An answer.

    shares: share of each parameter with a 95 % bootstrap interval over laws, by falling value; they add up to 1.
    nothing: share that a parameter which does nothing would have to exceed by luck; one of all parameters does so in 1
    of 20 such questions. laws: how many were looked at; better: how many of them are the better part (`towards`).
    predicted: R² of the trees on laws that they were not grown from, at most 1, 0 or less for no use (not `towards`).
    alone: share of the trees' variance that is main effects, in [0, 1]; the rest is combinations (not `towards`).
    """

    question: str
    shares: dict[str, Estimate]
    nothing: dict[str, float]
    laws: int
    better: int | None = None
    predicted: float | None = None
    alone: float | None = None

    def told(self, name: str) -> bool:
        """Whether the parameter's share is told from that of a parameter that does nothing."""
        useful = self.predicted is None or self.predicted > 0
        return useful and self.shares[name].value > self.nothing[name]


@dataclass(frozen=True)
class Unanswered:
    """A question that this study cannot answer, and why."""

    question: str
    why: str


def importances(study: Study) -> list[Importance | Unanswered]:
    """The four questions in the order of `QUESTIONS`; the same study gives the same answers.

    Raises:
        InputError: the study's searched space cannot be read.
    """
    laws = searched_laws(study)
    return [answer(laws, question) for question in QUESTIONS]


def answer(laws: SearchedLaws, question: str) -> Importance | Unanswered:
    """The answer to one of `QUESTIONS`; `laws` may come from anywhere, such as a formula."""
    if len(laws.space) < 2:
        return Unanswered(question, "Fewer than two parameters were searched: there is nothing to compare.")
    complete = np.flatnonzero(np.isfinite(laws.attack))
    counted = np.arange(len(laws.natural)) if question == "natural" else complete
    least = LEAST_LAWS if question in ("natural", "attack") else LEAST_COMPLETE
    if len(counted) < least:
        kind = "measured" if question == "natural" else "complete"
        return Unanswered(question, f"Too few laws: {len(counted)} {kind}, and this needs {least}.")
    natural, attack = laws.natural[counted], laws.attack[counted]
    points = [laws.points[k] for k in counted]
    if question == "towards":
        return _towards(laws.space, points, natural, attack)
    if question == "along":
        return _along(laws.space, points, natural, attack)
    target = natural if question == "natural" else attack
    if np.ptp(target) == 0:
        return Unanswered(question, "All laws have the same accuracy: no parameter moves it.")
    return _anova(question, laws.space, points, target, lambda bags: bags)


# ------------------------------------------------------------------------------------------------------- the front


def _towards(
    space: dict[str, BaseDistribution], points: list[dict[str, Any]], natural: np.ndarray, attack: np.ndarray
) -> Importance | Unanswered:
    better, count = best_ranks(natural, attack, BETTER), len(points)
    if better.sum() > 0.75 * count:
        return Unanswered(
            "towards", f"{better.sum()} of {count} laws are equally good: there are too few others to compare with."
        )
    trials = [create_trial(params=p, distributions={name: space[name] for name in p}, value=0.0) for p in points]
    rng = np.random.default_rng(derive_seed(0, "importance", "towards"))
    names = list(space)
    whole = _study_of(trials)
    found = _divergence(whole, names, better)
    draws = []
    for _ in range(PED_RESAMPLES):
        drawn = rng.integers(count, size=count)
        best = best_ranks(natural, attack, BETTER, np.bincount(drawn, minlength=count))
        draws.append(_shares(_divergence(_study_of([trials[k] for k in drawn]), names, best[drawn])))
    null = np.array([_divergence(whole, names, rng.permutation(better)) for _ in range(PED_RESAMPLES)])
    shares = _shares(found)
    luck = _luck(null / max(found.sum(), 1e-12), shares)
    return _sorted("towards", names, shares, np.array(draws), luck, laws=count, better=int(better.sum()))


def _study_of(trials: list[FrozenTrial]) -> optuna.Study:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study()
    optuna.logging.set_verbosity(verbosity)
    study.add_trials(trials)
    return study


def _divergence(study: optuna.Study, names: list[str], better: np.ndarray) -> np.ndarray:
    """PED-ANOVA's importance of each parameter for being one of the `better` trials, bool (trials,)."""
    if better.all():
        return np.zeros(len(names))
    # half a trial less: Optuna rounds up
    evaluator = PedAnovaImportanceEvaluator(target_quantile=(better.sum() - 0.5) / len(better))
    with warnings.catch_warnings():
        # that low targets are taken for good, and that one law without rectangles tells little about rectangles
        warnings.simplefilter("ignore")
        found = evaluator.evaluate(study, params=names, target=lambda trial: float(not better[trial.number]))
    return np.array([found[name] for name in names])


def _along(
    space: dict[str, BaseDistribution], points: list[dict[str, Any]], natural: np.ndarray, attack: np.ndarray
) -> Importance | Unanswered:
    position = position_along(natural, attack)
    if position is None:
        return Unanswered("along", "One law is the best at both accuracies: there is no front to move along.")

    def near(bags: np.ndarray) -> np.ndarray:
        return bags * np.array([best_ranks(natural, attack, NEAR, bag) for bag in bags])

    return _anova("along", space, points, position, near)


# ------------------------------------------------------------------------------------------------ functional ANOVA


def _anova(
    question: str,
    space: dict[str, BaseDistribution],
    points: list[dict[str, Any]],
    target: np.ndarray,
    counted: Callable[[np.ndarray], np.ndarray],
) -> Importance:
    """Shares of the variance of `target` over the space; `counted` says how often the laws of a bag count, int (bags,
    laws) to the same."""
    rng = np.random.default_rng(derive_seed(0, "importance", question))
    cells, count, names = Cells.of(list(space.values())), len(points), list(space)
    law, units = _rows(space, points, rng)
    rows = cells.at(units)
    per_row = 1 / np.bincount(law)[law]
    once = counted(np.ones((1, count), dtype=int))
    inside = np.flatnonzero(once[0])

    def grow(bags: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        weights = np.repeat(bags, TREES, 0)[:, law] * per_row
        parts = parts_of(cells, rows[None], target[law], weights[None], rng)
        said = parts.said[0].reshape(len(bags), TREES, -1).mean(1)
        alone = parts.alone[0].reshape(len(bags), TREES, -1).mean(1)
        return alone, parts.total[0].reshape(len(bags), TREES).mean(1), said

    alone, total, _ = (part.mean(0) for part in grow(np.repeat(once, 32, 0)))
    shares = _shares(alone)

    bags = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    draws, _, said = grow(counted(bags))
    left_out = (bags == 0)[:, law]
    guess = (said * left_out).sum(0) / np.maximum(left_out.sum(0), 1)
    weight = once[0][law] * per_row
    centre = np.average(target[law], weights=weight)
    error, spread = ((target[law] - to) ** 2 @ weight for to in (guess, centre))

    # every parameter again beside itself, its values dealt out to other laws (Kursa and Rudnicki 2010, Boruta)
    kept = np.flatnonzero(once[0][law])
    dealt = np.array([rng.permutation(inside) for _ in range(RESAMPLES)])[:, np.searchsorted(inside, law[kept])]
    one_row = np.searchsorted(law, np.arange(count)) + rng.integers(np.bincount(law), size=(RESAMPLES, count))
    shadow = rows[np.take_along_axis(one_row, dealt, 1)]
    both = np.concatenate([np.broadcast_to(rows[kept], shadow.shape), shadow], -1)
    weights = np.broadcast_to(per_row[kept], (RESAMPLES, TREES, len(kept)))
    found = parts_of(cells.twice(), both, target[law[kept]], weights, rng).alone.mean(1)
    real, shade = found[:, : len(names)].sum(1).mean(), found[:, len(names) :]
    return _sorted(
        question,
        names,
        shares,
        np.array([_shares(draw) for draw in draws]),
        _luck(shade / max(real, 1e-12), shares),
        laws=len(inside),
        predicted=float(1 - error / spread) if spread > 0 else None,
        alone=float(min(1.0, alone.sum() / total)) if total > 0 else None,
    )


def _rows(
    space: dict[str, BaseDistribution], points: list[dict[str, Any]], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Laws as points of the unit cube: the law of each, int (rows,), ascending, and the points (rows, parameters).

    A law that never erases stands for all laws of its probability, whatever their rectangles: it is several points.
    """
    law, units = [], []
    for number, point in enumerate(points):
        known = np.array([name in point for name in space])
        values = [quantile_of(space[name], point[name]) if name in point else np.nan for name in space]
        copies = 1 if known.all() else COPIES
        anywhere = qmc.LatinHypercube(len(space), rng=rng).random(copies)
        law += [number] * copies
        units.append(np.where(known, values, anywhere))
    return np.array(law), np.concatenate(units)


# --------------------------------------------------------------------------------------------------------- shares


def _shares(found: np.ndarray) -> np.ndarray:
    """Importances (parameters,) as shares of their sum; equal ones where all are 0."""
    total = found.sum()
    return found / total if total > 0 else np.full(len(found), 1 / len(found))


def _luck(null: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The share that each parameter would reach by luck, (parameters,).

    `null`, (draws, parameters), holds importances of parameters that do nothing, in units of the sum of those found.
    Each has its own scale; on it, the largest of all parameters stays below in LEVEL of the draws. That importance
    beside those found for the other parameters is the share.
    """
    scale = np.maximum(null.mean(0), 1e-12)
    reached = np.quantile((null / scale).max(1), LEVEL) * scale
    return reached / np.maximum(reached + 1 - shares, 1e-12)


def _sorted(
    question: str,
    names: list[str],
    shares: np.ndarray,
    draws: np.ndarray,
    luck: np.ndarray,
    **more: Any,
) -> Importance:
    order = np.argsort(-shares, kind="stable")
    return Importance(
        question,
        {names[k]: between(shares[k], draws[:, k], LEVEL) for k in order},
        {names[k]: float(luck[k]) for k in order},
        **more,
    )


# ------------------------------------------------------------------------------------------------------- in words


def asked(answer: Importance) -> str:
    """What the bars of an answer are shares of, and over which laws."""
    return {
        "natural": f"What moves natural accuracy, over {answer.laws} laws.",
        "attack": f"What moves attack accuracy, over {answer.laws} laws.",
        "towards": f"What sets the {answer.better} laws on or next to the front apart from all {answer.laws}.",
        "along": f"What decides between an accurate and a private place, among the {answer.laws} laws near the front.",
    }[answer.question]


def in_words(answer: Importance) -> str:
    """What an answer says, in a few sentences with numbers."""
    if answer.predicted is not None and answer.predicted <= 0:
        return (
            "Nothing can be read from these bars: the trees predict laws that they have not seen no better than the "
            f"mean does (R² {answer.predicted:.2f})."
        )
    told = [name for name in answer.shares if answer.told(name)]
    if told:
        parts = [f"{LABELS[name]} ({_percent(answer.shares[name])})" for name in told]
        text = f"Told from nothing: {', '.join(parts)}."
    else:
        text = "No parameter is told from one that does nothing."
    if answer.predicted is not None and answer.alone is not None:
        text += (
            f" The trees predict laws that they have not seen with R² {answer.predicted:.2f}; "
            f"{1 - answer.alone:.0%} of the variance in what they say is in combinations of parameters and in no bar."
        )
    return text


def _percent(share: Estimate) -> str:
    return f"{share.value:.0%} [{share.low * 100:.0f}, {share.high * 100:.0f}]"
