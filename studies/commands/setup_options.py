"""Options of commands that set one key of the set-up, each declared once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mi_tune.library.words import KEYS
from mi_tune.runtime.kinds import BUDGETS, PRIOR_KINDS

PATH = click.Path(path_type=Path)


class Place(click.ParamType):
    """Where images are: a folder, a file of arrays, a loader or a data set by name; see `mi_tune.data.places`."""

    name = "place"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The place, absolute where it is a path."""
        from mi_tune.data.places import absolute_place  # imports torch, and help should be quick

        try:
            return absolute_place(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


PLACE = Place()


class SetupOption(click.Option):
    """An option whose value goes to one key of the set-up (`KEYS`), such as `target.epochs`; else the set-up decides.

    Its name, with underscores, is the keyword of the library that does the same.
    """

    def __init__(self, flag: str, help: str, **other: Any) -> None:
        super().__init__([flag], help=help, **other)
        assert self.name in KEYS, flag

    def taken_from(self, values: dict[str, Any]) -> Any:
        """Take the option's value out of a command's values; a path absolute."""
        value = values.pop(str(self.name))
        return value.absolute() if isinstance(value, Path) else value


def takes_setup(*options: SetupOption) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these options; the function gets their values as one argument `given`, by keyword."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def with_given(**values: Any) -> None:
            given = {str(option.name): option.taken_from(values) for option in options}
            command(given=given, **values)

        # where click's own decorator leaves options, the last one first
        below = getattr(command, "__click_params__", [])
        with_given.__dict__["__click_params__"] = [*below, *reversed(options)]
        return with_given

    return decorate


DATA = (
    SetupOption("--private", "Your images: one sub-folder per identity; or a name (mi-tune data).", type=PLACE),
    SetupOption("--public", "Images of other people, for the attacker; or a name.", type=PLACE),
    SetupOption("--data", "Your function that returns images and labels: path/to/file.py:load.", type=PLACE),
    SetupOption("--data-root", "Folder of the data sets by name.", type=PATH),
    SetupOption("--identities", "How many identities are private (drawn by seed).", type=int),
    SetupOption("--resolution", "Side of the images in pixels.", type=int),
)
RECOGNISER = (
    SetupOption("--recogniser", "Judge from outside: faces, none, or your own: path/to/file.py:factory."),
    SetupOption("--recogniser-weights", "Its weights, a state_dict.", type=PATH),
)
TARGET = (
    SetupOption(
        "--architecture",
        "small_cnn, any classifier of torchvision, timm:NAME, or your own: path/to/file.py:factory.",
    ),
    SetupOption("--trainer", "Your own training loop of targets: path/to/file.py:train."),
    SetupOption("--epochs", "Training epochs of a target.", type=int),
    SetupOption("--pretrained", "Targets start from torchvision's or timm's weights: DEFAULT, or their name."),
    SetupOption("--start-from", "Targets start from a file of weights, with a head of their own.", type=PATH),
    SetupOption("--freeze", "How many first blocks keep the weights that they start from.", type=int),
    SetupOption(
        "--pretrain",
        "public: targets first learn to tell the public people apart.",
        type=click.Choice(["none", "public"]),
    ),
    SetupOption(
        "--compile",
        "Compile trainings with torch.compile; for long ones.",
        is_flag=True,
        default=None,
    ),
    SetupOption("--replicates", "Targets trained and attacked per trial.", type=int),
)
PRIOR = (
    SetupOption("--prior", "The attacker's prior.", type=click.Choice(PRIOR_KINDS)),
    SetupOption("--generator", "Your own generator, for --prior import or style: path/to/file.py:factory."),
    SetupOption("--generator-weights", "Its weights, a state_dict.", type=PATH),
)
JUDGE = (
    SetupOption(
        "--judge",
        "Who judges trials: auto, classifier, verifier, recogniser, or your own: path/to/file.py:factory.  "
        "[default: auto; docs/judges.md]",
    ),
    SetupOption("--judge-weights", "Your own judge's weights, a state_dict or safetensors.", type=PATH),
)
ATTACK = (
    SetupOption(
        "--attack",
        "Attack preset (docs/attacks.md lists them), or your own: path/to/file.py:factory.",
    ),
    SetupOption("--budget", "Budget of the attack.", type=click.Choice(BUDGETS)),
    SetupOption(
        "--other-attacks",
        "More attacks on every target, with :budget where it is not reduced; the strongest counts.  "
        "[default: none; with --defences one that sees through them]",
    ),
    SetupOption("--attack-identities", "Attack only so many private people in each trial.  [default: all]", type=int),
)
SEARCH = (
    SetupOption(
        "--defences",
        "Defences beside erasing that mixes may have: all, or names (docs/defences.md), such as neg_ls,mid; a single "
        "setting as bido:0.05,0.5, several joined by +.",
    ),
    SetupOption(
        "--sampler",
        "gp, nehvi, tpe, nsga2, nsga3, qmc, random, or your own: file.py:factory.",
    ),
    SetupOption("--trials", "Trials in all, reference points among them.", type=int),
    SetupOption("--repeats", "Share of the trials that run a law of the front again.", type=float),
    SetupOption(
        "--stopping",
        "End trials early that fall behind half-trained.",
        type=click.Choice(["none", "moasha"]),
    ),
    SetupOption("--warm-start", "Folder of an earlier study to start from, of any data.", type=PATH),
    SetupOption("--min-accuracy", "Natural accuracy below which a law is infeasible.", type=float),
    SetupOption(
        "--controls/--no-controls",
        "Train undefended classifiers to compare laws with.  [default: in studies of 24 trials or more]",
        default=None,
    ),
)
