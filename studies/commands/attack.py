"""Attack one trained model with many attacks: what does the strongest of them get out of it?

`python studies/attack.py results/orl` attacks a target of a study;
`python studies/attack.py --weights state.pt --architecture NAME --private DIR` your own model.
"""

from __future__ import annotations

from pathlib import Path

import click

from mi_tune.runtime.command import Command
from studies.commands.next_step import say_next, short
from studies.commands.setup_options import PLACE


class Numbers(click.ParamType):
    """Numbers with commas between."""

    name = "numbers"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"'{value}' is not a list of numbers such as 0.5 or 0.485,0.456,0.406", param, ctx)


@click.command(cls=Command, kept="attacks that had ended are in the folder, the same command goes on")
@click.argument("study", required=False, type=click.Path(path_type=Path))
@click.option("--trial", help="Trial of the study: number, reference or 'recommended'.  [default: no defence]")
@click.option("--weights", type=click.Path(path_type=Path), help="state_dict of your own model instead of a study.")
@click.option(
    "--architecture", help="Its architecture: small_cnn, one of torchvision, timm:NAME, or path/to/file.py:factory."
)
@click.option("--private", type=PLACE, help="The people it tells apart: one sub-folder each; or a name (mi-tune data).")
@click.option("--public", type=PLACE, help="Images of others; or a name.  [default: built-in faces]")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder of the data sets by name.")
@click.option("--resolution", type=int, help="Side of its images in pixels.  [default: 64]")
@click.option("--fit", type=click.Choice(["crop", "stretch"]), help="How images become squares.  [default: crop]")
@click.option("--mean", type=Numbers(), help="Normalisation of a bare torchvision model, per channel.")
@click.option("--std", type=Numbers(), help="Normalisation of a bare torchvision model, per channel.")
@click.option("--recogniser", help="Judge from outside: faces, or your own: path/to/file.py:factory.  [default: none]")
@click.option("--judge", help="Who judges; also your own: path/to/file.py:factory.  [default: auto; docs/judges.md]")
@click.option("--judge-weights", type=click.Path(path_type=Path), help="Your own judge's weights.")
@click.option("--law", help="Its erasing law: none, midre-0.4, midre-0.8, zhong, or a mapping.  [default: unknown]")
@click.option("--law-unknown", is_flag=True, help="Do not tell attacks that know of erasing which law it was.")
@click.option(
    "--attack",
    default="map_logit",
    help="Presets, or all, published, black-box, erasing-aware, or your own: path/to/file.py:factory; commas between.",
)
@click.option("--budget", default="reduced", help="reduced, 4x, 16x or full; commas between.")
@click.option("--prior", help="eigenface, dcgan or wgan.  [default: the study's, or eigenface]")
@click.option("--classes", type=click.IntRange(min=1), help="Attack only the first so many people.")
@click.option("--seed", type=int, help="Seed of the attacks.  [default: the study's, or 0]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the results.  [default: in the study's]")
@click.option("--include-images/--no-images", default=None, help="Show faces.  [default: as the study; not own data]")
@click.option("--force", is_flag=True, help="Compute also what the folder already holds.")
def attack(
    study: Path | None,
    trial: str | None,
    weights: Path | None,
    architecture: str | None,
    private: str | None,
    public: str | None,
    data_root: Path | None,
    resolution: int | None,
    fit: str | None,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    recogniser: str | None,
    judge: str | None,
    judge_weights: Path | None,
    law: str | None,
    law_unknown: bool,
    attack: str,
    budget: str,
    prior: str | None,
    classes: int | None,
    seed: int | None,
    out: Path | None,
    include_images: bool | None,
    force: bool,
) -> None:
    """Attack a target of the study in folder STUDY, or your own model (--weights), and judge every attack."""
    from rich.console import Console

    from mi_tune.library.attacking import OwnModel, plan_audit, run_planned

    own = OwnModel(
        private=private,
        public=public,
        architecture=architecture,
        mean=mean,
        std=std,
        resolution=resolution,
        fit=fit,
        law=law,
        recogniser=recogniser,
        judge=judge,
        judge_weights=judge_weights,
        data_root=data_root,
    )
    _check_source(study, weights, trial, own.said)
    planned = plan_audit(
        study if study is not None else weights,
        own,
        attacks=attack,
        budget=budget,
        trial=trial,
        prior=prior,
        seed=seed,
        out=out,
    )
    console = Console()
    table = run_planned(
        planned,
        classes=classes,
        seed=seed,
        law_known=not law_unknown,
        include_images=include_images,
        force=force,
        console=console,
    )

    from analysis.pages import write_attack_report, write_contact_sheet
    from analysis.pages.terminal import attack_table
    from analysis.statistics import load_attacks

    console.print(attack_table(table, console.width))
    found = load_attacks(planned.folder)
    for path in (planned.folder / "attacks.csv", write_contact_sheet(found), write_attack_report(found)):
        if path is not None:
            console.print(str(path), highlight=False, markup=False, soft_wrap=True)
    source = [short(study)] if study is not None else ["--weights", weights, "--architecture", architecture]
    source += [] if study is not None else ["--private", private, *(["--public", public] if public else [])]
    if attack == "map_logit":
        say_next(console, "attack it with those that know of erasing", "attack", *source, "--attack", "erasing-aware")
    elif study is not None:
        say_next(console, "confirm the whole front", "confirm", short(study))
    else:
        say_next(console, "search laws for your own images", "pareto", "--private", private)


def _check_source(study: Path | None, weights: Path | None, trial: str | None, said: list[str]) -> None:
    """Refuse what does not go together; `said`: names of what was said of a model of the user's."""
    if (study is None) == (weights is None):
        raise click.UsageError("give either the folder of a study, such as results/orl, or --weights of your own model")
    if study is not None:
        if said:
            raise click.UsageError(f"--{said[0].replace('_', '-')} goes with --weights; the study knows its own")
        return
    if trial is not None:
        raise click.UsageError("--trial goes with the folder of a study, not with --weights")
    for name in ("architecture", "private"):
        if name not in said:
            raise click.UsageError(f"--weights needs --{name}: what the model is, and whom it tells apart")
