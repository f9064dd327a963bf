"""Time `ErasingLaw.erase` on a batch against torchvision's `v2.RandomErasing` image by image.

`python studies/benchmarks/benchmark_erasing.py` runs on one CPU thread; `--device cuda` on a GPU.
Both sides run in the same
process in turn, and the table gives medians over the repeats; the brackets hold the smallest and the largest.
torchvision's images are taken from the batch before the clock starts and are not put back into one, as in a data
loader that collates anyway.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable

import click
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torchvision.transforms import v2

from mi_tune.erasing import REFERENCE_LAWS, ErasingLaw

LAWS = {
    "MIDRE(0.1, 0.8)": REFERENCE_LAWS["MIDRE(0.1, 0.8)"],
    "MIDRE(0.1, 0.8), noise": ErasingLaw(probability=1.0, area=(0.1, 0.8), fill="noise"),
    "Zhong et al.": REFERENCE_LAWS["Zhong et al."],
}


def torchvision_transform(law: ErasingLaw, dtype: torch.dtype) -> v2.RandomErasing:
    """The nearest that torchvision has; its noise is normal and it gives up on rectangles that do not fit."""
    scale = 255 if dtype == torch.uint8 else 1
    value = "random" if law.fill == "noise" else [v * scale for v in law.fill_colour(3)]
    return v2.RandomErasing(p=law.probability, scale=law.area, ratio=law.aspect, value=value)


def image_by_image(transform: v2.RandomErasing, images: tuple[Tensor, ...]) -> Callable[[], None]:
    """One pass of the transform over the images of a batch."""

    def run() -> None:
        for image in images:
            transform(image)

    return run


def seconds(run: Callable[[], object], calls: int, device: torch.device) -> float:
    """Mean time of a call, with the device's queue empty before and after."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    for _ in range(calls):
        run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - start) / calls


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--device", "device_name", default="cpu", help="cpu, cuda or cuda:N.")
@click.option("--batch", type=click.IntRange(min=2), default=128, help="Images in a batch.")
@click.option("--size", type=click.IntRange(min=8), default=64, help="Side of the images in pixels.")
@click.option("--repeats", type=click.IntRange(min=1), default=15, help="Timed turns of each side.")
@click.option("--calls", type=click.IntRange(min=1), default=5, help="Batches in a turn.")
def benchmark(device_name: str, batch: int, size: int, repeats: int, calls: int) -> None:
    """Print milliseconds per batch of both sides and how many times faster the batch is."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    gc.disable()  # as timeit does: one collection costs as much as many batches
    try:
        device = torch.device(device_name)
    except RuntimeError:
        raise click.BadParameter(f"no device '{device_name}'", param_hint="--device") from None
    if device.type not in ("cpu", "cuda") or (device.type == "cuda" and not torch.cuda.is_available()):
        raise click.BadParameter(f"no device '{device_name}' here", param_hint="--device")
    generator = torch.Generator(device).manual_seed(0)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU, one thread"
    table = Table(title=f"{batch} images of 3 x {size} x {size}, {name}: ms per batch")
    for column in ("law", "type", "v2.RandomErasing", "ErasingLaw", "times faster"):
        table.add_column(column, justify="left" if column in ("law", "type") else "right")
    pixels = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8, device=device)
    for law_name, law in LAWS.items():
        for images in (pixels / 255, pixels):

            def batched(law: ErasingLaw = law, images: Tensor = images) -> object:
                return law.erase(images, generator)

            sides = (image_by_image(torchvision_transform(law, images.dtype), images.unbind()), batched)
            for run in sides:
                seconds(run, 2, device)
            times = [[seconds(run, calls, device) * 1000 for run in sides] for _ in range(repeats)]
            theirs, ours = zip(*times, strict=True)
            ratios = [a / b for a, b in times]
            table.add_row(
                law_name,
                str(images.dtype).removeprefix("torch."),
                f"{statistics.median(theirs):.2f} [{min(theirs):.2f}-{max(theirs):.2f}]",
                f"{statistics.median(ours):.3f} [{min(ours):.3f}-{max(ours):.3f}]",
                f"{statistics.median(ratios):.1f} [{min(ratios):.1f}-{max(ratios):.1f}]",
            )
    Console().print(table)


def main() -> int:
    """Run the command; a wrong option is one line and exit status 2."""
    try:
        benchmark.main(standalone_mode=False)
    except click.ClickException as error:
        print(f"error: {error.format_message()}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, click.Abort):
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
