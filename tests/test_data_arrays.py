"""Images in memory: arrays and datasets become banks like folders, are found again by their content, or are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import make_bank, write_image_folder
from torch.utils.data import Dataset, TensorDataset
from torchvision.datasets import ImageFolder

from mi_tune import InputError, build_setup
from mi_tune.data import bank_of, own_bank, store_bank
from mi_tune.runtime.cache import cache_folder
from mi_tune.trial.assets import load_data

RGB = make_bank(5, channels=3)
LABELS = RGB.labels


def test_every_usual_form_of_the_same_images_is_the_same_bank():
    last = RGB.images.transpose(0, 2, 3, 1)
    forms = [RGB.images, last, torch.from_numpy(RGB.images), torch.from_numpy(RGB.images) / 255, last / 255.0]
    assert {bank_of((form, LABELS), "private").fingerprint() for form in forms} == {
        bank_of((RGB.images, LABELS), "private").fingerprint()
    }
    grey = make_bank(5)
    assert (bank_of((grey.images[:, 0], grey.labels), "private").images == grey.images).all()


def test_a_dataset_gives_its_images_labels_and_names(tmp_path):
    bank = bank_of(TensorDataset(torch.from_numpy(RGB.images), torch.from_numpy(LABELS)), "public")
    assert (bank.images == RGB.images).all() and bank.names[0] == "public-0"
    folder = write_image_folder(RGB, tmp_path / "people")
    assert bank_of(ImageFolder(str(folder)), "private").names == RGB.names


def test_arrays_are_found_again_by_their_content_and_only_their_owner_can_read_them():
    bank = bank_of((RGB.images, LABELS), "private")
    path = store_bank(bank)
    assert store_bank(bank) == path
    assert path.stat().st_mode & 0o077 == 0
    assert own_bank(path, 16).fingerprint() == bank.fingerprint()
    small = own_bank(path, 8, channels=1)
    assert small.images.shape == (len(bank), 1, 8, 8)


def test_names_as_labels_become_people():
    bank = bank_of((RGB.images, [RGB.names[label] for label in LABELS]), "private")
    assert bank.names == RGB.names and (bank.labels == LABELS).all()


def test_arrays_give_the_same_study_data_as_the_folder_with_these_images(tmp_path):
    folders = {}
    arrays = {}
    for side, bank in (("private", make_bank(5, images=8)), ("public", make_bank(8, seed=1))):
        folders[side] = write_image_folder(bank, tmp_path / side)
        arrays[side] = (bank.images, [bank.names[label] for label in bank.labels])
    ours, theirs = (load_data(build_setup(resolution=16, **given), 0) for given in (arrays, folders))
    for side in ("private", "public"):
        assert getattr(ours, side).fingerprint() == getattr(theirs, side).fingerprint()
    assert (ours.split.train == theirs.split.train).all()


class Pairs(Dataset):
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, number):
        return self.items[number]


IMAGES = RGB.images
HOLE = np.where(LABELS == 2, 5, LABELS)
WRONG = {
    "a number": (3, "folder, a pair"),
    "three things": ((IMAGES, LABELS, 1), "folder, a pair"),
    "one image": ((IMAGES[0, 0], LABELS), "shape"),
    "two channels": ((IMAGES[:, :2], LABELS), "shape"),
    "images of two sizes": (([np.zeros((8, 8)), np.zeros((9, 9))], [0, 1]), "shapes"),
    "no images": ((IMAGES[:0], LABELS[:0]), "shape"),
    "integers": ((IMAGES.astype(np.int64), LABELS), "int64"),
    "floats to 255": ((IMAGES.astype(np.float32), LABELS), r"\[0, 1\]"),
    "negative pixels": ((IMAGES / 255 - 0.5, LABELS), "pixels from"),
    "pixels that are NaN": ((np.full(IMAGES.shape, np.nan), LABELS), "pixels from nan"),
    "text": ((np.array([["a"]]), LABELS), "shape"),
    "too few labels": ((IMAGES, LABELS[:-1]), "one label for each"),
    "labels with a gap": ((IMAGES, HOLE), "nobody has label 2"),
    "labels from one": ((IMAGES, LABELS + 1), "nobody has label 0"),
    "negative labels": ((IMAGES, LABELS - 1), "start at -1"),
    "labels that are floats": ((IMAGES, LABELS / 2), "whole numbers"),
    "an empty dataset": (Pairs([]), "empty"),
    "items that are no pairs": (Pairs([IMAGES[0]]), "no pair"),
    "a dataset of two sizes": (Pairs([(np.zeros((8, 8)), 0), (np.zeros((9, 9)), 1)]), "different shapes"),
}


@pytest.mark.parametrize("case", WRONG)
def test_images_that_cannot_be_used_are_one_line_that_says_which_side_and_what_to_give(case):
    given, hint = WRONG[case]
    with pytest.raises(InputError, match=hint) as caught:
        build_setup(private=given)
    assert "private" in str(caught.value) and "\n" not in str(caught.value)
    assert not cache_folder().exists(), "nothing was stored"


def test_a_person_with_too_few_images_is_named_before_anything_is_trained():
    setup = build_setup(
        private=(IMAGES[:-4], LABELS[:-4]), public=(make_bank(4, channels=3, seed=2).images, [*range(4)] * 6)
    )
    with pytest.raises(InputError, match=r"private-4' has 2 image"):
        load_data(setup, 0)


@pytest.mark.parametrize("damage", ["missing", "text", "without labels", "names that do not fit"])
def test_a_damaged_file_of_arrays_is_one_line(tmp_path, damage):
    path = tmp_path / "faces.npz"
    if damage == "text":
        path.write_text("x")
    elif damage == "without labels":
        np.savez(path, images=IMAGES)
    elif damage != "missing":
        np.savez(path, images=IMAGES, labels=LABELS, names=["a"])
    with pytest.raises(InputError, match=r"faces\.npz"):
        own_bank(path, 16)


# ------------------------------------------------------------------------------------------------ the user's loader

LOADER = """
import numpy as np

def faces(seed=0, people=6):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (people * 5, 20, 20, 3), dtype=np.uint8), np.arange(people * 5) // 5

def others():
    return faces(1)

def named():
    images, labels = faces(2)
    return images, [f"p{label}" for label in labels]

def wrong():
    return [1, 2, 3]

def broken():
    raise RuntimeError("no disk")

def needs(folder):
    return folder

def one_each():
    return faces()[0][:4], np.arange(4)
"""


@pytest.fixture
def loader(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_data.py").write_text(LOADER)
    return "my_data.py"


def test_a_loader_gives_people_on_either_side_or_on_both(loader):
    both = load_data(build_setup(data=f"{loader}:faces", resolution=16), 0)
    assert (both.private.identities, both.public.identities, both.private.resolution) == (4, 2, 16)
    assert both.private.channels == both.public.channels == 3
    apart = load_data(build_setup(private=f"{loader}:faces", public=f"{loader}:others", resolution=16), 0)
    assert (apart.private.identities, apart.public.identities) == (6, 6)
    assert not set(apart.private.names) & set(apart.public.names)
    assert load_data(build_setup(data=f"{loader}:named", resolution=16), 0).private.names[0].startswith("p")


def test_a_loader_and_the_same_arrays_are_the_same_images(loader, tmp_path):
    spec: dict = {}
    exec(LOADER, spec)
    images, labels = spec["named"]()
    ours = load_data(build_setup(data=f"{loader}:named", resolution=16), 3)
    theirs = load_data(build_setup(private=(images, labels), resolution=16), 3)
    assert ours.private.fingerprint() == theirs.private.fingerprint()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("wrong", "got a list"),
        ("broken", "no disk"),
        ("needs", "its factory fails without arguments"),
        ("nobody", "no factory 'nobody'"),
        ("one_each", "has 1 image"),
    ],
)
def test_a_loader_that_cannot_be_used_is_one_line_that_names_it(loader, name, hint):
    with pytest.raises(InputError, match=hint) as caught:
        load_data(build_setup(data=f"{loader}:{name}", resolution=16), 0)
    assert "\n" not in str(caught.value)


def test_private_images_are_named_once(loader, tmp_path):
    with pytest.raises(InputError, match="give either private or data"):
        build_setup(data=f"{loader}:faces", private=str(tmp_path))
    with pytest.raises(InputError, match="no such file"):
        load_data(build_setup(data="absent.py:faces"), 0)
