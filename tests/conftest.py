"""What several tests share: a small set of images with identities, a file of generators, and a cache of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from own_generators import CODE
from PIL import Image
from torch import nn

from mi_tune.data import Bank
from mi_tune.nets import create_classifier
from mi_tune.nets.training import Recipe, Training
from mi_tune.runtime.provenance import RECORDED, Machine, Provenance
from mi_tune.setup import Setup, make_setup

if TYPE_CHECKING:
    from analysis.statistics import Confirmation
    from analysis.statistics.evidence import Evidence

torch.set_num_threads(1)
# exact comparisons need the same arithmetic on every machine; what bfloat16 does is tested where it is asked for, and
# `CUDA_VISIBLE_DEVICES=0 pytest` tries all of it on a GPU, which does not repeat a sum to the last digit
os.environ["MI_TUNE_PRECISION"] = "float32"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def pytest_configure(config: pytest.Config) -> None:
    """Of several processes, none shall begin the longest file last: files go in the order of collection (see below)."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, those that start Ray before the others; a file stays together."""
    weight: dict[Path, int] = {}
    for item in items:
        own = 2 * (item.get_closest_marker("ray") is not None) + (item.get_closest_marker("slow") is not None)
        weight[item.path] = max(weight.get(item.path, 0), own)
    items.sort(key=lambda item: -weight[item.path])


@pytest.fixture(scope="module")
def one_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A local Ray of two workers that all studies of a file use, as of a user who has started one; its cache."""
    from mi_tune.study.cluster import connect

    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MI_TUNE_CACHE", str(cache))
        with connect("local", None, 2):
            yield cache


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("MI_TUNE_CACHE", str(tmp_path_factory.mktemp("cache") / "mi_tune"))


def make_bank(identities: int, images: int = 6, size: int = 16, channels: int = 1, seed: int = 0) -> Bank:
    """Identities that a small net can tell apart: a pattern each, with noise and shifted light."""
    rng = np.random.default_rng(seed)
    pattern = rng.uniform(40, 215, (identities, 1, channels, 4, 4)).repeat(size // 4, 3).repeat(size // 4, 4)
    light = rng.uniform(-15, 15, (identities, images, 1, 1, 1))
    noise = rng.normal(0, 12, (identities, images, channels, size, size))
    pixels = (pattern + light + noise).clip(0, 255).astype(np.uint8)
    labels = np.arange(identities, dtype=np.int64).repeat(images)
    names = tuple(f"person{seed}_{k}" for k in range(identities))
    return Bank(pixels.reshape(-1, channels, size, size), labels, names)


@pytest.fixture
def bank() -> Bank:
    return make_bank(5)


def write_image_folder(bank: Bank, folder: Path) -> Path:
    """The bank as an ImageFolder of PNG files."""
    for number, (image, label) in enumerate(zip(bank.images, bank.labels, strict=True)):
        person = folder / bank.names[label]
        person.mkdir(parents=True, exist_ok=True)
        pixels = image[0] if bank.channels == 1 else image.transpose(1, 2, 0)
        Image.fromarray(pixels).save(person / f"{number:03d}.png")
    return folder


def folder_setup(folder: Path, **target: int) -> Setup:
    """Five private and eight public people as images in folders; `target` is the target's section."""
    data = {
        "source": "folder",
        "resolution": 16,
        "private": str(write_image_folder(make_bank(5, images=8), folder / "private")),
        "public": str(write_image_folder(make_bank(8, seed=1), folder / "public")),
    }
    return make_setup({"data": data, "target": target}, "test")


def assert_provenance(description: Mapping[str, Any]) -> None:
    """Every kind of folder records the same: study, confirmation, property study, attacks on one model, table."""
    assert {*Provenance.__annotations__} <= {*description}
    assert {"mi_tune", "python", *RECORDED} == {*description["versions"]}
    assert {*Machine.__annotations__} == {*description["machine"]}
    sides = [description["data"][side] for side in ("private", "public")]
    assert all(side["fingerprint"] if isinstance(side, dict) else side for side in sides)


@pytest.fixture
def generator_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    return path


@pytest.fixture(scope="module")
def target() -> nn.Module:
    """A classifier of the six people of `make_bank(6, images=10)`."""
    bank = make_bank(6, images=10)
    model = create_classifier("small_cnn", 6, 1, 16, seed=0)
    run = Training(model, *bank.tensors(), torch.arange(60), Recipe(epochs=12, flip=False), 0, torch.device("cpu"))
    while not run.finished:
        run.train_epoch()
    return model


@pytest.fixture(scope="session")
def confirmed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A confirmation of known accuracies, for tests that only read it."""
    from synthetic_confirmation import write_confirmation

    return write_confirmation(tmp_path_factory.mktemp("studies") / "known")


@pytest.fixture(scope="session")
def confirmation(confirmed_folder: Path) -> Confirmation:
    from analysis.statistics import load_confirmation

    return load_confirmation(confirmed_folder)


@pytest.fixture(scope="session")
def evidence(confirmation: Confirmation) -> Evidence:
    from synthetic_confirmation import RESAMPLES

    from analysis.statistics.evidence import draw_evidence

    return draw_evidence(confirmation, RESAMPLES)
