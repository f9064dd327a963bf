"""The verdict on each law: one word and the sentences that support it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.statistics.comparisons import EQUAL_ACCURACY, Comparison
from analysis.statistics.evidence import Evidence
from mi_tune.attacks import split_budget
from mi_tune.attacks.presets import short_name
from mi_tune.judging.intervals import Estimate
from mi_tune.trial.point import UNDEFENDED

PROTECTS = "protects"
SLOWS = "slows"
DOES_NOT_HELP = "does not help"
UNDECIDED = "undecided"
WORDS = (PROTECTS, SLOWS, UNDECIDED, DOES_NOT_HELP)


@dataclass(frozen=True)
class Verdict:
    """A law, one of `WORDS`, sentences with the numbers, and why the word is not a better one ("" for `protects`)."""

    law: str
    word: str
    sentence: str
    reason: str


def verdicts(evidence: Evidence, comparisons: Sequence[Comparison], judge: str | None = None) -> list[Verdict]:
    """The verdicts on all laws that erase.

    - `does not help`: under the attacks that ran on both, the attack accuracy of the law is not significantly below
      that of its undefended control of equal natural accuracy (5 %, Holm-corrected for the number of laws).
    - `protects`: it is significantly below; the strongest of all attacks is at most half as accurate as without
      defence (estimates, chance subtracted from both); and the budget ladder has flattened, that is, the largest
      budget is not significantly better than the smallest (95 %).
    - `slows`: it is significantly below, but one of the other conditions fails or no budget ladder was run.
    - `undecided`: it is below by its own p-value but not by the corrected one, so that more seeds can decide; or it is
      not below, with two seeds, which find almost nothing significant; or no attack ran on both the law and a control.

    Natural accuracies are equal if they differ by at most `EQUAL_ACCURACY_MARGIN`. If the control differs by more, the
    rule is the same and the sentence says so.

    Args:
        comparisons: the result of `compare` under the same judge. judge: name of the judge; None: the headline judge.
    """
    controls = {one.law: one for one in comparisons if one.question == EQUAL_ACCURACY}
    return [_verdict(evidence, law.name, controls.get(law.name), judge) for law in evidence.confirmation.defended]


def judge_law(
    below: bool | None,
    below_uncorrected: bool,
    strongest: float | None,
    undefended: float | None,
    chance: float,
    flattened: bool | None,
) -> tuple[str, str]:
    """The word by the rule of `verdicts`, and why it is not a better one.

    Args:
        below: whether the law's attack accuracy is significantly below its control's, after the correction; None if
            unknown. below_uncorrected: the same by its own p-value.
        strongest, undefended: accuracy of the strongest attack on the law and without defence. chance: accuracy of
            guessing. All in [0, 1].
        flattened: whether the budget ladder has flattened; None if it was not run.
    """
    if below is None or strongest is None or undefended is None:
        return UNDECIDED, "no attack ran on both the law and a control"
    if not below and below_uncorrected:
        return UNDECIDED, (
            "by its own p-value its attack accuracy is below that of an undefended model of equal accuracy, but not "
            "after correction for the number of laws; more seeds can decide"
        )
    if not below:
        return (
            DOES_NOT_HELP,
            "its attack accuracy is not significantly below that of an undefended model of equal accuracy",
        )
    reasons = []
    if strongest - chance > (undefended - chance) / 2:
        reasons.append("the strongest attack still identifies more than half as many people as without defence")
    if flattened is None:
        reasons.append("no budget ladder was run")
    elif not flattened:
        reasons.append("a larger budget still identifies more people")
    return (SLOWS, "; ".join(reasons)) if reasons else (PROTECTS, "")


def short_attack_name(attack: str) -> str:
    """Name of an attack in a sentence: `ppa 4x`, or `taa` at the reduced budget."""
    name, budget = split_budget(attack)
    return short_name(name) if budget == "reduced" else f"{short_name(name)} {budget}"


def attack_name(attack: str) -> str:
    """Name of an attack with its budget: `taa reduced`."""
    if ":" not in attack:
        return attack  # a baseline
    name, budget = split_budget(attack)
    return f"{short_name(name)} {budget}"


def percent_with_interval(estimate: Estimate) -> str:
    """An accuracy in percent with its interval: `41% [33, 49]`."""
    return f"{estimate.value:.0%} [{100 * estimate.low:.0f}, {100 * estimate.high:.0f}]"


def _verdict(evidence: Evidence, law: str, control: Comparison | None, judge: str | None) -> Verdict:
    strongest, undefended = evidence.strongest(law, judge), evidence.strongest(UNDEFENDED, judge)
    ladder = evidence.ladder(law, judge)
    word, reason = judge_law(
        None if control is None else control.below,
        control is not None and control.below_uncorrected,
        None if strongest is None else strongest.drawn.value,
        None if undefended is None else undefended.drawn.value,
        evidence.confirmation.chance,
        None if ladder is None else ladder.flattened,
    )
    if word == DOES_NOT_HELP:
        assert control is not None
        if evidence.confirmation.seeds == 2:
            # Student's t with one degree of freedom: that nothing is significant says nothing
            word, reason = UNDECIDED, f"{reason}, as hardly anything is with two seeds; three can decide"
        reason += f" (p = {control.claim.corrected:.2g})"
    elif word == UNDECIDED and control is not None and control.below_uncorrected:
        reason += f" (p = {control.claim.p_value:.2g}, corrected {control.claim.corrected:.2g})"
    parts = [_accuracy_part(evidence, law)]
    if strongest is None:
        parts.append("No attack completed")
    else:
        found, name = percent_with_interval(strongest.drawn.estimate), _attack_part(evidence, law, strongest.attack)
        sentence = f"The strongest attack tried ({name}) identifies {found} of people"
        if undefended is not None:
            sentence += f", instead of {percent_with_interval(undefended.drawn.estimate)} without defence"
        parts.append(sentence)
    parts.append(_control_part(evidence, control))
    return Verdict(law, word, ". ".join(parts) + ".", reason)


def _accuracy_part(evidence: Evidence, law: str) -> str:
    ours, without = evidence.natural(law).value, evidence.natural(UNDEFENDED).value
    return f"Keeps {ours / without:.1%} of natural accuracy" if without else f"Has {ours:.1%} natural accuracy"


def _attack_part(evidence: Evidence, law: str, attack: str) -> str:
    one_seed = evidence.confirmation.seeds > 1 and len(evidence.confirmation.seeds_of(law, attack)) == 1
    return f"{short_attack_name(attack)}, one seed" if one_seed else short_attack_name(attack)


def _control_part(evidence: Evidence, control: Comparison | None) -> str:
    """The comparison with the undefended control, and how equal its natural accuracy is."""
    if control is None:
        return "No attack ran on both this law and an undefended model of equal accuracy"
    whole = evidence.confirmation.attacks_on(control.law)
    names = [short_attack_name(attack) for attack in control.attacks]
    if len(names) == len(whole) > 2:
        attacker = "the strongest of all these attacks"
    else:
        attacker = names[0] if len(names) == 1 else f"the strongest of {_listed(names)}"
    found = f"{attacker} identifies {percent_with_interval(control.theirs.drawn.estimate)}"
    if control.attacks != whole:
        found += f"; with this law, {percent_with_interval(control.ours.drawn.estimate)}"
    trained = "fully trained " if control.other == UNDEFENDED else ""
    if control.matched:
        return f"With an undefended {trained}model of equal accuracy, {found}"
    points = 100 * abs(control.natural.value)
    side = "less" if control.natural.value > 0 else "more"
    return (
        f"No undefended model of equal accuracy was found. With the nearest {trained}undefended model, which is "
        f"{points:.1f} points {side} accurate, {found}"
    )


def _listed(names: list[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
