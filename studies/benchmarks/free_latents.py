"""How free may latents be? `python studies/benchmarks/free_latents.py --private DIR --public DIR`

A prior with more components draws people better, and gives an attack more freedom to please the target with images that
show nobody. This attacks the same targets with priors of different size and with different weights of the latents'
length (`Attack.latent_weight`), and asks a recogniser from outside. Printed for each are: the prior's ceiling; and for
each law the share that the recogniser recognises, with its 95 % interval over people, what a classifier of the private
people says of the same images, and the seconds of an attack. Targets are trained once.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from mi_tune.attacks import Attack, Ground, make_attack, open_oracle
from mi_tune.erasing import REFERENCE_LAWS
from mi_tune.judging import class_interval, judge_images, train_judge
from mi_tune.judging.panel import GalleryJudge
from mi_tune.library.setup_files import setup_file
from mi_tune.priors import fit_eigenfaces, render_samples
from mi_tune.runtime.cache import content_key
from mi_tune.runtime.device import pick_device, use_one_thread
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed
from mi_tune.setup import make_setup, read_setup
from mi_tune.trial.assets import load_data
from mi_tune.trial.ceiling import measure_ceilings
from mi_tune.trial.judges import judge_recipe, prepare_recogniser
from mi_tune.trial.targets import target_training

LAWS = ("no defence", "MIDRE(0.1, 0.8)")


def attacks() -> dict[str, Attack]:
    ours, full = make_attack("map_logit", "reduced"), make_attack("map_logit", "full")
    ppa = make_attack("ppa", "reduced")
    assert isinstance(ours, Attack) and isinstance(full, Attack) and isinstance(ppa, Attack)
    weighted = {f"map_logit, weight {w:g}": replace(ours, latent_weight=w) for w in (0, 0.02, 0.05, 0.1, 0.2, 0.4)}
    loose = {f"map_logit, {loss}": replace(ours, identity_loss=loss) for loss in ("margin", "cross_entropy")}
    return {"ppa": ppa, **weighted, **loose, "map_logit full": full}


@click.command()
@click.option("--setup", "name", help="A YAML file, or a name in studies/setups.  [default: folder]")
@click.option("--private", type=click.Path(path_type=Path), help="Your images.")
@click.option("--public", type=click.Path(path_type=Path), help="Images of other people.")
@click.option("--identities", type=int, default=30)
@click.option("--resolution", type=int, default=32)
@click.option("--recogniser", default="faces")
@click.option("--seeds", type=int, default=3)
def main(
    name: str | None,
    private: Path | None,
    public: Path | None,
    identities: int,
    resolution: int,
    recogniser: str,
    seeds: int,
) -> None:
    use_one_thread()
    console, device = Console(), pick_device()
    given: dict[str, object] = {"judge.recogniser": recogniser}
    if private is not None:
        given |= {"data.source": "folder", "data.private": str(private), "data.public": str(public)}
        given |= {"data.private_identities": identities, "data.resolution": resolution}
    file = setup_file(name or "folder")
    setup = make_setup(read_setup(file), str(file), given)
    data = load_data(setup, 0)
    people = torch.arange(data.private.identities)
    gallery = prepare_recogniser(setup, data, device)
    if gallery is None:
        raise InputError("no recogniser; give one (--recogniser faces)")
    judge = train_judge(data.private, data.split, judge_recipe(setup), derive_seed(0, "judge"), device)
    targets, unseen = {}, np.concatenate([data.split.val, data.split.test])
    for law in LAWS:
        for seed in range(seeds):
            run = target_training(setup, data, REFERENCE_LAWS[law], seed, 0, device)
            while not run.finished:
                run.train_epoch()
            answers = run.model.eval()(run.images[unseen].to(device).float() / 255).argmax(1).cpu().numpy()
            targets[law, seed] = run, float((answers == data.private.labels[unseen]).mean())
            console.print(f"{law}, seed {seed}: natural accuracy {targets[law, seed][1]:.3f}", highlight=False)
    rows = Table(title=f"{len(people)} people, {resolution} px, {seeds} seeds, recogniser {gallery.name}")
    for title in (
        "components",
        "ceiling",
        "attack",
        *(f"{law}: {what}" for law in LAWS for what in ("recognised", "judge")),
    ):
        rows.add_column(title, justify="right")
    rows.add_column("seconds", justify="right")
    for components in (128, 400, None):
        prior = fit_eigenfaces(data.public.images, data.public.labels, components, device)
        ground = Ground(
            prior, render_samples(prior, 2000, 0, device), data.public.images, content_key(prior.latent_dim, str(file))
        )
        (ceiling,) = measure_ceilings(
            make_attack("ppa", "reduced"),
            ground,
            data,
            data.split.val,
            [GalleryJudge(gallery, "rank-1", outside=True)],
            device,
        )
        for title, attack in attacks().items():
            cells, seconds = [], []
            for law in LAWS:
                found, judged = [], []
                for seed in range(seeds):
                    run, _ = targets[law, seed]
                    oracle = open_oracle(attack.access, run.model, device, len(people))
                    result = attack.run(oracle, ground.knowing(run.law), people, seed)
                    found.append(gallery.answers(result.images, people, device).rank1.mean(1))
                    judged.append(judge_images(judge, result.images, people, device).accuracy.mean())
                    seconds.append(result.seconds)
                value, low, high = class_interval(np.mean(found, axis=0))
                cells += [f"{value:.3f} [{low:.2f}, {high:.2f}]", f"{np.mean(judged):.3f}"]
            rows.add_row(f"{prior.latent_dim}", f"{ceiling.drawn.value:.2f}", title, *cells, f"{np.mean(seconds):.1f}")
            console.print(f"{prior.latent_dim} {title} {cells}", highlight=False)
    console.print(rows)


if __name__ == "__main__":
    main()
