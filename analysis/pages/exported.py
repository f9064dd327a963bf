"""The front as a table for a paper, and how to cite a study."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from analysis.statistics.records import Study
from mi_tune.defences.columns import described

COLUMNS = ("law", "erasing", "natural accuracy", "attack accuracy", "recognised")


def front_rows(study: Study) -> list[tuple[str, ...]]:
    """The laws on the front and the reference points, by decreasing natural accuracy; accuracies in percent.

    The last column, of the recogniser, is left out where the study has none.
    """
    both = pd.concat([study.front, study.references])
    rows = both[~both.index.duplicated()].sort_values(["natural_accuracy", "trial"], ascending=[False, True])
    judged = recogniser_of(study) is not None
    found = []
    for number, row in rows.iterrows():
        name = row.reference or f"law {number}"
        cells = [_with_interval(row, "natural_accuracy"), _with_interval(row, "attack_accuracy")]
        cells += [_with_interval(row, "recognised")] * judged
        beside = "" if number in study.front.index else " (not on the front)"
        found.append((f"{name}{beside}", described(row), *cells))
    return found


def recogniser_of(study: Study) -> dict[str, Any] | None:
    """The recogniser of a study, unless it has none or is the judge itself."""
    recogniser, judge = study.config.get("recogniser"), study.config.get("judge") or {}
    return None if not recogniser or recogniser["name"] == judge.get("name") else recogniser


def caption(study: Study) -> str:
    """What stands under the table: intervals, attack, budget, judge, seeds and data."""
    config = study.config
    judge, recogniser, replicates = config.get("judge") or {}, recogniser_of(study), study.front.replicates.dropna()
    targets = sorted({int(count) for count in replicates}) or [config["config"]["target"]["replicates"]]
    trained = f"{targets[0]}" if len(targets) == 1 else f"{targets[0]} to {targets[-1]}"
    private = config["data"]["private"]
    text = (
        f"Study {config['name']}: accuracies in percent with 95 % intervals over {private['identities']} people. "
        f"Attack {config['attack']['name']}, {config['attack']['budget']} budget"
        f"{', prior ' + config['prior']['name'] if config.get('prior') else ''}; judge {judge.get('name', 'none')}"
    )
    if judge.get("held_out_accuracy") is not None:
        text += f" ({100 * judge['held_out_accuracy']:.1f} % of real held-out images)"
    if recogniser:
        text += f"; recognised by {recogniser['name']} ({100 * recogniser['held_out_accuracy']:.1f} % of real images)"
    return f"{text}. Seed {config['seed']}, {trained} trained target{'s' if targets[-1] > 1 else ''} of each law."


def markdown_front(study: Study) -> str:
    """The front as a Markdown table with its caption."""
    rows = front_rows(study)
    heads = COLUMNS[: 5 if recogniser_of(study) else 4]
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join([*lines, "", caption(study), ""])


def latex_front(study: Study) -> str:
    """The front as a LaTeX table (package booktabs) with its caption."""
    rows = front_rows(study)
    heads = COLUMNS[: 5 if recogniser_of(study) else 4]
    body = [" & ".join(latex_text(cell) for cell in row) + r" \\" for row in rows]
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{latex_text(caption(study))}}}",
            rf"  \begin{{tabular}}{{ll{'r' * (len(heads) - 2)}}}",
            r"    \toprule",
            "    " + " & ".join(heads) + r" \\",
            r"    \midrule",
            *(f"    {line}" for line in body),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def latex_text(text: str) -> str:
    """Plain text for LaTeX: its special characters escaped."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {"<": r"\textless{}", ">": r"\textgreater{}"} | {sign: f"\\{sign}" for sign in "&%$#_{}"}
    return re.sub(r"[\\~^<>&%$#_{}]", lambda found: special[found[0]], text)


def citation(study: Study) -> dict[str, str]:
    """How to cite a study: `text`, one paragraph, and `bibtex`. Own folders and the paths in them are not named."""
    config = study.config
    data, versions = config["data"], config["versions"]
    year = str(config.get("created", ""))[:4]
    own = config["config"]["data"].get("private") is not None
    prints = f"private {data['private']['fingerprint']}, public {data['public']['fingerprint']}"
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    # the command of a study of own images may name them
    command = "" if own or not config.get("command") else f" Command: {config['command']}."
    note = (
        f"Data {'(own)' if own else data['source']}, fingerprints: {prints}. Judge {_named(config.get('judge'))}. "
        f"Prior {_named(config.get('prior'))}. Seed {config['seed']}. Versions: {named}.{command}"
    )
    title = f"Study {config['name']}: Random Erasing against model inversion"
    key = re.sub(r"\W+", "-", f"mi_tune-{config['name']}-{year}").strip("-")
    bibtex = "\n".join(
        [
            f"@misc{{{key},",
            f"  title = {{{latex_text(title)}}},",
            f"  howpublished = {{mi\\_tune {latex_text(str(versions.get('mi_tune', '')))}}},",
            f"  year = {{{year}}},",
            f"  note = {{{latex_text(note)}}},",
            "}",
            "",
        ]
    )
    return {
        "text": f"{title}. Made with mi_tune {versions.get('mi_tune', '')}, {config.get('created', '')}. {note}",
        "bibtex": bibtex,
    }


def _named(part: dict[str, Any] | None) -> str:
    """A part of a study with its fingerprint."""
    if not part:
        return "none"
    return f"{part['name']} ({part['fingerprint']})" if part.get("fingerprint") else str(part["name"])


def _with_interval(row: pd.Series, name: str) -> str:
    if pd.isna(row[name]):
        return "–"
    value, low, high = (100 * float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return f"{value:.1f} [{low:.0f}, {high:.0f}]"
