"""Which classifiers of torchvision take images of which size: `python studies/benchmarks/sizes.py`.

Prints a table for docs/sizes.md. Nothing is computed: the networks are built on torch's `meta` device.
"""

from __future__ import annotations

from collections import defaultdict

import click
from torchvision import models

from mi_tune.nets.sizes import check_size
from mi_tune.runtime.errors import InputError

SIZES = (32, 64, 128, 224)


def fitting(name: str, sizes: tuple[int, ...] = SIZES) -> tuple[bool, ...]:
    """Whether a network takes images of each size."""
    found = []
    for size in sizes:
        try:
            check_size(name, size)
            found.append(True)
        except InputError:
            found.append(False)
    return tuple(found)


@click.command(help=__doc__)
def main() -> None:
    """Print the table."""
    names = defaultdict(list)
    for name in models.list_models(module=models):
        names[fitting(name)].append(name)
    print("| " + " | ".join([*(f"{size} px" for size in SIZES), "classifiers of torchvision"]) + " |")
    print("| " + " | ".join("---" for _ in range(len(SIZES) + 1)) + " |")
    for fits, found in sorted(names.items(), reverse=True):
        cells = ["yes" if one else "no" for one in fits]
        print("| " + " | ".join([*cells, ", ".join(f"`{name}`" for name in found)]) + " |")


if __name__ == "__main__":
    main()
