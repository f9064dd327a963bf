"""The report of a confirmation: one HTML file that works offline and can be shared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis import figures
from analysis.pages.mechanism import mechanism_sections
from analysis.pages.plain_words import confirmation_sentences
from analysis.pages.section import Section
from analysis.pages.settings import settings_text
from analysis.pages.template import render_page
from analysis.statistics.comparisons import (
    AUGMENTATION,
    EQUAL_ACCURACY,
    EQUAL_ACCURACY_MARGIN,
    PART_LEFT_OUT,
    Comparison,
    compare,
)
from analysis.statistics.confirmation import Confirmation, JudgeRecord, load_confirmation
from analysis.statistics.evidence import Evidence, draw_evidence
from analysis.statistics.leak import LeakIndex
from analysis.statistics.shrinkage import Shrinkage, Shrunk, shrinkage
from analysis.statistics.verdict import (
    DOES_NOT_HELP,
    PROTECTS,
    SLOWS,
    UNDECIDED,
    WORDS,
    Verdict,
    attack_name,
    short_attack_name,
    verdicts,
)
from mi_tune.defences.columns import described_treatment
from mi_tune.judging.intervals import Estimate
from mi_tune.runtime.cache import save_atomically
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.wording import duration
from mi_tune.trial.ceiling import ceiling_sentence

VERDICT_PHRASES = {
    PROTECTS: ("protects", "protect"),
    SLOWS: ("slows the attacks down", "slow the attacks down"),
    DOES_NOT_HELP: ("does not help", "do not help"),
    UNDECIDED: ("is undecided", "are undecided"),
}


def write_confirmation_report(study_folder: Path | str, sections: Sequence[Section] = ()) -> Path:
    """Write `confirmation/report.html` in the folder of a study, from the files of this folder alone.

    Args:
        sections: further sections, shown below the tables.

    Returns:
        Path of the report.

    Raises:
        InputError: the folder is not a confirmed study, or the report cannot be written.
    """
    confirmation = load_confirmation(study_folder)
    page = render_confirmation(confirmation, sections)
    path = confirmation.folder / "report.html"
    try:
        save_atomically(path, lambda p: p.write_text(page, encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot write the report ({error.strerror})") from error
    return path


def render_confirmation(confirmation: Confirmation, sections: Sequence[Section] = ()) -> str:
    """The HTML text of the report."""
    evidence = draw_evidence(confirmation)
    sections = (*mechanism_sections(confirmation), *sections)
    comparisons = compare(evidence)
    shrunk = shrinkage(evidence)
    found_verdicts = verdicts(evidence, comparisons)
    drawn = _figures(evidence, shrunk) | {
        f"section-{k}-{j}": figure for k, section in enumerate(sections) for j, figure in enumerate(section.figures)
    }
    return render_page(
        "confirm.html.j2",
        drawn,
        {"name": f"{confirmation.config['study']}-confirmation"},
        styles=("confirm.css",),
        config=confirmation.config,
        sentences=confirmation_sentences(evidence),
        confirmation=confirmation,
        headline=confirmation_headline(found_verdicts),
        kinds=[describe_judge(judge) for judge in confirmation.judges],
        verdicts=sorted(found_verdicts, key=lambda verdict: WORDS.index(verdict.word)),
        laws=_laws(evidence),
        hypervolume=None if evidence.front is None else _number(evidence.front.hypervolume),
        tables=[_accuracies(evidence, judge) for judge in confirmation.judges],
        describe_judge=describe_judge,
        attacks=[attack_name(attack) for attack in confirmation.attacks],
        control_attacks=_listed([attack_name(attack) for attack in confirmation.config["controls"]] or ["no attack"]),
        judged=_judged(evidence),
        questions=_questions(comparisons),
        ladder=[attack_name(attack) for attack in confirmation.config["ladder"]] if "ladder" in drawn else [],
        ladder_seeds=_ladder_seeds(evidence),
        leaks=_leaks(evidence),
        shrunk=_shrunk(shrunk),
        sections=sections,
        costs=_costs(confirmation),
        training=_training(confirmation),
        matched=EQUAL_ACCURACY_MARGIN,
        settings=settings_text(confirmation.config),
    )


def confirmation_headline(found_verdicts: Sequence[Verdict]) -> str:
    """How many laws have each verdict, in a sentence."""
    if not found_verdicts:
        return "No law that erases was confirmed."
    count = Counter(verdict.word for verdict in found_verdicts)
    parts = [f"{count[word]} {VERDICT_PHRASES[word][count[word] > 1]}" for word in WORDS if count[word]]
    return f"Of {len(found_verdicts)} erasing law{'s' if len(found_verdicts) > 1 else ''}, {_listed(parts)}."


def describe_judge(judge: JudgeRecord) -> str:
    """What a judge was trained on, in a few words."""
    question = "" if judge.saw_private or not judge.question else f"{judge.question.rstrip('?')}; "
    seen = "trained on the private images" if judge.saw_private else "never saw a private image in training"
    return f"{question}{seen}{'; the judge of the search' if judge.in_search else ''}"


def confirmation_figures(confirmation: Confirmation) -> dict[str, go.Figure]:
    """The figures of a confirmation by name: `front`, and `ladder` where budgets rise."""
    evidence = draw_evidence(confirmation)
    return _figures(evidence, shrinkage(evidence))


def _figures(evidence: Evidence, shrunk: Shrinkage) -> dict[str, go.Figure]:
    found = {}
    front = figures.robust_front_info(evidence, shrunk)
    if len(front.points):
        found["front"] = figures.plot_robust_front(front)
    ladder = figures.ladder_info(evidence)
    if len(ladder.rows):
        found["ladder"] = figures.plot_ladder(ladder)
    return found


# ------------------------------------------------------------------------------------------------------- numbers


def _number(estimate: Estimate | None, digits: int = 0) -> dict[str, Any] | None:
    """An accuracy as shown on the page: in percent, with its interval."""
    if estimate is None:
        return None
    return {
        "value": estimate.value,
        "text": f"{100 * estimate.value:.{digits}f}",
        "interval": f"{100 * estimate.low:.0f}–{100 * estimate.high:.0f}",
    }


def _change(estimate: Estimate) -> dict[str, Any]:
    """A difference in percentage points, with its interval."""
    value, low, high = (round(100 * v, 1) + 0.0 for v in estimate)  # + 0.0: no minus zero
    return {"value": estimate.value, "text": f"{value:+.1f}", "interval": f"[{low:+.0f}, {high:+.0f}]"}


def _seeds(count: int) -> str:
    return f"{count} seed{'s' if count > 1 else ''}"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


# -------------------------------------------------------------------------------------------------------- tables


def _laws(evidence: Evidence) -> list[dict[str, Any]]:
    """All points with natural accuracy and the strongest attack, controls last."""
    front = evidence.front
    on_front = dict(zip(front.names, front.probability, strict=True)) if front is not None else {}
    rows = []
    for point in (*evidence.confirmation.laws, *evidence.confirmation.controls):
        strongest = evidence.strongest(point.name)
        seeds = 0 if strongest is None else len(evidence.confirmation.seeds_of(point.name, strongest.attack))
        rows.append(
            {
                "name": point.name,
                "kind": point.kind,
                "law": "" if point.is_control else described_treatment(point.treatment),
                "natural": _number(evidence.natural(point.name).estimate, 1),
                "strongest": None if strongest is None else _number(strongest.drawn.estimate),
                "by": "" if strongest is None else short_attack_name(strongest.attack),
                "seeds": _seeds(seeds) if 0 < seeds < evidence.confirmation.seeds else "",
                "on_front": None if point.name not in on_front else float(on_front[point.name]),
            }
        )
    return rows


def _accuracies(evidence: Evidence, judge: JudgeRecord) -> dict[str, Any]:
    """The accuracy of each attack on each point, under one judge."""
    confirmation = evidence.confirmation
    tried = confirmation.tables["attacks"].groupby(["point", "attack"])
    own = tried.target_accuracy_on_reconstructions.mean()
    reasons = tried.reason.agg(lambda reasons: "; ".join(dict.fromkeys(reason for reason in reasons if reason)))
    rows = []
    for point in (*confirmation.laws, *confirmation.controls):
        strongest = evidence.strongest(point.name, judge.name)
        cells = []
        for attack in (*confirmation.baselines, *confirmation.attacks):
            found, at = evidence.attack(point.name, attack, judge.name), (point.name, attack)
            cell: dict[str, Any] = {"number": None, "reason": reasons.get(at, "")}
            if found is not None:
                seeds = len(confirmation.seeds_of(point.name, attack))
                cell |= {
                    "number": _number(found.estimate),
                    "strongest": strongest is not None and strongest.attack == attack,
                    "seeds": _seeds(seeds) if seeds < confirmation.seeds else "",
                    "own": f"{100 * own[at]:.0f}",
                }
            cells.append(cell)
        rows.append({"name": point.name, "control": point.is_control, "cells": cells})
    return {"judge": judge.name, "kind": describe_judge(judge), "rows": rows}


def _judged(evidence: Evidence) -> dict[str, Any]:
    """The strongest attack on each point under each judge, and the verdict that each judge would give."""
    confirmation = evidence.confirmation
    words = {
        judge.name: {v.law: v.word for v in verdicts(evidence, compare(evidence, judge.name), judge.name)}
        for judge in confirmation.judges
    }
    rows = []
    for point in (*confirmation.laws, *confirmation.controls):
        cells = []
        for judge in confirmation.judges:
            strongest = evidence.strongest(point.name, judge.name)
            number = None if strongest is None else _number(strongest.drawn.estimate)
            by = "" if strongest is None else short_attack_name(strongest.attack)
            cells.append({"number": number, "by": by, "word": words[judge.name].get(point.name, "")})
        rows.append({"name": point.name, "control": point.is_control, "cells": cells})
    # confirmations of earlier versions did not measure the prior's ceiling
    stored = confirmation.config.get("prior_ceilings", [])
    drawn = {one["judge"]: Estimate(one["drawn"], one["drawn_low"], one["drawn_high"]) for one in stored}
    return {
        "rows": rows,
        "ceilings": [_number(evidence.ceiling(judge.name).estimate) for judge in confirmation.judges],
        "prior": confirmation.config.get("prior", ""),
        "drawn": [_number(drawn.get(judge.name)) for judge in confirmation.judges],
        "sentence": ceiling_sentence(confirmation.config.get("prior", ""), stored),
        "held_out": [_number(judge.held_out) for judge in confirmation.judges],
    }


def _questions(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Comparisons grouped by question."""
    titles = {
        EQUAL_ACCURACY: "An undefended model of equal accuracy",
        AUGMENTATION: "Another augmentation of equal accuracy",
        PART_LEFT_OUT: "What each part of a mix gives: the same mix without it",
    }
    found = []
    for question in dict.fromkeys(one.question for one in comparisons):
        same = len({one.attacks for one in comparisons if one.question == question}) == 1
        rows = [
            {
                "law": one.law,
                "other": one.other if question in (EQUAL_ACCURACY, AUGMENTATION, PART_LEFT_OUT) else "",
                "under": "" if same else _listed([attack_name(attack) for attack in one.attacks]),
                "natural": _change(one.natural.estimate),
                "unmatched": question in (EQUAL_ACCURACY, AUGMENTATION) and not one.matched,
                "ours": _number(one.ours.drawn.estimate),
                "theirs": _number(one.theirs.drawn.estimate),
                "attack": _change(one.attack.estimate),
                "p": f"{one.claim.p_value:.2g}",
                "corrected": f"{one.claim.corrected:.2g}",
                "significant": one.claim.significant,
                "below": one.below,
            }
            for one in comparisons
            if one.question == question
        ]
        first = next(one for one in comparisons if one.question == question)
        under = _listed([attack_name(attack) for attack in first.attacks]) if same else ""
        found.append({"title": titles.get(question, question[0].upper() + question[1:]), "under": under, "rows": rows})
    return found


def _ladder_seeds(evidence: Evidence) -> str:
    """Number of seeds that the budgets share, in words."""
    ladders = [evidence.ladder(law.name) for law in evidence.confirmation.laws]
    counts = [ladder.seeds for ladder in ladders if ladder is not None] or [0]
    low, high = min(counts), max(counts)
    return _seeds(high) if low == high else f"{low} to {_seeds(high)}"


def _leaks(evidence: Evidence) -> list[dict[str, Any]]:
    confirmation = evidence.confirmation
    return [
        {
            "name": law.name,
            "baselines": [
                _number(found.estimate) if (found := evidence.attack(law.name, name)) is not None else None
                for name in confirmation.baselines
            ],
            "indices": [_leak(evidence.leak(law.name, judge.name)) for judge in confirmation.judges],
        }
        for law in confirmation.laws
    ]


def _leak(index: LeakIndex) -> dict[str, Any]:
    if index.estimate is None:
        return {"value": None, "reason": index.reason}
    value, low, high = (round(v, 2) + 0.0 for v in index.estimate)
    return {"value": index.estimate.value, "text": f"{value:.2f}", "interval": f"{low:.2f}–{high:.2f}"}


def _shrunk(found: Shrinkage) -> dict[str, Any]:
    def row(law: Shrunk) -> dict[str, Any]:
        return {
            "law": law.law,
            "searched": law.searched,
            "val": f"{100 * law.val:.1f}",
            **{
                name: {
                    "search": _number(pair.search, 1),
                    "confirmed": _number(pair.confirmed, 1),
                    "change": None if pair.change is None else f"{100 * pair.change:+.1f}",
                }
                for name, pair in (("natural", law.natural), ("attack", law.attack))
            },
        }

    means: list[dict[str, str | None]] = []
    for searched, name in ((True, "mean of the laws that the search found"), (False, "mean of the reference points")):
        changes = {quantity: found.mean_change(quantity, searched) for quantity in ("natural", "attack")}
        if any(row.searched == searched for row in found.rows):
            means.append({"name": name, **{k: None if v is None else f"{100 * v:+.1f}" for k, v in changes.items()}})
    return {
        "rows": [row(law) for law in found.rows],
        "means": means,
        "attack": attack_name(found.attack),
        "judge": found.judge,
        "measured": any(law.attack.confirmed is not None for law in found.rows),
    }


def _costs(confirmation: Confirmation) -> list[dict[str, Any]]:
    """Mean cost of each attack, over the targets on which it completed."""
    table = confirmation.tables["attacks"]
    rows = []
    for attack in (*confirmation.baselines, *confirmation.planned):
        own = table[table.attack == attack]
        done = own[own.reason == ""]
        if not len(own):
            continue
        passes = {name: _mean(done[f"{name}_passes"]) for name in ("forward", "backward", "surrogate")}
        rows.append(
            {
                "attack": attack_name(attack),
                "access": own.access.iloc[0],
                "prior": own.prior.iloc[0],
                "targets": len(own),
                "failed": len(own) - len(done),
                "reasons": "; ".join(dict.fromkeys(own.reason[own.reason != ""])),
                **passes,
                "seconds": _mean(done.seconds),
                "total": duration(float(done.seconds.sum())),
            }
        )
    return rows


def _mean(values: pd.Series) -> float | None:
    return float(np.mean(values.dropna())) if values.notna().any() else None


def _training(confirmation: Confirmation) -> dict[str, Any]:
    seconds = confirmation.tables["targets"].train_seconds
    return {"targets": len(seconds), "each": duration(float(seconds.mean())), "total": duration(float(seconds.sum()))}
