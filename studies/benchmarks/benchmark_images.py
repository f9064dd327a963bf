"""How fast do images get into memory? `python studies/benchmarks/benchmark_images.py --private DIR`

Claims: 3,200 photographs become a bank of 224 px within 12 s on two cores and within 2 s at the second start, with a
peak of at most 1.3 times the bank; near-copies among 100,000 images are found within a minute.

Photographs of DIR, or of noise, are enlarged to 250 x 306 pixels and written as JPEG. Beside our reader, the same
files are decoded one after the other into a list that is stacked, as earlier versions did. Each is run in a process of
its own, which also prints the peak of its memory over the bank's size.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
from PIL import Image

from mi_tune.data import Bank, drop_copies, folder_bank
from mi_tune.data.listing import list_folder
from mi_tune.data.photographs import decode

SIDE = 224


def peak_bytes() -> int:
    """Peak of this process's memory, mapped files included; 0 where the system does not say."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def one_by_one(folder: Path) -> Bank:
    """As earlier versions: every image on its own, all of them in a list, then stacked."""
    listing = list_folder(folder)
    images = []
    for file in (file for files in listing.files for file in files):
        image = np.empty((3, SIDE, SIDE), dtype=np.uint8)
        decode(file, image)
        images.append(image)
    labels = np.repeat(np.arange(listing.identities), listing.counts)
    return Bank(np.ascontiguousarray(np.stack(images)), labels, listing.names)


READERS = {"one": one_by_one, "ours": lambda folder: folder_bank(folder, SIDE, 3)}


def timed(reader: str, folder: Path) -> None:
    """Print seconds, peak over size, and fingerprint of one reader."""
    before, begun = peak_bytes(), time.perf_counter()
    bank = READERS[reader](folder)
    seconds = time.perf_counter() - begun
    print(seconds, (peak_bytes() - before) / bank.images.nbytes, bank.fingerprint())


def write_photographs(folder: Path, source: Path | None, count: int, people: int) -> None:
    """`count` JPEG files of `people` in `folder`."""
    found = sorted(f for f in source.rglob("*") if f.suffix == ".jpg") if source else []
    rng = np.random.default_rng(0)
    for number in range(count):
        if found:
            image = Image.open(found[number % len(found)]).convert("RGB")
        else:
            image = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
        place = folder / f"person{number % people:04d}"
        place.mkdir(exist_ok=True, parents=True)
        image.resize((250, 306), Image.Resampling.BICUBIC).save(place / f"{number:06d}.jpg", quality=92)


def search_copies(images: int, private: int) -> tuple[float, int]:
    """Seconds to find the near-copies of `private` images among `images` public ones at 64 px grey, and how many."""
    rng = np.random.default_rng(0)
    ours = Bank(
        rng.integers(0, 256, (private, 1, 64, 64), dtype=np.uint8), np.zeros(private, dtype=np.int64), ("private",)
    )
    theirs = rng.integers(0, 256, (images, 1, 64, 64), dtype=np.uint8)
    copies = rng.choice(images, 50, replace=False)
    theirs[copies] = ours.images[rng.choice(private, 50)] // 2 + 60
    public = Bank(theirs, np.zeros(images, dtype=np.int64), ("public",))
    begun = time.perf_counter()
    _, dropped = drop_copies(public, ours)
    return time.perf_counter() - begun, dropped


@click.command()
@click.option("--private", type=click.Path(path_type=Path), help="Photographs to enlarge.  [default: noise]")
@click.option("--images", default=3200, help="How many photographs are read.")
@click.option("--copies", default=100_000, help="Images that are searched for near-copies.")
@click.option("--of", "originals", default=27_018, help="Images whose copies they may be: a published private set.")
@click.option("--reader", type=click.Choice(list(READERS)), hidden=True)
@click.option("--folder", type=click.Path(path_type=Path), hidden=True)
def main(
    private: Path | None, images: int, copies: int, originals: int, reader: str | None, folder: Path | None
) -> None:
    """Time the reading of a folder, and the search for near-copies."""
    if reader and folder:
        timed(reader, folder)
        return
    with tempfile.TemporaryDirectory() as place:
        photographs = Path(place) / "people"
        write_photographs(photographs, private, images, 100)
        environment = os.environ | {"MI_TUNE_CACHE": f"{place}/cache"}
        print(f"{images} photographs, {SIDE} px, {images * 3 * SIDE**2 / 1e6:.0f} MB as a bank")
        prints = set()
        for title, name in (("one by one", "one"), ("ours", "ours"), ("ours, second start", "ours")):
            command = [sys.executable, __file__, "--reader", name, "--folder", str(photographs)]
            ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            seconds, peak, fingerprint = ran.stdout.split()
            prints.add(fingerprint)
            print(f"{title:20} {float(seconds):6.1f} s, peak {float(peak):.2f} of the bank")
        print("the same pixels" if len(prints) == 1 else "DIFFERENT PIXELS")
    seconds, found = search_copies(copies, originals)
    print(f"near-copies of {originals} images among {copies}: {seconds:.1f} s, {found} of 50 found")


if __name__ == "__main__":
    main()
