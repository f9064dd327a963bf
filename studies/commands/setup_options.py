"""Options of commands that set one key of the set-up, each declared once, with its key."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mi_tune.runtime.kinds import BUDGETS, PRIOR_KINDS

PATH = click.Path(path_type=Path)


class SetupOption(click.Option):
    """An option whose value goes to one key of the set-up, such as `target.epochs`; without it the set-up decides."""

    def __init__(self, flag: str, key: str, help: str, **other: Any) -> None:
        super().__init__([flag], help=help, **other)
        self.key = key

    def taken_from(self, values: dict[str, Any]) -> Any:
        """Take the option's value out of a command's values; a path as text, absolute."""
        value = values.pop(str(self.name))
        return str(value.absolute()) if isinstance(value, Path) else value


def takes_setup(*options: SetupOption) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these options; the function gets their values as one argument `given`, by key."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def with_given(**values: Any) -> None:
            given = {option.key: option.taken_from(values) for option in options}
            if given.get("data.private") is not None or given.get("data.public") is not None:
                given["data.source"] = "folder"
            command(given=given, **values)

        # where click's own decorator leaves options, the last one first
        below = getattr(command, "__click_params__", [])
        with_given.__dict__["__click_params__"] = [*below, *reversed(options)]
        return with_given

    return decorate


DATA = (
    SetupOption("--private", "data.private", "Your images: one sub-folder per identity.", type=PATH),
    SetupOption("--public", "data.public", "Images of other people, for the attacker.", type=PATH),
    SetupOption(
        "--identities", "data.private_identities", "How many identities are private (drawn by seed).", type=int
    ),
    SetupOption("--resolution", "data.resolution", "Side of the images in pixels.", type=int),
)
RECOGNISER = (
    SetupOption(
        "--recogniser", "judge.recogniser", "Judge from outside: faces, none, or your own: path/to/file.py:factory."
    ),
    SetupOption("--recogniser-weights", "judge.recogniser_weights", "Its weights, a state_dict.", type=PATH),
)
TARGET = (
    SetupOption(
        "--architecture",
        "target.architecture",
        "small_cnn, any classifier of torchvision, timm:NAME, or your own: path/to/file.py:factory.",
    ),
    SetupOption("--epochs", "target.epochs", "Training epochs of a target.", type=int),
    SetupOption("--replicates", "target.replicates", "Targets trained and attacked per trial.", type=int),
)
PRIOR = (
    SetupOption("--prior", "prior.kind", "The attacker's prior.", type=click.Choice(PRIOR_KINDS)),
    SetupOption(
        "--generator", "prior.generator", "Your own generator, for --prior import or style: path/to/file.py:factory."
    ),
    SetupOption("--generator-weights", "prior.weights", "Its weights, a state_dict.", type=PATH),
)
JUDGE = SetupOption(
    "--judge",
    "judge.kind",
    "Who judges trials.  [default: auto; docs/judges.md]",
    type=click.Choice(["auto", "classifier", "verifier", "recogniser"]),
)
ATTACK = (
    SetupOption(
        "--attack",
        "attack.preset",
        "Attack preset (docs/attacks.md lists them), or your own: path/to/file.py:factory.",
    ),
    SetupOption("--budget", "attack.budget", "Budget of the attack.", type=click.Choice(BUDGETS)),
)
SEARCH = (
    SetupOption(
        "--sampler",
        "search.sampler",
        "gp, nehvi, tpe, nsga2, nsga3, qmc, random, or your own: file.py:factory.",
    ),
    SetupOption("--trials", "search.trials", "Trials in all, reference points among them.", type=int),
    SetupOption("--repeats", "search.repeats", "Share of the trials that run a law of the front again.", type=float),
    SetupOption(
        "--stopping",
        "search.stopping.scheduler",
        "End trials early that fall behind half-trained.",
        type=click.Choice(["none", "moasha"]),
    ),
    SetupOption(
        "--warm-start", "search.warm_start", "Folder of an earlier study to start from, of any data.", type=PATH
    ),
    SetupOption(
        "--min-accuracy", "search.min_accuracy", "Natural accuracy below which a law is infeasible.", type=float
    ),
)
