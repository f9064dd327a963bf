"""Compares each law with its control of equal accuracy, no defence, the published settings and other augmentations."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.statistics.claims import Claim, claims
from analysis.statistics.evidence import Drawn, Evidence, Strongest
from mi_tune.attacks.presets import ERASING_AWARE, split_budget
from mi_tune.trial.point import UNDEFENDED

SIGNIFICANCE_LEVEL = 0.05
EQUAL_ACCURACY_MARGIN = 0.02
"""Natural accuracies that differ by more than this are not called equal."""
EQUAL_ACCURACY = "its control of equal accuracy"
AUGMENTATION = "another augmentation"
PART_LEFT_OUT = "the same mix without one part"
UNDER_AWARE_ATTACKS = ", under erasing-aware attacks only"
"""Suffix of a question in which only erasing-aware attacks count."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Difference between a law and another point, each under its strongest common attack, paired by seed and person.

    Args:
        question: `EQUAL_ACCURACY`, `AUGMENTATION`, `PART_LEFT_OUT`, the name of a reference point, or this name
        followed by
            `UNDER_AWARE_ATTACKS`. law, other: names of the points.
        attacks: the attacks that ran on both (see `Evidence.common_attacks`). ours, theirs: the strongest of them on
            the law and on the other point.
        natural, attack: difference in natural and in attack accuracy, law minus other. claim: significance of the
            attack difference, corrected for the number of laws compared under the same question.
    """

    question: str
    law: str
    other: str
    attacks: tuple[str, ...]
    ours: Strongest
    theirs: Strongest
    natural: Drawn
    attack: Drawn
    claim: Claim

    @property
    def below(self) -> bool:
        """Whether the law's attack accuracy is significantly lower, after the correction."""
        return self.claim.significant and self.attack.value < 0

    @property
    def below_uncorrected(self) -> bool:
        """Whether the law's attack accuracy is significantly lower by its own p-value, without the correction."""
        return self.claim.p_value <= SIGNIFICANCE_LEVEL and self.attack.value < 0

    @property
    def matched(self) -> bool:
        """Whether the natural accuracies differ by at most `EQUAL_ACCURACY_MARGIN`."""
        return abs(self.natural.value) <= EQUAL_ACCURACY_MARGIN


def compare(evidence: Evidence, judge: str | None = None) -> list[Comparison]:
    """All comparisons of all laws, grouped by question. Pairs without a common attack are left out.

    Each question is a family of its own: its p-values are corrected (Holm) for the number of its laws.

    Args:
        judge: name of the judge; None is the headline judge.
    """
    found: list[Comparison] = []
    for question, pairs in _questions(evidence).items():
        rows = []
        for law, other in pairs:
            attacks = evidence.common_attacks(law, other)
            if question.endswith(UNDER_AWARE_ATTACKS):
                attacks = tuple(attack for attack in attacks if split_budget(attack)[0] in ERASING_AWARE)
            ours, theirs = (evidence.strongest(point, judge, attacks) for point in (law, other))
            if ours is not None and theirs is not None:
                rows.append((law, other, attacks, ours, theirs))
        differences = {f"{law} - {other}": (ours.drawn - theirs.drawn).draws for law, other, _, ours, theirs in rows}
        for row, claim in zip(rows, claims(differences), strict=True):
            law, other, attacks, ours, theirs = row
            natural = evidence.natural(law) - evidence.natural(other)
            attack = ours.drawn - theirs.drawn
            found.append(Comparison(question, law, other, attacks, ours, theirs, natural, attack, claim))
    return found


def _questions(evidence: Evidence) -> dict[str, list[tuple[str, str]]]:
    """The pairs of points that each question compares."""
    confirmation = evidence.confirmation
    laws = [law.name for law in confirmation.defended]
    stops = {law: stop for law in laws if (stop := confirmation.matched_stop(law)) is not None}
    published = [point.name for point in confirmation.laws if point.name.startswith("MIDRE")]
    questions = {EQUAL_ACCURACY: list(stops.items())}
    for reference in (UNDEFENDED, *published):
        questions[reference] = [(law, reference) for law in laws if law != reference]
    for reference in published:
        questions[reference + UNDER_AWARE_ATTACKS] = questions[reference]
    best = confirmation.config.get("augmentations_matched_to")
    others = [point.name for point in confirmation.controls if point.kind == "augmentation"]
    if best in laws:
        questions[AUGMENTATION] = [(best, other) for other in others]
    names = {point.name for point in confirmation.points}
    parts = {law: confirmation.config.get("left_out", {}).get(law, []) for law in laws}
    if pairs := [(law, other) for law, some in parts.items() for other in some if other in names]:
        questions[PART_LEFT_OUT] = pairs
    return questions
