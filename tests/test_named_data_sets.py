"""Data sets by name: official layouts in tiny made-up copies, who is private, and sets of which a part is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from scipy.io import savemat

from mi_tune import InputError, build_setup
from mi_tune.data.named import DATA_SETS
from mi_tune.trial.assets import load_data
from studies.commands.data_sets import data as data_command


def photograph(place: Path, seed: int, size: tuple[int, int] = (40, 48), mode: str = "RGB") -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.NEAREST).convert(mode).save(place)
    return place


def celeba(root: Path, people: tuple[int, ...] = (3, 5, 4, 6, 3, 4)) -> Path:
    """Images of all people in turn, as in the distribution."""
    lines, seed = [], 0
    for turn in range(max(people)):
        for number, count in enumerate(people, start=1):
            if turn < count:
                seed += 1
                photograph(root / "celeba" / "img_align_celeba" / f"{seed:06d}.jpg", seed, (178, 218))
                lines.append(f"{seed:06d}.jpg {number}")
    (root / "celeba" / "identity_CelebA.txt").write_text("\n".join(lines) + "\n")
    return root


def facescrub(root: Path) -> Path:
    for side, names in (("actors", ("Zed Young", "Al Bo")), ("actresses", ("Ann Lee", "Eva Moe"))):
        for n, name in enumerate(names):
            for k in range(4):
                photograph(
                    root / "facescrub" / side / "faces" / name / f"{name}_{k}.jpeg", 100 * len(side) + 10 * n + k
                )
    return root


def vggface2(root: Path) -> Path:
    for side, numbers in (("train", (2, 3)), ("test", (1, 9))):
        for number in numbers:
            for k in range(3):
                photograph(root / "VGGFace2" / side / f"n{number:06d}" / f"{k:04d}_01.jpg", 10 * number + k)
    return root


def stanford_dogs(root: Path) -> Path:
    place = root / "stanford_dogs"
    for part, numbers in (("train", (0, 1)), ("test", (2, 3))):
        files = []
        for breed in ("n02085620-Chihuahua", "n02113978-Mexican_hairless", "n02116738-African", "n02115913-dhole"):
            for k in numbers:
                photograph(place / "Images" / breed / f"{breed[:9]}_{k}.jpg", 1000 + len(breed) * 10 + k)
                files.append(f"{breed}/{breed[:9]}_{k}.jpg")
        listed = np.empty((len(files), 1), dtype=object)
        listed[:, 0] = files
        savemat(place / f"{part}_list.mat", {"file_list": listed})
    return root


def cub200(root: Path) -> Path:
    place = root / "CUB_200_2011"
    files, kinds, number = [], [], 0
    birds = ["001.Black_footed_Albatross", "002.Laysan_Albatross", "010.Red_winged_Blackbird", "011.Rusty_Blackbird"]
    for kind, bird in enumerate(birds, start=1):
        for k in range(3):
            number += 1
            photograph(place / "images" / bird / f"{bird[4:]}_{k}.jpg", 2000 + number)
            files.append(f"{number} {bird}/{bird[4:]}_{k}.jpg")
            kinds.append(f"{number} {kind}")
    place.joinpath("images.txt").write_text("\n".join(files))
    place.joinpath("image_class_labels.txt").write_text("\n".join(kinds))
    place.joinpath("classes.txt").write_text("\n".join(f"{k} {bird}" for k, bird in enumerate(birds, start=1)))
    return root


def ffhq(root: Path) -> Path:
    for number in range(6):
        photograph(root / "ffhq" / "thumbnails128x128" / "00000" / f"{number:05d}.png", 3000 + number, (128, 128))
    return root


def afhq(root: Path) -> Path:
    for side in ("train", "val"):
        for kind in ("cat", "dog", "wild"):
            for k in range(2):
                photograph(root / "afhq" / side / kind / f"{k}.jpg", 4000 + 100 * len(side + kind) + k)
    return root


def metfaces(root: Path) -> Path:
    for k in range(3):
        photograph(root / "metfaces" / "images" / f"{k:05d}-00.png", 5000 + k)
    return root


LAYOUTS: dict[str, tuple[Callable[[Path], Path], tuple[str, ...], int]] = {
    "celeba": (celeba, ("1", "2", "3", "4", "5", "6"), 25),
    "facescrub": (facescrub, ("Al Bo", "Zed Young", "Ann Lee", "Eva Moe"), 16),
    "vggface2": (vggface2, ("n000002", "n000003", "n000001", "n000009"), 12),
    "stanford_dogs": (
        stanford_dogs,
        ("n02085620-Chihuahua", "n02113978-Mexican_hairless", "n02115913-dhole", "n02116738-African"),
        16,
    ),
    "cub200": (
        cub200,
        ("001.Black_footed_Albatross", "002.Laysan_Albatross", "010.Red_winged_Blackbird", "011.Rusty_Blackbird"),
        12,
    ),
    "ffhq": (ffhq, ("ffhq",), 6),
    "afhq": (afhq, ("afhq",), 4),
    "metfaces": (metfaces, ("metfaces",), 3),
}


def test_every_data_set_has_a_made_up_copy_here():
    assert LAYOUTS.keys() == DATA_SETS.keys()


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_set_is_read_in_the_layout_of_its_distribution(name, tmp_path):
    make, names, images = LAYOUTS[name]
    listing = DATA_SETS[name].listing(make(tmp_path))
    assert listing.names == names
    assert listing.counts.sum() == images
    bank = listing.read(16)
    assert bank.images.shape == (images, 3, 16, 16)
    assert bank.images.std((1, 2, 3)).min() > 10


def test_celeba_is_read_by_identity_and_cropped_as_in_the_attacks_papers(tmp_path):
    root = celeba(tmp_path)
    image = Image.new("RGB", (178, 218), "black")
    image.paste("white", (35, 55, 35 + 108, 55 + 108))  # rows (218 - 108) // 2, columns (178 - 108) // 2
    image.save(root / "celeba" / "img_align_celeba" / "000001.jpg", quality=100)
    listing = DATA_SETS["celeba"].listing(root)
    assert [file.name for file in listing.files[0]] == ["000001.jpg", "000007.jpg", "000013.jpg"]
    assert listing.read(64).images[0].min() > 240
    assert listing.read(128).images[0].min() < 10  # larger than the papers' crop: the whole width


def test_thumbnails_of_ffhq_are_cropped_at_64_pixels_alone(tmp_path):
    root = ffhq(tmp_path)
    image = Image.new("RGB", (128, 128), "black")
    image.paste("white", (20, 20, 108, 108))  # the central 88
    image.save(root / "ffhq" / "thumbnails128x128" / "00000" / "00000.png")
    listing = DATA_SETS["ffhq"].listing(root)
    assert listing.read(64).images[0].min() > 240
    assert listing.read(128).images[0].min() == 0


def test_the_people_of_celeba_with_most_images_are_private_and_all_others_public(tmp_path):
    data = load_data(build_setup(private="celeba", data_root=celeba(tmp_path), identities=3, resolution=16), seed=5)
    assert data.private.names == ("2", "3", "4")
    assert data.public.names == ("1", "5", "6")
    same = load_data(
        build_setup(private="celeba", public="celeba", data_root=tmp_path, identities=3, resolution=16), seed=6
    )
    assert (same.private.fingerprint(), same.public.fingerprint()) == (
        data.private.fingerprint(),
        data.public.fingerprint(),
    )


def test_a_set_goes_with_another_on_the_public_side_and_the_study_says_that_both_are_small(tmp_path):
    facescrub(tmp_path), ffhq(tmp_path)
    data = load_data(build_setup(private="facescrub", public="ffhq", data_root=tmp_path, resolution=16), seed=0)
    assert (data.private.identities, data.public.identities, len(data.public)) == (4, 1, 6)
    assert data.notes == (
        "facescrub: 4 identities, 16 images of 530 identities, 106,863 images in the whole set",
        "ffhq: 6 images of 70,000 images in the whole set",
    )


def remove(*parts: str) -> Callable[[Path], None]:
    def do(root: Path) -> None:
        place = root.joinpath(*parts)
        if place.is_file():
            place.unlink()
        else:
            place.rename(root / "elsewhere")

    return do


HALVES = {
    "celeba without its identities": ("celeba", remove("celeba", "identity_CelebA.txt"), "identity_CelebA.txt is"),
    "celeba without its images": ("celeba", remove("celeba", "img_align_celeba"), "folder img_align_celeba is"),
    "celeba without one image": (
        "celeba",
        remove("celeba", "img_align_celeba", "000007.jpg"),
        r"000007\.jpg \(and so are 1 of 25 images",
    ),
    "actors alone": ("facescrub", remove("facescrub", "actresses"), "folder actresses/faces is"),
    "the training part alone": ("vggface2", remove("VGGFace2", "test"), "folder test is"),
    "dogs without a list": ("stanford_dogs", remove("stanford_dogs", "test_list.mat"), r"test_list\.mat is"),
    "dogs without a breed": (
        "stanford_dogs",
        remove("stanford_dogs", "Images", "n02115913-dhole"),
        "and so are 4 of 16 images",
    ),
    "birds without labels": ("cub200", remove("CUB_200_2011", "image_class_labels.txt"), r"image_class_labels\.txt is"),
    "birds without images": ("cub200", remove("CUB_200_2011", "images"), "folder images is"),
    "a gap in the thumbnails": ("ffhq", remove("ffhq", "thumbnails128x128", "00000", "00003.png"), r"00003\.png"),
    "dogs of the training part alone": ("afhq", remove("afhq", "val"), "folder test/dog is"),
    "no pictures of the museum": ("metfaces", remove("metfaces", "images"), "folder images is"),
}


@pytest.mark.parametrize("case", HALVES)
def test_half_a_set_is_refused_in_one_line_that_says_what_is_missing_and_where_it_is(case, tmp_path):
    name, spoil, hint = HALVES[case]
    spoil(LAYOUTS[name][0](tmp_path))
    with pytest.raises(InputError, match=hint) as caught:
        DATA_SETS[name].listing(tmp_path)
    assert "\n" not in str(caught.value)
    assert DATA_SETS[name].origin in str(caught.value)


def test_a_set_that_is_not_there_and_a_root_that_is_not_given_are_refused_in_one_line(tmp_path):
    with pytest.raises(InputError, match=r"no celeba there; put img_align_celeba/ and identity_CelebA.txt into"):
        load_data(build_setup(private="celeba", data_root=tmp_path), 0)
    with pytest.raises(InputError, match="needs --data-root DIR"):
        load_data(build_setup(private="celeba"), 0)
    with pytest.raises(InputError, match="names no people, so it can only be public"):
        load_data(build_setup(private="ffhq", public="celeba", data_root=ffhq(tmp_path)), 0)


def test_a_folder_of_the_name_of_a_data_set_is_still_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert build_setup(private="./celeba").data.private == tmp_path / "celeba"
    assert str(build_setup(private="celeba").data.private) == "celeba"


def test_the_command_lists_what_is_there_what_is_missing_and_what_is_incomplete(tmp_path):
    celeba(tmp_path), facescrub(tmp_path)
    (tmp_path / "celeba" / "img_align_celeba" / ".DS_Store").write_text("x")
    (tmp_path / "facescrub" / "actresses").rename(tmp_path / "elsewhere")
    result = CliRunner().invoke(data_command, ["--data-root", str(tmp_path)])
    assert result.exit_code == 0
    text = result.output
    assert "6 identities, 25 images, not all of it" in text
    assert "1 hidden" in text
    assert "cannot be used" in text and "actresses/faces is missing" in text
    assert text.count("missing: put") == 6
    for one in DATA_SETS.values():
        assert one.origin in text and one.licence in text
