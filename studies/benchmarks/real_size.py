"""A whole study at real size: own weights to start from, own recogniser, then `attack` and `confirm`.

`python studies/benchmarks/real_size.py --private DIR --public DIR --out DIR [--resolution 112] [--identities 20]`

Targets start from a ResNet-18 that was trained for a few epochs to tell the public people apart; a small network of the
same people is the recogniser from outside. Then `pareto`, `attack` and `confirm` run as commands, with few trials and
epochs; smaller images are enlarged. Printed are the wall time and the largest memory of a process of each.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import click
import torch
from torch import Tensor, nn

from mi_tune.data.own import own_bank
from mi_tune.nets import create_classifier
from mi_tune.nets.training import Recipe, Training, predict
from mi_tune.runtime.command import Command, run_command
from mi_tune.runtime.device import pick_device
from mi_tune.runtime.errors import InputError

STUDIES = Path(__file__).parents[1]
SIDE = 64
"""Resolution of the own recogniser, in pixels."""


class Embedding(nn.Module):
    """The features (n, 128) of a small network of images (n, 3, 64, 64) in [0, 1]; its head is for its training."""

    def __init__(self, people: int = 2) -> None:
        super().__init__()
        widths, blocks = (3, 32, 64, 96, 128), []
        for before, width in pairwise(widths):
            blocks += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            blocks.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(widths[-1], people)

    def forward(self, images: Tensor) -> Tensor:
        return self.features(2 * images - 1)


class Told(nn.Module):
    """The same with its head, to train it."""

    def __init__(self, people: int) -> None:
        super().__init__()
        self.embedding = Embedding(people)

    def forward(self, images: Tensor) -> Tensor:
        return self.embedding.head(self.embedding(images))


def make_recogniser() -> nn.Module:
    """The own recogniser without its weights: the factory that the study is given."""
    network = Embedding()
    network.head = nn.Identity()  # its people are not those of the study
    return network


def train(model: nn.Module, public: Path, resolution: int, epochs: int, held: float = 0.1) -> tuple[nn.Module, float]:
    """Train a network to tell the public people apart. Returns it and its accuracy on the images held out."""
    device = pick_device()
    bank = own_bank(public, resolution, 3)
    order = torch.randperm(len(bank), generator=torch.Generator().manual_seed(0))
    held_out, kept = order[: int(held * len(bank))], order[int(held * len(bank)) :]
    recipe = Recipe(epochs=epochs, learning_rate=1e-3, shift=resolution // 16)
    run = Training(model, *bank.tensors(), kept, recipe, 0, device)
    while not run.finished:
        run.train_epoch()
    right = predict(run.model, run.images, device, held_out).argmax(1).cpu() == torch.from_numpy(bank.labels)[held_out]
    return run.model, float(right.float().mean())


def command(*words: object) -> None:
    """Run a command of the project, and print its wall time and the largest memory of one of its processes."""
    begun = time.perf_counter()
    status = subprocess.run(
        [sys.executable, str(STUDIES / f"{words[0]}.py"), *map(str, words[1:])], check=False
    ).returncode
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    click.echo(
        f"== {words[0]}: status {status}, {time.perf_counter() - begun:.0f} s, largest process so far {peak:.1f} GB"
    )
    if status:
        raise InputError(f"{words[0]} failed")


@click.command(cls=Command)
@click.option("--private", type=click.Path(path_type=Path, exists=True), required=True, help="Images, by person.")
@click.option("--public", type=click.Path(path_type=Path, exists=True), required=True, help="Of other people.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of weights and study.")
@click.option("--resolution", type=int, default=112)
@click.option("--identities", type=int, default=20)
@click.option("--attacked", type=click.IntRange(5), default=10, help="How many of them are attacked.")
@click.option("--start-epochs", type=int, default=3, help="Of the public training of the ResNet-18.")
@click.option("--recogniser-epochs", type=int, default=30)
@click.option("--epochs", type=int, default=6, help="Of a target.")
@click.option("--trials", type=int, default=6)
def benchmark(
    private: Path,
    public: Path,
    out: Path,
    resolution: int,
    identities: int,
    attacked: int,
    start_epochs: int,
    recogniser_epochs: int,
    epochs: int,
    trials: int,
) -> None:
    """Run a whole study at real size."""
    out.mkdir(parents=True, exist_ok=True)
    start, recogniser = out / "start.pt", out / "recogniser.pt"
    people = len([place for place in public.iterdir() if place.is_dir()])
    if not recogniser.exists():
        begun = time.perf_counter()
        torch.manual_seed(0)
        told, accuracy = train(Told(people), public, SIDE, recogniser_epochs)
        state = told.embedding.state_dict()  # type: ignore[operator, union-attr]
        torch.save({name: value for name, value in state.items() if not name.startswith("head.")}, recogniser)
        click.echo(f"== own recogniser: {accuracy:.2f} on held-out public images, {time.perf_counter() - begun:.0f} s")
    if not start.exists():
        begun = time.perf_counter()
        network = create_classifier("resnet18", people, 3, resolution, 0)
        network, accuracy = train(network, public, resolution, start_epochs)
        torch.save(network.state_dict(), start)
        click.echo(f"== start: {accuracy:.2f} on held-out public images, {time.perf_counter() - begun:.0f} s")
    folders = ["--private", private, "--public", public, "--out", out, "--name", "real", "--identities", identities]
    own = ["--recogniser", f"{Path(__file__).resolve()}:make_recogniser", "--recogniser-weights", recogniser]
    size = ["--resolution", resolution, "--architecture", "resnet18", "--start-from", start, "--epochs", epochs]
    resume = ["--resume"] if (out / "real" / "study.yaml").exists() else []
    command("pareto", *folders, *own, *size, "--trials", trials, "--attack-identities", attacked, *resume)
    command("attack", out / "real", "--attack", "map_logit,ppa", "--classes", attacked)
    command(
        "confirm", out / "real", "--quick", "--seeds", 1, "--points", 0, "--attacks", "map_logit", "--no-augmentations"
    )


def main() -> int:
    """Run the command."""
    return run_command(benchmark)


if __name__ == "__main__":
    sys.exit(main())
