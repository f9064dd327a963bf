"""Do orderings that the literature reports hold here? `python studies/benchmarks/orderings.py [--setup procedural]`

Each claim is a pair of attacks that differ in one thing, on the same targets: no defence, MIDRE(0.1, 0.8) and a
heavier law. Printed are both attack accuracies and their difference, with 95 % intervals over
people, paired; a claim holds where the interval of the difference lies on its side of zero. Everything computed is
kept in the cache, so an interrupted run goes on.
"""

from __future__ import annotations

from dataclasses import replace

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mi_tune.attacks import Attack, make_attack
from mi_tune.attacks.evolution import CMAES
from mi_tune.attacks.selection import Last
from mi_tune.judging.intervals import signed
from mi_tune.library.setup_files import setup_file
from mi_tune.setup import make_setup, read_setup
from mi_tune.trial.attempts import Attempt
from mi_tune.trial.comparison import DEFENDED, LAWS, Results, compare

EVERYWHERE = tuple(LAWS)


def _with_steps(attack: Attack, steps: int, **changes) -> Attack:
    return replace(attack, stages=(replace(attack.stages[0], steps=steps),), **changes)


def _attempts(prior: str) -> dict[str, Attempt]:
    """Equal queries: about 50,000 images through the target for 30 people, forwards and backwards together."""
    ppa, lomma = make_attack("ppa", "reduced"), make_attack("lomma", "reduced")
    found = {
        "ppa": Attempt(ppa, prior),
        "taa": Attempt(make_attack("taa", "reduced"), prior),
        "paa": Attempt(make_attack("paa", "reduced"), prior),
        "lomma": Attempt(lomma, "dcgan"),
        "lomma, cross-entropy": Attempt(replace(lomma, identity_loss="cross_entropy"), "dcgan"),
        "white-box": Attempt(make_attack("ppa", "4x"), prior),
        "soft-label": Attempt(_with_steps(make_attack("cmaes", "reduced"), 76), prior),
        "hard-label": Attempt(_with_steps(make_attack("brepmi", "reduced"), 48, candidates=1, keep=1), prior),
        "first of 8": Attempt(replace(ppa, selection=Last()), prior),
    }
    for count in (2, 8, 32):
        found[f"best 2 of {count}"] = Attempt(replace(ppa, candidates=count, keep=2), prior)
    assert isinstance(found["soft-label"].attack.stages[0].optimiser, CMAES)
    return found


CLAIMS = (
    # claim, the better one, the worse one, where
    ("averaging over crops beats its base attack (AlignMI)", "taa", "ppa", DEFENDED),
    ("averaging over noise beats its base attack (AlignMI)", "paa", "ppa", DEFENDED),
    ("the logit loss beats cross-entropy (LOMMA)", "lomma", "lomma, cross-entropy", EVERYWHERE),
    ("soft labels beat hard labels at equal queries", "soft-label", "hard-label", EVERYWHERE),
    ("gradients beat soft labels at equal queries", "white-box", "soft-label", EVERYWHERE),
    ("8 candidates beat 2", "best 2 of 8", "best 2 of 2", EVERYWHERE),
    ("32 candidates beat 8", "best 2 of 32", "best 2 of 8", EVERYWHERE),
    ("selection over random views beats none", "ppa", "first of 8", EVERYWHERE),
)


@click.command()
@click.option("--setup", "name", default="orl", show_default=True, help="A name in studies/setups, or a YAML file.")
@click.option("--replicates", default=2, show_default=True, help="Targets per law.")
@click.option("--workers", default=2, show_default=True, help="Processes, one CPU thread each.")
def orderings(name: str, replicates: int, workers: int) -> None:
    """Print each claim with what was measured."""
    file = setup_file(name)
    setup = make_setup(read_setup(file), str(file))
    attempts = _attempts(setup.prior.kind)
    cells = compare(setup, LAWS, attempts, replicates, workers=workers)
    total = len(LAWS) * replicates * len(attempts)
    results = Results(list(track(cells, "attacks", total, console=Console(stderr=True))))
    table = Table("claim", "better", "worse", "difference", "holds", box=None)
    for claim, better, worse, where in CLAIMS:
        apart = results.difference(where, better, worse)
        holds = "yes" if apart.low > 0 else "no: reversed" if apart.high < 0 else "not told apart"
        table.add_row(
            claim, *(_mean(results, where, who) for who in (better, worse)), signed(apart), holds, end_section=True
        )
    Console(width=150).print(table)


def _mean(results: Results, laws: tuple[str, ...], who: str) -> str:
    return f"{who} " + " / ".join(f"{results.estimate(law, who).value:.2f}" for law in laws)


if __name__ == "__main__":
    orderings()
