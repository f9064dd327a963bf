"""Images from the built-in faces and from folders: what is read, and what is refused by name."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import make_bank, write_image_folder
from PIL import Image

from mi_tune.data import folder_bank, orl_bank
from mi_tune.data.listing import list_folder
from mi_tune.runtime.cache import cache_folder
from mi_tune.runtime.errors import InputError
from mi_tune.setup import make_setup
from mi_tune.trial.assets import load_data


def person(root: Path, *images: Image.Image, name: str = "anna", suffix: str = ".png", **options) -> Path:
    (root / name).mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        image.save(root / name / f"{number}{suffix}", **options)
    return root


def flat(value: int | tuple[int, ...], mode: str = "L", size: tuple[int, int] = (20, 20)) -> Image.Image:
    return Image.new(mode, size, value)


def only_image(folder: Path, **options) -> np.ndarray:
    return folder_bank(folder, options.pop("resolution", 16), options.pop("channels", None), "crop").images[0]


def test_the_built_in_faces_are_forty_people_with_ten_images_each():
    bank = orl_bank(32)
    assert bank.images.shape == (400, 1, 32, 32)
    assert np.bincount(bank.labels).tolist() == [10] * 40
    assert bank.fingerprint() == orl_bank(32).fingerprint()
    assert bank.fingerprint() != orl_bank(24).fingerprint()
    assert 0.3 < bank.mean()[0] < 0.6
    assert bank.images.std((1, 2, 3)).min() > 15  # faces, not blanks


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".jpg", ".webp"])
def test_common_formats_are_read(tmp_path, suffix):
    image = only_image(person(tmp_path, flat((200, 100, 50), "RGB"), suffix=suffix))
    assert image.shape == (3, 16, 16)
    assert np.abs(image.mean((1, 2)) - [200, 100, 50]).max() < 4


def test_grey_images_stay_grey_and_one_colour_image_makes_all_of_them_colour(tmp_path):
    assert only_image(person(tmp_path / "a", flat(90))).shape == (1, 16, 16)
    mixed = folder_bank(person(tmp_path / "b", flat(90), flat((1, 2, 3), "RGB")), 16, None, "crop")
    assert mixed.images.shape == (2, 3, 16, 16)
    assert (mixed.images[0] == 90).all()


def test_channels_can_be_asked_for(tmp_path):
    person(tmp_path, flat((200, 100, 50), "RGB"))
    assert only_image(tmp_path, channels=1)[0, 0, 0] == pytest.approx(0.299 * 200 + 0.587 * 100 + 0.114 * 50, abs=1)
    assert only_image(person(tmp_path / "grey", flat(70)), channels=3).shape == (3, 16, 16)


def test_deep_grey_is_scaled_not_clipped(tmp_path):
    values = np.linspace(0, 65535, 16, dtype=np.uint16)[None].repeat(16, 0)
    image = only_image(person(tmp_path, Image.fromarray(values)))
    assert image[0, 0].tolist() == pytest.approx(np.linspace(0, 255, 16).tolist(), abs=1)
    floats = Image.fromarray(np.full((16, 16), 77.0, dtype=np.float32))
    assert (only_image(person(tmp_path / "f", floats, suffix=".tif")) == 77).all()


def test_what_is_transparent_is_white(tmp_path):
    clear = Image.new("RGBA", (16, 16), (10, 20, 30, 255))
    clear.paste((10, 20, 30, 0), (0, 0, 8, 16))
    image = only_image(person(tmp_path, clear))
    assert (image[:, 8, 2] == 255).all()
    assert image[:, 8, 13].tolist() == [10, 20, 30]


def test_a_palette_is_looked_up(tmp_path):
    palette = flat((200, 100, 50), "RGB").quantize(4)
    assert only_image(person(tmp_path, palette))[:, 0, 0].tolist() == pytest.approx([200, 100, 50], abs=2)


def test_a_camera_that_lay_on_its_side_is_put_upright(tmp_path):
    photo = flat(0, size=(16, 16))
    photo.paste(255, (0, 0, 16, 4))  # bright band at the top of the stored pixels
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise: the band belongs to the right
    image = only_image(person(tmp_path, photo, suffix=".jpg", exif=exif, quality=95))[0]
    assert image[:, 14].mean() > 200
    assert image[:, 3].mean() < 60


def test_crop_takes_the_square_in_the_middle_and_stretch_takes_everything(tmp_path):
    wide = flat(0, size=(48, 16))
    wide.paste(255, (0, 0, 16, 16))
    person(tmp_path, wide)
    assert folder_bank(tmp_path, 16, None, "crop").images.max() < 40  # a little ringing from the resampling
    assert folder_bank(tmp_path, 16, None, "stretch").images[0, 0, :, 1].min() > 200


def test_files_that_are_no_images_and_hidden_folders_are_left_alone(tmp_path):
    person(tmp_path, flat(90))
    person(tmp_path, flat(90), name=".thumbnails")
    (tmp_path / "anna" / "notes.txt").write_text("hello")
    (tmp_path / "readme.md").write_text("hello")
    person(tmp_path / "anna", flat(120), name="holiday")
    bank = folder_bank(tmp_path, 16, None, "crop")
    assert bank.names == ("anna",)
    assert len(bank) == 2


def _cut(root: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    file = person(root, Image.fromarray(noise), suffix=".jpg") / "anna" / "0.jpg"
    file.write_bytes(file.read_bytes()[:-900])
    return file


def _write(name: str, content: bytes):
    def make(root: Path) -> Path:
        file = person(root, flat(90)) / "anna" / name
        file.write_bytes(content)
        return file

    return make


@pytest.mark.parametrize(
    "spoil", [_cut, _write("text.png", b"not an image"), _write("empty.jpg", b"")], ids=["cut", "text", "empty"]
)
def test_an_image_that_cannot_be_read_is_named(tmp_path, spoil):
    culprit = spoil(tmp_path)
    with pytest.raises(InputError) as caught:
        folder_bank(tmp_path, 16, None, "crop")
    assert str(culprit) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folders_without_people_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        folder_bank(tmp_path / "nowhere", 16, None, "crop")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        folder_bank(tmp_path / "file", 16, None, "crop")
    with pytest.raises(InputError, match="no images found"):
        folder_bank(tmp_path, 16, None, "crop")


def test_an_identity_with_too_few_images_is_named(tmp_path):
    person(tmp_path, flat(1), flat(2), flat(3), name="anna")
    person(tmp_path, flat(1), name="bob")
    with pytest.raises(InputError, match=r"bob: identity with 1 image"):
        folder_bank(tmp_path, 16, None, "crop", minimum_images=3)


# --------------------------------------------------------------------------------------------- two folders


def setup_of(**data):
    return make_setup({"data": {"source": "folder", "resolution": 16, **data}}, "test")


@pytest.fixture
def folders(tmp_path) -> dict[str, str]:
    private = write_image_folder(make_bank(5), tmp_path / "private")
    return {"private": str(private), "public": str(write_image_folder(make_bank(6, seed=1), tmp_path / "public"))}


def test_an_identity_in_both_folders_is_refused_by_name(folders):
    person(Path(folders["public"]), flat(5), name="person0_3")
    with pytest.raises(InputError, match="identity 'person0_3' is in both"):
        load_data(setup_of(**folders), 0)


def test_a_public_copy_of_a_private_image_is_dropped_and_counted(folders):
    source = next(Path(folders["private"]).glob("person0_2/*.png"))
    Image.open(source).point(lambda v: min(255, v + 3)).save(Path(folders["public"]) / "person1_0" / "copy.png")
    data = load_data(setup_of(**folders), 0)
    assert data.copies_dropped == 1
    assert len(data.public) == 36


def test_one_folder_is_split_into_private_and_public_people(folders):
    data = load_data(setup_of(private=folders["private"]), 0)
    assert data.private.identities == 3
    assert data.public.identities == 2
    assert not set(data.private.names) & set(data.public.names)


def test_as_many_people_are_drawn_as_are_asked_for(folders):
    names = [load_data(setup_of(**folders, private_identities=3), seed).private.names for seed in range(6)]
    assert all(len(n) == 3 for n in names)
    assert len(set(names)) > 1
    with pytest.raises(InputError, match="5 identities, fewer than private_identities 9"):
        load_data(setup_of(**folders, private_identities=9), 0)


def test_grey_private_images_make_public_ones_grey(folders, tmp_path):
    person(tmp_path / "colour", *[flat((k, 90, 200 - k), "RGB") for k in range(3)], name="zoe")
    person(tmp_path / "colour", *[flat((k, 200, 20), "RGB") for k in range(3)], name="yan")
    data = load_data(setup_of(private=folders["private"], public=str(tmp_path / "colour")), 0)
    assert data.public.channels == data.private.channels == 1


def test_hidden_things_and_traces_of_a_mac_are_left_out(tmp_path):
    person(tmp_path, flat(90))
    for hidden in (
        "anna/.ipynb_checkpoints/0-checkpoint.png",
        "anna/._0.png",
        "__MACOSX/anna/._0.png",
        "anna/.x/a/b.png",
    ):
        file = tmp_path / hidden
        file.parent.mkdir(parents=True, exist_ok=True)
        flat(120).save(file)
    bank = folder_bank(tmp_path, 16, None, "crop")
    assert bank.names == ("anna",)
    assert len(bank) == 1


def test_parts_of_a_split_are_not_people(tmp_path):
    for part in ("train", "val", "test"):
        person(tmp_path, flat(90), name=part)
    with pytest.raises(
        InputError, match=r"holds the parts of a split \(test, train, val\), not one sub-folder per"
    ) as caught:
        folder_bank(tmp_path, 16)
    assert "\n" not in str(caught.value)


def exif_block(tag: int, kind: int, content: bytes, count: int = 1) -> bytes:
    """An EXIF block with orientation 6 and one more entry, whose content is stored behind the two."""
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + struct.pack("<HHII", tag, kind, count, 8 + 2 + 24 + 4)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + struct.pack("<I", 0) + content


ODD = {
    "resolution of 0/0": exif_block(0x011A, 5, struct.pack("<II", 0, 0)),
    "negative resolution": exif_block(0x011A, 10, struct.pack("<ii", -72, 1)),
    "resolution as text": exif_block(0x011A, 2, b"seventy two\0", 12),
    "width as a rational": exif_block(0x0100, 5, struct.pack("<II", 16, 1)),
    "ISO as a double": exif_block(0x8827, 12, struct.pack("<d", 100.5)),
}


@pytest.mark.parametrize("block", ODD.values(), ids=ODD)
def test_an_odd_exif_block_stops_nothing_and_turns_the_image(tmp_path, block):
    photo = flat(0)
    photo.paste(255, (0, 0, 16, 4))
    image = only_image(person(tmp_path, photo, suffix=".jpg", exif=block, quality=95))[0]
    assert image[:, 14].mean() > 200


@pytest.mark.parametrize(
    "block", [b"Exif\x00\x00", b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01"]
)
def test_a_broken_exif_block_leaves_the_image_as_it_is_stored(tmp_path, block):
    assert (only_image(person(tmp_path, flat(90), suffix=".jpg", exif=block, quality=95)) == 90).all()


def test_floats_up_to_one_keep_their_shades(tmp_path):
    values = np.linspace(0, 1, 16, dtype=np.float32)[None].repeat(16, 0)
    image = only_image(person(tmp_path, Image.fromarray(values), suffix=".tif"))
    assert image[0, 0].tolist() == pytest.approx(np.linspace(0, 255, 16).tolist(), abs=1)


@pytest.mark.parametrize("bad", [-0.5, float("nan")])
def test_pixels_that_are_no_light_are_refused(tmp_path, bad):
    values = np.full((16, 16), 0.5, dtype=np.float32)
    values[3, 4] = bad
    person(tmp_path, Image.fromarray(values), suffix=".tif")
    with pytest.raises(InputError, match=r"0\.tif: has negative or NaN pixels"):
        folder_bank(tmp_path, 16)


def test_twelve_bits_in_a_file_of_sixteen_are_as_bright_as_they_were(tmp_path):
    bright = np.linspace(0, 4095, 16, dtype=np.uint16)[None].repeat(16, 0)
    person(tmp_path, Image.fromarray(bright))
    person(tmp_path, Image.fromarray(bright // 4), name="bert")
    images = folder_bank(tmp_path, 16).images[:, 0, 0]
    assert images[0].tolist() == pytest.approx(np.linspace(0, 255, 16).tolist(), abs=1)
    assert images[1].tolist() == pytest.approx((np.linspace(0, 255, 16) / 4).tolist(), abs=1)  # by the same scale


def test_a_folder_of_dim_photographs_of_sixteen_bits_stays_dim(tmp_path):
    person(tmp_path, Image.fromarray(np.full((16, 16), 30_000, dtype=np.uint16)))  # needs 15 bits, which no camera has
    assert folder_bank(tmp_path, 16).images.mean() == pytest.approx(30_000 / 65_535 * 255, abs=1)


# ------------------------------------------------------------------------------------- the file of decoded images


def test_what_is_left_out_is_counted_by_its_kind_in_one_line(tmp_path):
    person(tmp_path, flat(90), flat(91))
    for name in ("anna/3.gif", "anna/deep/4.GIF", "anna/notes.txt", "anna/README", "anna/._0.png", "loose.png"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x")
    person(tmp_path / "anna", flat(1), flat(2), name=".ipynb_checkpoints")
    person(tmp_path / "__MACOSX", flat(3))
    listing = list_folder(tmp_path)
    assert listing.counts.tolist() == [2]
    assert listing.notes == (
        f"left out of {tmp_path}: 2 .gif, 1 .png outside the sub-folders, 1 .txt, 4 hidden, 1 without a suffix",
    )
    (plain,) = [person(tmp_path / "plain", flat(1))]
    assert list_folder(plain).notes == ()


def test_a_second_start_decodes_nothing_and_gives_the_same_bank_wherever_the_images_lie(tmp_path, monkeypatch):
    write_image_folder(make_bank(4, channels=3), tmp_path / "a")
    first = folder_bank(tmp_path / "a", 16)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    monkeypatch.setattr("mi_tune.data.listing.decode", lambda *_: pytest.fail("decoded again"))
    monkeypatch.setattr("mi_tune.data.listing.look_at", lambda *_: pytest.fail("looked at again"))
    again = folder_bank(tmp_path / "b", 16)
    assert again.fingerprint() == first.fingerprint()
    again.images[:] = 0  # is not written to the file
    assert folder_bank(tmp_path / "a", 16).fingerprint() == first.fingerprint()
    (kept,) = cache_folder().glob("photographs-*.npy")
    assert kept.stat().st_mode & 0o077 == 0


def test_a_changed_image_another_size_or_a_damaged_file_is_decoded_anew(tmp_path):
    write_image_folder(make_bank(4), tmp_path)
    before = folder_bank(tmp_path, 16)
    assert folder_bank(tmp_path, 16, fit="stretch").fingerprint() == before.fingerprint()  # they are squares
    assert folder_bank(tmp_path, 8).images.shape[-1] == 8
    for kept in cache_folder().glob("photographs-*.npy"):
        content = kept.read_bytes()
        kept.unlink()  # the bank above still looks at the old file
        kept.write_bytes(content[:200])
    assert folder_bank(tmp_path, 16).fingerprint() == before.fingerprint()
    flat(7, size=(16, 16)).save(next(tmp_path.glob("*/*.png")))
    assert (folder_bank(tmp_path, 16).images != before.images).any((1, 2, 3)).sum() == 1


def test_images_are_read_where_the_cache_cannot_be_written_to(tmp_path, monkeypatch):
    write_image_folder(make_bank(4), tmp_path / "people")
    (tmp_path / "file").write_text("")
    before = folder_bank(tmp_path / "people", 16).fingerprint()
    monkeypatch.setenv("MI_TUNE_CACHE", str(tmp_path / "file" / "cache"))
    assert folder_bank(tmp_path / "people", 16).fingerprint() == before
    monkeypatch.setenv("MI_TUNE_CACHE", str(tmp_path / "full"))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    assert folder_bank(tmp_path / "people", 16).fingerprint() == before
    assert not [*(tmp_path / "full").glob("*.npy"), *(tmp_path / "full").glob(".*.npy")]


def test_the_people_of_a_part_look_as_they_do_beside_all_others(tmp_path):
    person(tmp_path, Image.fromarray(np.full((16, 16), 4000, dtype=np.uint16)))
    person(tmp_path, Image.fromarray(np.full((16, 16), 1000, dtype=np.uint16)), name="bert")
    person(tmp_path, flat((1, 2, 3), "RGB"), name="carl")
    whole, part = list_folder(tmp_path), list_folder(tmp_path).only(np.array([1]))
    assert (part.read(16).images == whole.read(16).images[1]).all()
    assert part.read(16).channels == 3


MEMORY = """
import resource, sys
from pathlib import Path
from mi_tune.data import folder_bank

peak = lambda: int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1])
folder_bank(Path(sys.argv[1]) / "small", 16)
before = peak()
bank = folder_bank(Path(sys.argv[1]) / "large", 512)
bank.fingerprint(), bank.mean()
print((peak() - before) * 1024 / bank.images.nbytes)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of the memory from Linux")
def test_the_peak_of_the_memory_is_little_more_than_the_bank(tmp_path):
    for name, count in (("small", 2), ("large", 130)):
        person(tmp_path / name, *[flat((k, 2, 3), "RGB", (20, 20)) for k in range(count)], suffix=".jpg")
    ran = subprocess.run([sys.executable, "-c", MEMORY, str(tmp_path)], capture_output=True, text=True, check=True)
    assert float(ran.stdout) < 1.3
