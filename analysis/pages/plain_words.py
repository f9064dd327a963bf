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
INSIDE = "a second program, taught to know these people,"


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
    mixed = bool(study.treatment(found.trial).defences)
    way = "is trained with the recommended defences" if mixed else "learns from pictures with parts hidden as advised"
    cost = _cost(way, law.natural_accuracy, undefended.natural_accuracy)
    protected = "with the defences" if mixed else "where parts are hidden"
    gain = (
        f"{_without(float(undefended[column]), who)}, and still {_of_100(law[column])} {protected}."
        if pd.notna(law[column])
        else f"{_without(float(undefended[column]), who)}; {protected}, nobody has looked."
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
    cost = _cost(f"learns with the best protection ({law.name})", natural.value, base.value)
    gain = f"{_without(without.drawn.value, who)}, and still {_of_100(leaks.drawn.value)} with that protection."
    change = (leaks.drawn - without.drawn).estimate
    matched = confirmation.matched_stop(law.name)
    stopped = evidence.strongest(matched, attacks=evidence.common_attacks(law.name, matched)) if matched else None
    ours = evidence.strongest(law.name, attacks=evidence.common_attacks(law.name, matched)) if matched else None
    gained = (stopped.drawn - ours.drawn).estimate if stopped is not None and ours is not None else None
    count = confirmation.seeds
    times = f" Each was trained {'once' if count == 1 else 'twice' if count == 2 else f'{count} times'}."
    return [(COST, cost), (GAIN, gain), (SURE, _how_sure(change) + _controls(change, gained) + times)]


def _cost(way: str, share: float, undefended: float) -> str:
    return (
        f"A program that {way} names the right person in {_of_100(share)} new photographs; one without protection, in "
        f"{_of_100(undefended)}."
    )


def _without(share: float, who: str) -> str:
    return (
        "Whoever has a copy of the program can try to draw the people that it knows. From such drawings "
        f"{who} recognises {_of_100(share)} people without protection"
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
            f"With other people, the drop of about {round(value)} of 100 would likely be between {round(low)} and "
            f"{round(high)}, so it is hardly luck in who was chosen."
        )
    if high < 0:
        return f"It made things worse: about {round(-value)} of 100 more, hardly by luck in who was chosen."
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
        return " Training less, without protection, until as often right, protects less."
    return " But training less, without protection, until as often right, may protect equally well."


def _once(study: Study, trial: int) -> str:
    """How often the law was trained."""
    times = int(study.trials.loc[trial].replicates) if pd.notna(study.trials.loc[trial].replicates) else 0
    return " Each was trained only once, and a repeat may differ." if times == 1 else ""


def _ceiling(study: Study) -> str:
    """A warning where the attacker's drawings could not have been recognised anyway."""
    told = next((one for one in study.config.get("ceilings") or [] if one["outside"]), None)
    if told is None or told["drawn"] >= LOW_CEILING:
        return ""
    return (
        f" Beware: even drawings of the real photographs would be known for only {_of_100(told['drawn'])} of the "
        "people, so that low numbers say little about the classifier."
    )
