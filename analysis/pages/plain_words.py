"""The three sentences at the head of a report, for readers who do not know the field: the cost, the gain, how sure.

No symbol and no term stands in them; shares are given as "so many of 100".
"""

from __future__ import annotations

import pandas as pd

from analysis.statistics.control_line import control_line, gain_of
from analysis.statistics.evidence import Evidence
from analysis.statistics.recommendation import difference, recommend
from analysis.statistics.records import Study
from mi_tune.judging.intervals import Estimate
from mi_tune.trial.ceiling import LOW_CEILING
from mi_tune.trial.point import UNDEFENDED

COST, GAIN, SURE = "What it costs", "What it buys", "How sure that is"
OUTSIDE = "an independent recogniser that has never seen these people"
INSIDE = "a program that was trained to know these people"


def study_sentences(study: Study, allowed_loss: float) -> list[tuple[str, str]]:
    """The three sentences of a study, each with its title; none without a complete law beside the one without defence.

    Args:
        allowed_loss: of natural accuracy, as for `recommend`.
    """
    found, undefended = recommend(study, allowed_loss), study.undefended
    if found is None or undefended is None or len(study.complete) < 2:
        return []
    outside = pd.notna(undefended.recognised)
    column, who = ("recognised", OUTSIDE) if outside else ("attack_accuracy", INSIDE)
    if found.trial == undefended.trial:
        return [
            (COST, "Nothing: no way of hiding parts of the training pictures was worth its cost here."),
            (
                GAIN,
                f"{_without(float(undefended[column]), who)}, and hiding parts of the pictures did not improve on it.",
            ),
            (SURE, "Nothing was gained, so there is nothing to be sure of." + _ceiling(study)),
        ]
    law = study.trials.loc[found.trial]
    way = (
        "Trained with the recommended defences"
        if study.treatment(found.trial).defences
        else "Hiding parts of the training pictures in the recommended way"
    )
    cost = (
        f"{way}, the classifier names the right person in "
        f"{_of_100(law.natural_accuracy)} new photographs, instead of {_of_100(undefended.natural_accuracy)} "
        "without it."
    )
    gain = (
        f"{_without(float(undefended[column]), who)}, and {_of_100(law[column])} with it."
        if pd.notna(law[column])
        else f"{_without(float(undefended[column]), who)}; with it, nobody has looked."
    )
    change = difference(study, found.trial, int(undefended.trial), column)
    line = control_line(study, column)
    gained = gain_of(study, line, found.trial, column) if line is not None else None
    more = (
        _controls(change, gained.points if gained is not None else None) + _once(study, found.trial) + _ceiling(study)
    )
    return [(COST, cost), (GAIN, gain + _guessing(study, undefended, column)), (SURE, _how_sure(change) + more)]


def confirmation_sentences(evidence: Evidence) -> list[tuple[str, str]]:
    """The three sentences of a confirmation, on the erasing law that leaks least; none if no law was attacked."""
    confirmation = evidence.confirmation
    attacked = [(law, found) for law in confirmation.defended if (found := evidence.strongest(law.name))]
    without = evidence.strongest(UNDEFENDED)
    if not attacked or without is None:
        return []
    law, leaks = min(attacked, key=lambda one: one[1].drawn.value)
    who = INSIDE if confirmation.headline.saw_private else OUTSIDE
    natural, base = evidence.natural(law.name), evidence.natural(UNDEFENDED)
    cost = (
        f"Trained anew with the best way of hiding parts of the pictures ({law.name}), the classifier names the right "
        f"person in {_of_100(natural.value)} new photographs, instead of {_of_100(base.value)} without it."
    )
    gain = f"{_without(without.drawn.value, who)}, and {_of_100(leaks.drawn.value)} with it."
    change = (leaks.drawn - without.drawn).estimate
    matched = confirmation.matched_stop(law.name)
    stopped = evidence.strongest(matched, attacks=evidence.common_attacks(law.name, matched)) if matched else None
    ours = evidence.strongest(law.name, attacks=evidence.common_attacks(law.name, matched)) if matched else None
    gained = (stopped.drawn - ours.drawn).estimate if stopped is not None and ours is not None else None
    count = confirmation.seeds
    times = f" Each was trained {'once' if count == 1 else 'twice' if count == 2 else f'{count} times'}."
    return [(COST, cost), (GAIN, gain), (SURE, _how_sure(change) + _controls(change, gained) + times)]


def _without(share: float, who: str) -> str:
    return (
        "Somebody who owns the classifier can try to draw its people from it: without protection, "
        f"{who} knows {_of_100(share)} of them by these drawings"
    )


def _of_100(share: float) -> str:
    """A share as a count: `44 of 100`."""
    return f"{round(100 * float(share))} of 100"


def _how_sure(change: Estimate | None) -> str:
    """Whether chance explains a change of a share, and its range."""
    if change is None:
        return "Unknown: the results of the single people are missing."
    value, low, high = -100 * change.value, -100 * change.high, -100 * change.low
    if low > 0:
        return (
            f"With other people, the {round(value)} fewer would be between {round(low)} and {round(high)}, so that "
            "chance alone does not explain them."
        )
    if high < 0:
        return f"It made things worse: {round(-value)} more, and chance alone does not explain them."
    return "Not sure: with other people the difference could as well be nothing, or go the other way."


def _guessing(study: Study, undefended: pd.Series, column: str) -> str:
    """A warning where even without defence nobody may have been recognised."""
    chance = 1 / study.config["data"]["private"]["identities"]
    if undefended[f"{column}_low"] > chance:
        return ""
    return f" Guessing alone would name {_of_100(chance)}, so that the drawings may show nobody at all."


def _controls(change: Estimate | None, gained: Estimate | None) -> str:
    """Whether it is more than what a lesser training gives for the same accuracy; "" if there is no gain at all."""
    if gained is None or change is None or change.high >= 0:
        return ""
    if gained.low > 0:
        return " Simply training less, to be as often right without hiding anything, protects less."
    return " But simply training less, to be as often right without hiding anything, may protect just as well."


def _once(study: Study, trial: int) -> str:
    """How often the law was trained."""
    times = int(study.trials.loc[trial].replicates) if pd.notna(study.trials.loc[trial].replicates) else 0
    return " It was trained only once, and another training may come out differently." if times == 1 else ""


def _ceiling(study: Study) -> str:
    """A warning where the attacker's drawings could not have been recognised anyway."""
    told = next((one for one in study.config.get("ceilings") or [] if one["outside"]), None)
    if told is None or told["drawn"] >= LOW_CEILING:
        return ""
    return (
        f" Beware: even drawings of the real photographs would be known for only {_of_100(told['drawn'])} of the "
        "people, so that low numbers say little about the classifier."
    )
