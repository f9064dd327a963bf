"""Every law against what it must beat: its control of equal accuracy, no defence, the published settings."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.statistics.claims import Claim, claims
from analysis.statistics.evidence import Drawn, Evidence, Strongest
from analysis.statistics.records import NO_DEFENCE
from mi_tune.attacks.presets import ERASING_AWARE

LEVEL = 0.05
MATCHED = 0.02
"""Natural accuracies further apart than this are not called equal."""
EQUAL = "its control of equal accuracy"
AUGMENTATION = "another augmentation"
KNOWING = ", under attackers who know of erasing"
"""The end of a question that is asked of erasing-aware attacks alone."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """A law minus another point, under the strongest of the attacks that both met, paired by seed and person.

    Args:
        question: `EQUAL`, `AUGMENTATION`, the name of a reference point, or that with `KNOWING`. law, other: names of
            the points.
        attacks: what both met (see `Evidence.common_attacks`). ours, theirs: the strongest of these on each.
        natural, attack: differences of natural and of attack accuracy. claim: on the attack accuracy, corrected for
            the number of laws of which the same question is asked.
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
        """Whether less is found of the law than of the other, beyond doubt."""
        return self.claim.apart and self.attack.value < 0

    @property
    def below_alone(self) -> bool:
        """Whether it would be if nothing were asked of other laws."""
        return self.claim.p_value <= LEVEL and self.attack.value < 0

    @property
    def matched(self) -> bool:
        """Whether the natural accuracies are near enough to be called equal."""
        return abs(self.natural.value) <= MATCHED


def compare(evidence: Evidence, judge: str | None = None) -> list[Comparison]:
    """All comparisons of all laws, question by question; those for which no common attack ran are missing.

    Each question is a family of its own: p-values are corrected (Holm) for the laws that it is asked of.
    """
    found: list[Comparison] = []
    for question, pairs in _questions(evidence).items():
        rows = []
        for law, other in pairs:
            attacks = evidence.common_attacks(law, other)
            if question.endswith(KNOWING):
                attacks = tuple(attack for attack in attacks if attack.partition(":")[0] in ERASING_AWARE)
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
    """What is asked, and of which pairs of points."""
    confirmation = evidence.confirmation
    laws = [law.name for law in confirmation.defended]
    stops = {law: stop for law in laws if (stop := confirmation.matched_stop(law)) is not None}
    published = [point.name for point in confirmation.laws if point.name.startswith("MIDRE")]
    questions = {EQUAL: list(stops.items())}
    for reference in (NO_DEFENCE, *published):
        questions[reference] = [(law, reference) for law in laws if law != reference]
    for reference in published:
        questions[reference + KNOWING] = questions[reference]
    best = confirmation.config.get("augmentations_matched_to")
    others = [point.name for point in confirmation.controls if point.kind == "augmentation"]
    if best in laws:
        questions[AUGMENTATION] = [(best, other) for other in others]
    return questions
