"""Importance of each parameter of the law for both accuracies, for reaching the front and for the place along it.

There are four questions. Each is answered by one share per searched parameter. The shares of a question add up to 1 by
construction, so a parameter without effect also gets a share, by luck: `Importance.luck` says how large it can be.

- `natural`, `attack`: functional ANOVA (Hutter et al. 2014) of each accuracy over all laws. Regression trees learn the
  accuracy from the parameters. The importance of a parameter is its main effect: the variance, over the uniform space
  (aspect ratios on a log scale), of the prediction averaged over all other parameters. Optuna's evaluator does the
  same with scikit-learn, which mi_tune does not install; see `analysis.statistics.forest`.
- `towards`: PED-ANOVA (Watanabe, Bansal and Hutter 2023), by Optuna: the Pearson divergence between the density of a
  parameter among the better laws and its density among all tried laws. The better laws are the best ranks of
  non-dominated sorting that hold at least a quarter of the laws; the front is the first rank. PED-ANOVA looks at one
  parameter at a time, so a parameter that was only tried together with a good one looks important too.
- `along`: functional ANOVA of the position along the front, among the laws near it (the best ranks that hold at least
  half of the laws). Both accuracies are scaled to run from 0 to 1 over the front. The position is the mean of the
  natural accuracy lost and the attack accuracy avoided: 0 at the accurate end, 1 at the private end. It does not
  change at right angles to the front, where a law loses as much on one accuracy as on the other.

Limits. A study of 24 to 48 laws shows strong main effects and hides weak ones: intervals are wide, and a parameter
with a tenth of the variance usually does not exceed luck. Interactions have no bar (`main_effects` says how much
variance is left for them). A model-based search tries most laws where it expects the front, so parameters vary
together there. Trees share an effect among the parameters that varied together, and only more laws away from the front
can separate them. The span of areas is the law's own, cut at the largest possible area; it depends on the least area.
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

from analysis.statistics.forest import Cells, grow_trees
from analysis.statistics.ranks import best_ranks, position_along
from analysis.statistics.records import Study
from analysis.statistics.resampling import percentile_estimate
from analysis.statistics.searched import SearchedLaws, searched_laws
from mi_tune.defences.registry import DEFENCES
from mi_tune.judging.intervals import Estimate
from mi_tune.runtime.seeds import derive_seed
from mi_tune.search.geometry import quantile_of
from mi_tune.search.mixes import ERASING

QUESTIONS = ("natural", "attack", "towards", "along")
TITLES = {
    "natural": "Natural accuracy",
    "attack": "Attack accuracy",
    "towards": "Towards the front",
    "along": "Along the front",
}
LABELS = {
    ERASING: "random erasing",
    "probability": "probability",
    "area_low": "least area",
    "area_span": "span of areas",
    "aspect_max": "largest aspect ratio",
    "location": "location",
    "fill": "fill",
    "count": "rectangles",
    "clean_epochs": "clean epochs",
}


def label_of(name: str) -> str:
    """A searched parameter in words: of the law, the switch of a defence, or one of its parameters."""
    kind, _, parameter = name.partition(".")
    if kind in DEFENCES:
        return f"{DEFENCES[kind].title} {parameter}".strip()
    return LABELS[name]


MIN_LAWS = 12
"""Least number of laws for a question about one accuracy."""
MIN_COMPLETE_LAWS = 20
"""Least number of complete laws for a question about the front."""
BETTER_SHARE, NEAR_FRONT_SHARE = 0.25, 0.5
"""Least shares of the laws that count as better (`towards`) and as near the front (`along`)."""
BAGS, TREES = 300, 8
PED_RESAMPLES = 100
"""Fewer, because Optuna needs about ten milliseconds for each."""
CONFIDENCE_LEVEL = 0.95
POINTS_PER_UNERASED_LAW = 8
"""Points that stand for a law that never erases, whose other parameters have no value."""


@dataclass(frozen=True)
class Importance:
    """The answer to one of `QUESTIONS`.

    shares: share of each parameter, with a 95 % bootstrap interval over laws, in decreasing order; they add up to 1.
    luck: the share that each parameter can reach without any effect. If no parameter has an effect, one of them
    exceeds its value in 1 of 20 questions. laws: number of laws used. better: number of the better ones (`towards`).
    r_squared: out-of-bag R² of the trees, that is on laws that they were not fitted to; at most 1, and useless at 0 or
    below (None for `towards`). main_effects: share of the trees' variance in main effects, in [0, 1]; the rest is
    interactions (None for `towards`).
    """

    question: str
    shares: dict[str, Estimate]
    luck: dict[str, float]
    laws: int
    better: int | None = None
    r_squared: float | None = None
    main_effects: float | None = None

    def above_luck(self, name: str) -> bool:
        """Whether the parameter's share is larger than a parameter without effect can reach by luck."""
        useful = self.r_squared is None or self.r_squared > 0
        return useful and self.shares[name].value > self.luck[name]


@dataclass(frozen=True)
class Unanswered:
    """A question that this study cannot answer, with the reason."""

    question: str
    why: str


def importances(study: Study) -> list[Importance | Unanswered]:
    """The answers to the four `QUESTIONS`, in their order. The same study always gives the same answers.

    Raises:
        InputError: the study's searched space cannot be read.
    """
    laws = searched_laws(study)
    return [answer(laws, question) for question in QUESTIONS]


def answer(laws: SearchedLaws, question: str) -> Importance | Unanswered:
    """The answer to one of `QUESTIONS`. The laws need not come from a study; a formula will do."""
    if len(laws.space) < 2:
        return Unanswered(question, "Fewer than two parameters were searched, so there is nothing to compare.")
    complete = np.flatnonzero(np.isfinite(laws.attack))
    counted = np.arange(len(laws.natural)) if question == "natural" else complete
    needed = MIN_LAWS if question in ("natural", "attack") else MIN_COMPLETE_LAWS
    if len(counted) < needed:
        kind = "measured" if question == "natural" else "complete"
        return Unanswered(question, f"Too few laws: {len(counted)} are {kind}, and this question needs {needed}.")
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
    better, count = best_ranks(natural, attack, BETTER_SHARE), len(points)
    if better.sum() > 0.75 * count:
        return Unanswered(
            "towards", f"{better.sum()} of {count} laws are equally good, so too few others are left to compare with."
        )
    trials = [create_trial(params=p, distributions={name: space[name] for name in p}, value=0.0) for p in points]
    rng = np.random.default_rng(derive_seed(0, "importance", "towards"))
    names = list(space)
    whole = _study_of(trials)
    found = _divergence(whole, names, better)
    draws = []
    for _ in range(PED_RESAMPLES):
        drawn = rng.integers(count, size=count)
        best = best_ranks(natural, attack, BETTER_SHARE, np.bincount(drawn, minlength=count))
        draws.append(_shares(_divergence(_study_of([trials[k] for k in drawn]), names, best[drawn])))
    null = np.array([_divergence(whole, names, rng.permutation(better)) for _ in range(PED_RESAMPLES)])
    shares = _shares(found)
    luck = _luck_shares(null / max(found.sum(), 1e-12), shares)
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
    # half a trial less, because Optuna rounds up
    evaluator = PedAnovaImportanceEvaluator(target_quantile=(better.sum() - 0.5) / len(better))
    with warnings.catch_warnings():
        # Optuna warns that it takes low targets for good, and that a law without rectangles says little about them
        warnings.simplefilter("ignore")
        found = evaluator.evaluate(study, params=names, target=lambda trial: float(not better[trial.number]))
    return np.array([found[name] for name in names])


def _along(
    space: dict[str, BaseDistribution], points: list[dict[str, Any]], natural: np.ndarray, attack: np.ndarray
) -> Importance | Unanswered:
    position = position_along(natural, attack)
    if position is None:
        return Unanswered("along", "One law is the best at both accuracies, so there is no front to move along.")

    def near(bags: np.ndarray) -> np.ndarray:
        return bags * np.array([best_ranks(natural, attack, NEAR_FRONT_SHARE, bag) for bag in bags])

    return _anova("along", space, points, position, near)


# ------------------------------------------------------------------------------------------------ functional ANOVA


def _anova(
    question: str,
    space: dict[str, BaseDistribution],
    points: list[dict[str, Any]],
    target: np.ndarray,
    counted: Callable[[np.ndarray], np.ndarray],
) -> Importance:
    """Shares of the variance of `target` over the space.

    counted: maps how often each law is in each bootstrap sample, int (samples, laws), to how often it counts.
    """
    rng = np.random.default_rng(derive_seed(0, "importance", question))
    cells, count, names = Cells.of(list(space.values())), len(points), list(space)
    law, units = _rows(space, points, rng)
    rows = cells.at(units)
    per_row = 1 / np.bincount(law)[law]
    once = counted(np.ones((1, count), dtype=int))
    inside = np.flatnonzero(once[0])

    def grow(bags: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        weights = np.repeat(bags, TREES, 0)[:, law] * per_row
        parts = grow_trees(cells, rows[None], target[law], weights[None], rng)
        predictions = parts.predictions[0].reshape(len(bags), TREES, -1).mean(1)
        main = parts.main_effects[0].reshape(len(bags), TREES, -1).mean(1)
        return main, parts.total[0].reshape(len(bags), TREES).mean(1), predictions

    main, total, _ = (part.mean(0) for part in grow(np.repeat(once, 32, 0)))
    shares = _shares(main)

    bags = rng.multinomial(count, np.full(count, 1 / count), size=BAGS)
    draws, _, predictions = grow(counted(bags))
    left_out = (bags == 0)[:, law]
    out_of_bag = (predictions * left_out).sum(0) / np.maximum(left_out.sum(0), 1)
    weight = once[0][law] * per_row
    centre = np.average(target[law], weights=weight)
    error, variance = ((target[law] - to) ** 2 @ weight for to in (out_of_bag, centre))

    # shadow features: each parameter once more, its values permuted among the laws (Boruta; Kursa and Rudnicki 2010)
    kept = np.flatnonzero(once[0][law])
    permuted = np.array([rng.permutation(inside) for _ in range(BAGS)])[:, np.searchsorted(inside, law[kept])]
    one_row = np.searchsorted(law, np.arange(count)) + rng.integers(np.bincount(law), size=(BAGS, count))
    shadow = rows[np.take_along_axis(one_row, permuted, 1)]
    both = np.concatenate([np.broadcast_to(rows[kept], shadow.shape), shadow], -1)
    weights = np.broadcast_to(per_row[kept], (BAGS, TREES, len(kept)))
    found = grow_trees(cells.doubled(), both, target[law[kept]], weights, rng).main_effects.mean(1)
    real, null = found[:, : len(names)].sum(1).mean(), found[:, len(names) :]
    return _sorted(
        question,
        names,
        shares,
        np.array([_shares(draw) for draw in draws]),
        _luck_shares(null / max(real, 1e-12), shares),
        laws=len(inside),
        r_squared=float(1 - error / variance) if variance > 0 else None,
        main_effects=float(min(1.0, main.sum() / total)) if total > 0 else None,
    )


def _rows(
    space: dict[str, BaseDistribution], points: list[dict[str, Any]], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Laws as points of the unit cube: the law of each, int (rows,), ascending, and the points, (rows, parameters).

    A law that never erases stands for any rectangle parameters, so it becomes several points spread over them.
    """
    law, units = [], []
    for number, point in enumerate(points):
        known = np.array([name in point for name in space])
        values = [quantile_of(space[name], point[name]) if name in point else np.nan for name in space]
        copies = 1 if known.all() else POINTS_PER_UNERASED_LAW
        anywhere = qmc.LatinHypercube(len(space), rng=rng).random(copies)
        law += [number] * copies
        units.append(np.where(known, values, anywhere))
    return np.array(law), np.concatenate(units)


# --------------------------------------------------------------------------------------------------------- shares


def _shares(found: np.ndarray) -> np.ndarray:
    """Importances (parameters,) as shares of their sum; equal shares if all are 0."""
    total = found.sum()
    return found / total if total > 0 else np.full(len(found), 1 / len(found))


def _luck_shares(null: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The share that each parameter can reach by luck, (parameters,), corrected for the number of parameters.

    null: importances of parameters without effect, in units of the sum of the found importances, (draws, parameters).
    Each parameter is scaled by its mean. The threshold is the quantile CONFIDENCE_LEVEL of the largest scaled value.
    It becomes a share beside the importances found for the other parameters.
    """
    scale = np.maximum(null.mean(0), 1e-12)
    reached = np.quantile((null / scale).max(1), CONFIDENCE_LEVEL) * scale
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
        {names[k]: percentile_estimate(shares[k], draws[:, k], CONFIDENCE_LEVEL) for k in order},
        {names[k]: float(luck[k]) for k in order},
        **more,
    )


# ------------------------------------------------------------------------------------------------------- in words


def question_text(answer: Importance) -> str:
    """The question as a sentence, with the number of laws."""
    return {
        "natural": f"What changes natural accuracy, over {answer.laws} laws.",
        "attack": f"What changes attack accuracy, over {answer.laws} laws.",
        "towards": f"What distinguishes the {answer.better} laws on or next to the front from all {answer.laws} laws.",
        "along": f"What makes a law more accurate or more private, among the {answer.laws} laws near the front.",
    }[answer.question]


def answer_text(answer: Importance) -> str:
    """The answer in a few sentences with numbers."""
    if answer.r_squared is not None and answer.r_squared <= 0:
        return (
            "Nothing can be concluded from these bars: for laws that they were not fitted to, the trees predict no "
            f"better than the mean (R² {answer.r_squared:.2f})."
        )
    names = [name for name in answer.shares if answer.above_luck(name)]
    if names:
        parts = [f"{label_of(name)} ({_percent(answer.shares[name])})" for name in names]
        text = f"Larger than luck explains: {', '.join(parts)}."
    else:
        text = "No share is larger than luck explains."
    if answer.r_squared is not None and answer.main_effects is not None:
        text += (
            f" For laws that they were not fitted to, the trees predict with R² {answer.r_squared:.2f}. "
            f"Of the variance of their predictions, {1 - answer.main_effects:.0%} comes from combinations of "
            "parameters; no bar shows it."
        )
    return text


def _percent(share: Estimate) -> str:
    return f"{share.value:.0%} [{share.low * 100:.0f}, {share.high * 100:.0f}]"
