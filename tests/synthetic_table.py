"""A table of trials whose truth is known: accuracies that follow the law smoothly, seen through classes and seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special
from scipy.stats import qmc

from mi_tune.erasing import REFERENCE_LAWS, ErasingLaw
from mi_tune.search.geometry import Geometry
from mi_tune.search.space import distributions, law_from, params_of
from mi_tune.setup import Space

SPACE = Space(probability=(0.0, 1.0), area_low=(0.02, 0.7), area_span=(0.0, 0.7), aspect_max=(1.0, 3.3))
PEOPLE, IMAGES, KEPT = 30, 5, 4
FRACTIONS = (1 / 9, 1 / 3, 1.0)
TRAIN, LOOK, CHEAP, ATTACK = 20.0, 0.3, 1.0, 6.0
"""Seconds of a whole training, a look at natural accuracy, the cheap attack and the study's."""


def true_accuracies(law: ErasingLaw) -> tuple[np.ndarray, np.ndarray, float]:
    """Natural accuracy and that of the cheap attack at every rung, (3,) each, and of the attack at the last."""
    share = law.probability * (law.area[0] + law.area[1]) / 2
    kind = {"inside": 0.0, "overflow": 0.03, "periphery": 0.06}[law.location]
    fill = {"midre": 0.0, "mean": 0.04, "noise": -0.05}.get(str(law.fill), 0.0)
    heavy = law.probability * max(0.0, law.area[1] - 0.6)
    natural = 0.93 - 0.5 * share**2 - 0.6 * heavy**2 + 0.3 * share * kind
    attack = (
        0.75 - 1.1 * share * (1 + fill) + 0.5 * share**2 - 0.2 * share * kind + 0.05 * np.log(law.aspect[1]) * share
    )
    slowness = np.array([0.45 + 0.5 * share, 0.15 + 0.3 * share, 0.0])
    naturals = np.clip(natural - slowness, 0.03, 0.99)
    attack = float(np.clip(attack, 0.02, 0.98))
    cheap = np.clip(0.7 * attack * np.array([0.5, 0.8, 1.0]), 0.01, 0.98)
    return naturals, cheap, attack


def make_table(laws: int = 60, seeds: int = 2, seed: int = 0) -> tuple[pd.DataFrame, dict]:
    """Rows and description as `studies/benchmarks/tabulate_trials.py` writes them; the reference laws come first."""
    rng = np.random.default_rng(seed)
    geometry = Geometry(distributions(SPACE))
    units = qmc.Sobol(len(geometry.names), rng=rng).random(512)[: laws - len(REFERENCE_LAWS)]
    known = [(name, law, params_of(SPACE, law)) for name, law in REFERENCE_LAWS.items()]
    known += [("", law_from(SPACE, p), p) for p in (geometry.params(unit) for unit in units)]
    ease = rng.standard_normal(PEOPLE)
    rows = []
    for number, (reference, law, params) in enumerate(known):
        natural, cheap, attack = true_accuracies(law)
        for run in range(seeds):
            luck = 0.25 * rng.standard_normal(2)
            person = ease + 0.5 * rng.standard_normal(PEOPLE)
            for rung, fraction in enumerate(FRACTIONS):

                def hits(rate: float, tries: int, shift: float, person: np.ndarray = person) -> np.ndarray:
                    odds = special.logit(rate) * 1.3 + shift + person
                    return rng.binomial(tries, special.expit(odds)).astype(np.uint8)

                seen = hits(natural[rung], IMAGES, luck[0])
                cheaply = hits(cheap[rung], KEPT, luck[1])
                fully = hits(attack, KEPT, luck[1]) if rung == 2 else None
                rows.append(
                    {
                        "law": number,
                        "reference": reference,
                        **{name: params[name] for name in geometry.names},
                        "seed": run,
                        "rung": rung,
                        "fraction": fraction,
                        "epochs": round(90 * fraction),
                        "natural_accuracy": seen.mean() / IMAGES,
                        "cheap_attack_accuracy": cheaply.mean() / KEPT,
                        "attack_accuracy": np.nan if fully is None else fully.mean() / KEPT,
                        "train_seconds": TRAIN * fraction * rng.uniform(0.95, 1.05),
                        "evaluate_seconds": LOOK,
                        "cheap_attack_seconds": CHEAP,
                        "attack_seconds": 0.0 if fully is None else ATTACK,
                        "state": "complete",
                        "reason": "",
                        "natural_hits": seen,
                        "cheap_hits": cheaply,
                        "attack_hits": fully,
                    }
                )
    about = {
        "space": SPACE.model_dump(mode="json"),
        "trials": {"natural": [IMAGES] * PEOPLE, "cheap": [KEPT] * PEOPLE, "attack": [KEPT] * PEOPLE},
    }
    return pd.DataFrame(rows), about


def some_laws(n: int = 100, seed: int = 1) -> list[ErasingLaw]:
    """Laws drawn evenly from SPACE."""
    geometry = Geometry(distributions(SPACE))
    units = np.random.default_rng(seed).random((n, len(geometry.names)))
    return [law_from(SPACE, geometry.params(unit)) for unit in units]
