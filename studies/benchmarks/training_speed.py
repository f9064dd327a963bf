"""How fast a target is trained with erasing: `python studies/benchmarks/training_speed.py`

Three sides, turn by turn in one process, in images a second: this project's loop; the usual `DataLoader` with the
transforms of torchvision and the same steps; and the steps alone on a batch that is always the same, which is the limit
of every loop. At 224 px the usual data set holds JPEG files, which it decodes anew in every epoch, while a bank is
decoded once. On a CPU all run in one thread, without workers, and the clock is the processor time of the process, so
that other programs on the machine disturb little; on a GPU it is the time that passes, with `--workers` processes.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable, Iterable

import click
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from mi_tune.erasing import ErasingLaw
from mi_tune.nets import create_classifier, place
from mi_tune.nets.training import Recipe, Training
from mi_tune.runtime.device import autocast

CASES = {"small": ("small_cnn", 32, 1, 640), "large": ("resnet18", 224, 3, 64)}
"""Architecture, side, channels, and images of an epoch on a CPU."""
CLASSES, BATCH = 40, 32
LAW = ErasingLaw(1.0, area=(0.1, 0.4), fill=(0.5,))


class _Files(Dataset):
    """Images as somebody's data set holds them: pixels, or files of JPEG in memory."""

    def __init__(self, images: Tensor, labels: Tensor, transform: Callable, as_files: bool) -> None:
        self.labels, self.transform = labels, transform
        self.images: list = [_jpeg(image) for image in images] if as_files else list(images)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = self.images[index]
        if isinstance(image, bytes):
            image = v2.functional.pil_to_tensor(Image.open(io.BytesIO(image)))
        return self.transform(image), self.labels[index]


def _jpeg(image: Tensor) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=90)
    return file.getvalue()


def _photographs(count: int, channels: int, side: int) -> Tensor:
    """Smooth random images, which compress like photographs."""
    coarse = np.random.default_rng(0).uniform(0, 1, (count, channels, 8, 8)).astype(np.float32)
    smooth = F.interpolate(torch.from_numpy(coarse), (side, side), mode="bicubic", antialias=True)
    return (smooth.clamp(0, 1) * 255).byte()


def _steps(run: Training, batches: Iterable[tuple[Tensor, Tensor]]) -> int:
    """Train on batches by the steps of `Training`, without its augmentation; returns the number of images."""
    count = 0
    run.model.train()
    for images, labels in batches:
        images = images.to(run.device, non_blocking=True).contiguous(memory_format=torch.channels_last)
        labels = labels.to(run.device, non_blocking=True)
        with autocast(run.device):
            loss = F.cross_entropy(run.model(images), labels)
        run.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        run.optimiser.step()
        count += len(images)
    return count


def sides(case: str, device: torch.device, workers: int) -> dict[str, Callable[[], int]]:
    """One turn of each side; returns how many images it trained on."""
    architecture, side, channels, count = CASES[case]
    count *= 1 if device.type == "cpu" else 20
    images, labels = _photographs(count, channels, side), torch.arange(count) % CLASSES
    law = LAW if channels == 1 else ErasingLaw(1.0, area=(0.1, 0.4), fill=(0.5,) * channels)
    recipe = Recipe(epochs=10_000, batch_size=BATCH, shift=2)

    def training() -> Training:
        model = create_classifier(architecture, CLASSES, channels, side, 0)
        return Training(model, images, labels, torch.arange(count), recipe, 0, device, law)

    ours, theirs, alone = training(), training(), training()
    usual = v2.Compose(
        [
            v2.RandomCrop(side, padding=2, padding_mode="edge"),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.RandomErasing(p=1.0, scale=(0.1, 0.4), ratio=(1.0, 1.0), value=0.5),
        ]
    )
    data = _Files(images, labels, usual, as_files=side == 224)
    loader = DataLoader(
        data, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0, pin_memory=device.type == "cuda"
    )
    fixed = place(images[:BATCH].float().div(255), device), labels[:BATCH].to(device)

    def own_epoch() -> int:
        ours.train_epoch()
        return count

    return {
        "this project": own_epoch,
        "DataLoader": lambda: _steps(theirs, loader),
        "steps alone": lambda: _steps(alone, [fixed] * (count // BATCH)),
    }


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--case", "cases", multiple=True, type=click.Choice(list(CASES)), default=list(CASES))
@click.option("--turns", default=7, help="Timed turns of each side, after one that is not.")
@click.option("--workers", default=0, help="Processes of the DataLoader, on a GPU.")
def benchmark(cases: tuple[str, ...], turns: int, workers: int) -> None:
    """Print images a second of each side, and each as a share of the steps alone, with quartiles over the turns."""
    torch.set_num_threads(1)
    device = torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")
    table = Table("case", "side", "images / s", "share of the limit [quartiles]", box=None)
    for case in cases:
        turn = sides(case, device, workers if device.type == "cuda" else 0)
        speeds: dict[str, list[float]] = {name: [] for name in turn}
        for number in range(turns + 1):
            for name, work in turn.items():
                begun = _now(device)
                done = work() / (_now(device) - begun)
                if number:
                    speeds[name].append(done)
        for name, found in speeds.items():
            shares = [a / b for a, b in zip(found, speeds["steps alone"], strict=True)]
            low, middle, high = statistics.quantiles(shares, n=4)
            label = f"{CASES[case][0]}, {CASES[case][1]} px" if name == "this project" else ""
            table.add_row(label, name, f"{statistics.median(found):.0f}", f"{middle:.2f} [{low:.2f}, {high:.2f}]")
    Console(width=100).print(table)


def _now(device: torch.device) -> float:
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


if __name__ == "__main__":
    benchmark()
