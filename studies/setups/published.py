"""The published set-ups as a table of facts, from which the files in `paper/` are written.

`python -m studies.setups.published` writes them again. A field says how it is known; what is not known says so, and
nothing is filled in. Where a publication and its code differ, the code counts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from studies.setups.at_64_px import TARGETS_64, line_64
from studies.setups.at_224_px import CELLS_224, line_224, mirror

PAPER = Path(__file__).parent / "paper"


def every_setup() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and values of each published set-up."""
    for attack in ("gmi", "kedmi", "lomma", "lomma_ked", "plgmi", "brepmi"):
        for target in TARGETS_64:
            for public in ("celeba", "ffhq"):
                yield line_64(attack, target, public)
    for target in TARGETS_64:
        yield line_64("plgmi", target, "facescrub")
    for target in ("vgg16", "facenet64"):
        yield line_64("lokt", target, "celeba")
    for (attack, target, private, public), cell in CELLS_224.items():
        yield line_224(attack, target, private, public, cell)
    yield mirror("inceptionv1", 160)
    yield mirror("resnet50", 224)


def text(values: dict[str, Any]) -> str:
    """The file of a set-up."""
    head = f"# {values['paper']['title']}.\n# Written by `python -m studies.setups.published`: change it there.\n"
    return head + yaml.dump(values, sort_keys=False, allow_unicode=True, width=110, Dumper=_Plain)


class _Plain(yaml.SafeDumper):
    """Writes shared parts out in full, instead of as YAML's references."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def table() -> str:
    """The table of docs/setups.md: every file with what it needs and costs."""
    from mi_tune.library.costs import cost_of
    from mi_tune.library.setups import build_setup

    rows = [
        "| set-up | cell | needs | Pflop a law | training, GB | published figures |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in sorted(name for name, _ in every_setup()):
        setup = build_setup(PAPER / f"{name}.yaml")
        paper, cost = setup.paper, cost_of(setup)
        assert paper is not None and cost is not None
        known = "" if cost.train is not None else "+"
        cells = (
            name,
            paper.cell,
            ", ".join(paper.needs),
            f"{cost.teraflops / 1e3:.3g}{known}",
            f"{cost.gigabytes:.0f}",
        )
        rows.append(f"| {' | '.join(cells)} | {len(paper.figures) or ''} |".replace("|  |", "| |"))
    return "\n".join(rows)


def main() -> None:
    """Write every file, with the floating-point operations counted."""
    from mi_tune.library.costs import count_gigaflops

    PAPER.mkdir(exist_ok=True)
    for name, values in every_setup():
        counted = values | {"paper": values["paper"] | {"gigaflops": count_gigaflops(values).model_dump()}}
        (PAPER / f"{name}.yaml").write_text(text(counted), encoding="utf-8")
        print(name, file=sys.stderr)


if __name__ == "__main__":
    main()
