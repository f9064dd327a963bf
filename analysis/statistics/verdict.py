"""One word and one sentence on every law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.statistics.comparisons import EQUAL, Comparison
from analysis.statistics.evidence import Evidence
from analysis.statistics.records import NO_DEFENCE
from mi_tune.judging.intervals import Estimate

PROTECTS = "protects"
SLOWS = "slows"
DOES_NOT_HELP = "does not help"
UNDECIDED = "undecided"
WORDS = (PROTECTS, SLOWS, UNDECIDED, DOES_NOT_HELP)


@dataclass(frozen=True)
class Verdict:
    """A law, one of `WORDS`, the sentence with the numbers, and why the word is no better one ("" for `protects`)."""

    law: str
    word: str
    sentence: str
    reason: str


def verdicts(evidence: Evidence, comparisons: Sequence[Comparison], judge: str | None = None) -> list[Verdict]:
    """The verdict on every law that erases under a judge (None: the headline judge), by this rule:

    `does not help`: under the attacks that both met, its attack accuracy is not below that of its undefended control
    of equal natural accuracy (Holm-corrected over laws, 5 %). `protects`: it is below; the strongest attack of all
    finds at most half of what it finds without defence (estimates, both less chance); and the budget ladder has
    flattened: its last rung is not above its first beyond doubt (95 %). Otherwise, also where no ladder was run,
    `slows`. `undecided`: it is below by its own p-value and not by the corrected one, so that more seeds would tell;
    or no attack ran on both the law and a control.

    Equal means within `MATCHED`; where the control is further off, the rule stays and the
    sentence says so. `comparisons` are those under the same judge.
    """
    controls = {one.law: one for one in comparisons if one.question == EQUAL}
    return [_verdict(evidence, law.name, controls.get(law.name), judge) for law in evidence.confirmation.defended]


def judge_law(
    below: bool | None,
    alone: bool,
    strongest: float | None,
    undefended: float | None,
    chance: float,
    flattened: bool | None,
) -> tuple[str, str]:
    """The word by the rule of `verdicts`, and why it is not a better one.

    Args:
        below: whether the law is below its control beyond doubt; None where that is not known. alone: whether it would
            be if of this law alone had been asked.
        strongest, undefended: accuracy of the strongest attack on the law, and without defence.
        flattened: whether the budget ladder has; None where none was run.
    """
    if below is None or strongest is None or undefended is None:
        return UNDECIDED, "no attack ran on both the law and a control"
    if not below and alone:
        return UNDECIDED, (
            "taken alone it is below an undefended model of equal accuracy, but not after correction for the number of "
            "laws; more seeds would tell"
        )
    if not below:
        return DOES_NOT_HELP, "it is not below an undefended model of equal accuracy beyond doubt"
    reasons = []
    if strongest - chance > (undefended - chance) / 2:
        reasons.append("the strongest attack still finds more than half of what it finds without defence")
    if flattened is None:
        reasons.append("no budget ladder was run")
    elif not flattened:
        reasons.append("more budget still finds more")
    return (SLOWS, "; ".join(reasons)) if reasons else (PROTECTS, "")


def title(attack: str) -> str:
    """An attack as a sentence says it: `ppa 4x`, and `taa` at the reduced budget."""
    name, _, budget = attack.partition(":")
    return name if budget in ("", "reduced") else f"{name} {budget}"


def full_title(attack: str) -> str:
    """An attack with its budget: `taa reduced`."""
    return attack.replace(":", " ")


def share(estimate: Estimate) -> str:
    """An accuracy in percent with its interval: `41% [33, 49]`."""
    return f"{estimate.value:.0%} [{100 * estimate.low:.0f}, {100 * estimate.high:.0f}]"


def _verdict(evidence: Evidence, law: str, control: Comparison | None, judge: str | None) -> Verdict:
    strongest, undefended = evidence.strongest(law, judge), evidence.strongest(NO_DEFENCE, judge)
    ladder = evidence.ladder(law, judge)
    word, reason = judge_law(
        None if control is None else control.below,
        control is not None and control.below_alone,
        None if strongest is None else strongest.drawn.value,
        None if undefended is None else undefended.drawn.value,
        evidence.confirmation.chance,
        None if ladder is None else ladder.flattened,
    )
    if word == DOES_NOT_HELP:
        assert control is not None
        reason += f" (p = {control.claim.corrected:.2g})"
    elif word == UNDECIDED and control is not None and control.below_alone:
        reason += f" (p = {control.claim.p_value:.2g}, corrected {control.claim.corrected:.2g})"
    parts = [_kept(evidence, law)]
    if strongest is None:
        parts.append("no attack came to an end")
    else:
        instead = "" if undefended is None else f" instead of {share(undefended.drawn.estimate)}"
        found, name = share(strongest.drawn.estimate), _named(evidence, law, strongest.attack)
        parts.append(f"the strongest attack tried ({name}) identifies {found} of people{instead}")
    parts.append(_control(evidence, control))
    return Verdict(law, word, "; ".join(parts) + ".", reason)


def _kept(evidence: Evidence, law: str) -> str:
    ours, without = evidence.natural(law).value, evidence.natural(NO_DEFENCE).value
    return f"Keeps {ours / without:.1%} of natural accuracy" if without else f"Has {ours:.1%} natural accuracy"


def _named(evidence: Evidence, law: str, attack: str) -> str:
    alone = evidence.confirmation.seeds > 1 and len(evidence.confirmation.seeds_of(law, attack)) == 1
    return f"{title(attack)}, one seed" if alone else title(attack)


def _control(evidence: Evidence, control: Comparison | None) -> str:
    """The law's control of equal accuracy, and how equal it is."""
    if control is None:
        return "no attack ran on both it and an undefended model of equal accuracy"
    whole = evidence.confirmation.attacks_on(control.law)
    names = [title(attack) for attack in control.attacks]
    under = "all of these attacks" if len(names) == len(whole) > 2 else _listed(names)
    gives = f"{share(control.theirs.drawn.estimate)} under {under}"
    if control.attacks != whole:
        gives += f", where this law gives {share(control.ours.drawn.estimate)}"
    trained = "fully trained " if control.other == NO_DEFENCE else ""
    if control.matched:
        return f"an undefended {trained}model of equal accuracy gives {gives}"
    points = 100 * abs(control.natural.value)
    side = "less" if control.natural.value > 0 else "more"
    return (
        f"no undefended model of equal accuracy was found: the nearest, {trained}{points:.1f} points {side} accurate, "
        f"gives {gives}"
    )


def _listed(names: list[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
