"""The erasing law in other people's training code: a transform of torchvision.transforms.v2."""

from __future__ import annotations

import copy
import pickle
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from mi_tune.erasing import ErasingLaw
from mi_tune.erasing.transform import ErasingTransform
from mi_tune.runtime.errors import InputError

LAW = ErasingLaw(1.0, area=(0.2, 0.4), fill="white")
ERASE = LAW.transform()
PAGE = Path(__file__).parents[1] / "docs" / "own.md"
BYTES = torch.full((3, 20, 20), 7, dtype=torch.uint8)


def share(erased: Tensor, white: float) -> float:
    """Share of the pixels that were painted; every other one must be as it was."""
    painted = (erased == white).all(-3)
    assert ((erased == white) | (erased == 7 * white / 255)).all()
    return float(painted.float().mean())


@pytest.mark.parametrize("kind", ["bytes", "floats", "half", "image", "pil", "grey pil", "numpy", "numpy floats"])
def test_an_image_comes_back_as_what_it_was_and_the_input_stays(kind):
    made = {
        "bytes": BYTES,
        "floats": BYTES / 255,
        "half": (BYTES / 255).half(),
        "image": tv_tensors.Image(BYTES),
        "pil": Image.fromarray(BYTES.permute(1, 2, 0).numpy()),
        "grey pil": Image.fromarray(BYTES[0].numpy()),
        "numpy": BYTES.permute(1, 2, 0).numpy(),
        "numpy floats": (BYTES / 255).permute(1, 2, 0).numpy(),
    }[kind]
    before = copy.deepcopy(made)
    erased = ERASE(made)
    assert type(erased) is type(made)
    if isinstance(made, Image.Image):
        assert (erased.mode, erased.size) == (made.mode, made.size)
        assert made.tobytes() == before.tobytes()
        pixels = torch.from_numpy(np.array(erased)).reshape(20, 20, -1).movedim(-1, 0)
    else:
        assert erased.dtype == made.dtype and erased.shape == made.shape
        assert bool((torch.as_tensor(made) == torch.as_tensor(before)).all())
        pixels = torch.as_tensor(erased)
        pixels = pixels.movedim(-1, 0) if "numpy" in kind else pixels.as_subclass(Tensor)
    if kind == "half":
        assert 0.15 < float((pixels == 1).all(0).float().mean()) < 0.45
    else:
        assert 0.15 < share(pixels, 1 if pixels.is_floating_point() else 255) < 0.45


@pytest.mark.parametrize("batch", [BYTES.expand(30, -1, -1, -1), (BYTES / 255).expand(30, -1, -1, -1)])
def test_every_image_of_a_batch_has_draws_of_its_own(batch):
    erased = ERASE(batch)
    assert len({tuple(one.flatten().tolist()) for one in erased}) > 25
    numpy = ERASE(batch.permute(0, 2, 3, 1).numpy())
    assert numpy.shape == (30, 20, 20, 3)
    assert len({one.tobytes() for one in numpy}) > 25


def test_labels_masks_and_boxes_pass_through_any_structure():
    mask = tv_tensors.Mask(torch.full((20, 20), 7, dtype=torch.uint8))
    boxes = tv_tensors.BoundingBoxes([[1, 1, 5, 5]], format="XYXY", canvas_size=(20, 20))
    sample = {"image": tv_tensors.Image(BYTES), "target": {"mask": mask, "boxes": boxes, "label": torch.tensor(3)}}
    erased = ERASE(sample)
    assert not torch.equal(erased["image"], BYTES)
    assert erased["target"]["mask"] is mask and erased["target"]["boxes"] is boxes
    image, label, name = ERASE(BYTES, torch.tensor(4), "anna")
    assert (int(label), name) == (4, "anna") and not torch.equal(image, BYTES)
    labels, images = ERASE((torch.arange(4), BYTES.expand(4, -1, -1, -1)))  # the labels first
    assert torch.equal(labels, torch.arange(4)) and images.shape == (4, 3, 20, 20)


def test_it_is_a_step_of_a_pipeline_behind_the_augmentations_and_before_normalising():
    steps = v2.Compose(
        [
            v2.ToImage(),
            v2.RandomHorizontalFlip(),
            ERASE,
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.5], [1]),
        ]
    )
    out = steps(Image.fromarray(BYTES[0].numpy()))
    assert isinstance(out, tv_tensors.Image)
    assert sorted({round(float(v), 4) for v in out.unique()}) == [round(7 / 255 - 0.5, 4), 0.5]


def test_the_same_seed_gives_the_same_draws_as_the_law_itself():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        ours = ERASE(BYTES.expand(5, -1, -1, -1))
        torch.manual_seed(3)
        assert torch.equal(ours, LAW(BYTES.expand(5, -1, -1, -1)))


@pytest.mark.parametrize(
    ("image", "fill", "hint"),
    [
        (BYTES, (0.5,), "does not have one value for each of 3 channels"),
        (BYTES[:1], (0.1, 0.2, 0.3), "does not have one value for each of 1 channels"),
        (Image.new("RGBA", (8, 8)), "white", "a PIL image of mode RGBA; give one of mode L or RGB"),
        (np.zeros((3, 8, 8), np.uint8), "white", "an array of shape (3, 8, 8); give (height, width)"),
        (np.zeros((8, 8, 3), np.int64), "white", "images of torch.int64"),
        (torch.full((3, 8, 8), 2.0), "white", "give floats in [0, 1], before normalising"),
        (tv_tensors.Video(torch.zeros(4, 3, 8, 8)), "white", "videos are not erased"),
        ("a path", "white", "got str and no image"),
        (torch.tensor(3), "white", "got Tensor and no image"),
        (BYTES, "mean", "call resolved(mean) first"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_erased_is_refused_in_one_line(image, fill, hint):
    with pytest.raises(InputError, match=re.escape(hint)) as caught:
        ErasingLaw(1.0, fill=fill).transform()(image)
    assert "\n" not in str(caught.value)


class _Faces(Dataset):
    def __init__(self, transform: ErasingTransform) -> None:
        self.transform = transform

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(BYTES)


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_of_a_data_loader_draw_differently_and_see_the_clean_epochs(method):
    transform = ErasingLaw(1.0, area=(0.2, 0.4), fill="noise", clean_epochs=1).transform()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork in a process with threads
        loader = DataLoader(
            _Faces(transform), 4, num_workers=2, multiprocessing_context=method, persistent_workers=True
        )
        first = torch.cat(list(loader))
        assert len({tuple(one.flatten().tolist()) for one in first}) == 16
        transform.set_epoch(9, 10)
        assert torch.equal(torch.cat(list(loader)), BYTES.expand(16, -1, -1, -1))


def test_it_can_be_kept_and_shows_its_law():
    again = pickle.loads(pickle.dumps(ErasingTransform(LAW)))
    assert again.law == LAW
    assert "probability=1.0" in repr(again) and "fill='white'" in repr(again)


def test_with_the_augmentation_of_timm():
    timm_data = pytest.importorskip("timm.data")
    code = _lines_of("timm")
    names: dict = {"law": LAW}
    exec(code, names)
    out = names["transform"](Image.new("RGB", (40, 40), (7, 7, 7)))
    assert out.shape == (3, 224, 224) and out.dtype == torch.float32
    white = (1 - torch.tensor(timm_data.IMAGENET_DEFAULT_MEAN)) / torch.tensor(timm_data.IMAGENET_DEFAULT_STD)
    painted = torch.isclose(out, white.view(3, 1, 1), atol=1e-4).all(0).float().mean()
    assert 0.15 < float(painted) < 0.45


def test_in_a_module_of_lightning():
    code = _lines_of("Lightning")
    names: dict = {"law": LAW, "LightningModule": torch.nn.Module}
    exec(code, names)
    module = names["Classifier"]()
    module.trainer = type("Trainer", (), {"training": True})()
    images, labels = module.on_after_batch_transfer((BYTES.expand(4, -1, -1, -1), torch.arange(4)), 0)
    assert len({tuple(one.flatten().tolist()) for one in images}) == 4
    assert torch.equal(labels, torch.arange(4))
    module.trainer.training = False
    images, _ = module.on_after_batch_transfer((BYTES.expand(4, -1, -1, -1), torch.arange(4)), 0)
    assert torch.equal(images, BYTES.expand(4, -1, -1, -1))


def _lines_of(library: str) -> str:
    section = PAGE.read_text().split("\n## The law in your own training code\n")[1].split("\n## ")[0]
    for code in re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE):
        if library.lower() in code.lower():
            return code
    raise AssertionError(library)
