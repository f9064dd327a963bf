"""The code that is exported for a law does what the law does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mi_tune.erasing import FILLS, LOCATIONS, NO_DEFENCE, REFERENCE_LAWS, ErasingLaw
from mi_tune.erasing.export import law_snippet, torchvision_obstacles
from mi_tune.runtime.errors import InputError


def run_snippet(law: ErasingLaw, height: int, width: int, channels: int) -> Any:
    names: dict[str, Any] = {}
    exec(law_snippet(law, height, width, channels), names)
    return names["erase"]


def rounded(law: ErasingLaw) -> ErasingLaw:
    """The law with four significant digits."""

    def short(value: object) -> object:
        return float(f"{value:.4g}") if isinstance(value, float) else value

    values = law.to_dict()
    return ErasingLaw(**{k: tuple(map(short, v)) if isinstance(v, list) else short(v) for k, v in values.items()})


@pytest.mark.parametrize(
    ("law", "shape"),
    [
        (ErasingLaw(1.0, area=(0.1, 0.8), fill="midre"), (3, 64, 64)),
        (ErasingLaw(1.0, area=(0.1, 0.4), fill="imagenet"), (1, 32, 32)),
        (ErasingLaw(0.6, area=(0.05, 0.3), aspect=(0.5, 2.0), fill="white"), (3, 40, 40)),
        (ErasingLaw(0.35, area=(0.02, 0.2), aspect=(0.5, 1.0), fill=(0.2, 0.4, 0.6)), (3, 32, 48)),
        (ErasingLaw(1.0, area=(0.2, 0.2), fill=(0.3,)), (1, 32, 32)),
        (ErasingLaw(0.5, area=(0.1, 0.5), fill="mean").resolved((0.41, 0.37, 0.33)), (3, 32, 32)),
        (ErasingLaw(1.0, area=(0.1, 0.5), fill="black"), (1, 32, 32)),
    ],
    ids=str,
)
def test_the_torchvision_snippet_erases_as_the_law_does(law: ErasingLaw, shape: tuple[int, int, int]) -> None:
    channels, height, width = shape
    assert not torchvision_obstacles(law, height, width)
    assert "mi_tune" not in law_snippet(law, height, width, channels)
    erase = run_snippet(law, height, width, channels)
    # a value that no fill has, in bytes as they come from a file; the snippet makes floats of them
    image = torch.full(shape, 3, dtype=torch.uint8)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        theirs = torch.stack([erase(image).as_subclass(Tensor) for _ in range(600)])
    ours, mask = law.erase((image / 255).expand(5000, *shape), torch.Generator().manual_seed(2))
    their_mask = ((theirs - 3 / 255).abs() > 1e-6).any(1)

    fill = ours.movedim(1, -1)[mask][0]
    assert torch.allclose(theirs.movedim(1, -1)[their_mask], fill, atol=1e-4)
    assert torch.allclose(theirs.movedim(1, -1)[~their_mask], torch.tensor(3 / 255))
    our_share, their_share = mask.float().mean((1, 2)), their_mask.float().mean((1, 2))
    error = float((our_share.var() / len(our_share) + their_share.var() / len(their_share)).sqrt())
    assert float(their_share.mean()) == pytest.approx(float(our_share.mean()), abs=4 * error + 1e-6)
    if 0 < law.probability < 1:
        erased = float((their_share > 0).float().mean())
        assert abs(erased - law.probability) < 4 * (law.probability * (1 - law.probability) / 600) ** 0.5
    else:
        assert (their_share > 0).all()


@pytest.mark.parametrize(
    "law",
    [
        REFERENCE_LAWS["Zhong et al."],
        ErasingLaw(1.0, area=(0.1, 0.8), aspect=(0.3, 3.3)),
        ErasingLaw(0.123456, area=(0.0123456, 0.3456789), location="overflow", fill=(0.1234567, 0.5, 1.0)),
        ErasingLaw(0.9, location="fixed", anchor=(0.123456, 0.9), fill="image_mean"),
        ErasingLaw(0.9, location="centre", count=3, fill=(0.5,)),
        ErasingLaw(2 / 3, area=(1 / 3, 1.0), aspect=(1 / 3, 3.0), location="periphery", count=2, fill="other_image"),
    ],
    ids=str,
)
def test_the_mi_tune_snippet_evaluates_to_the_law(law: ErasingLaw) -> None:
    assert torchvision_obstacles(law, 64, 64)
    assert run_snippet(law, 64, 64, 3).law == rounded(law)


@given(
    st.builds(
        ErasingLaw,
        probability=st.floats(0.001, 1),
        area=st.tuples(st.floats(0.02, 0.5), st.floats(0.5, 1)),
        aspect=st.tuples(st.floats(0.2, 1), st.floats(1, 5)),
        location=st.sampled_from(LOCATIONS),
        fill=st.sampled_from([k for k in FILLS if k != "mean"]) | st.tuples(*[st.floats(0, 1)] * 3),
        count=st.integers(1, 4),
        anchor=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    )
)
@settings(max_examples=80, deadline=None)
def test_every_snippet_runs_and_the_ones_of_mi_tune_are_the_law(law: ErasingLaw) -> None:
    erase = run_snippet(law, 64, 64, 3)
    if torchvision_obstacles(law, 64, 64):
        assert erase.law == rounded(law)
    else:
        assert erase(torch.zeros(3, 64, 64)).shape == (3, 64, 64)


def test_the_mi_tune_snippet_erases_bytes_and_floats() -> None:
    erase = run_snippet(ErasingLaw(1.0, area=(0.3, 0.3), location="centre", fill="white"), 32, 32, 3)
    for images, white in ((torch.zeros(4, 3, 32, 32, dtype=torch.uint8), 255), (torch.zeros(4, 3, 32, 32), 1)):
        assert (erase(images)[:, :, 16, 16] == white).all() and (erase(images)[:, :, 0, 0] == 0).all()


def test_no_erasing_is_only_a_comment() -> None:
    for law in (NO_DEFENCE, ErasingLaw(0.0, area=(0.1, 0.8), location="centre", fill="noise", clean_epochs=2)):
        snippet = law_snippet(law, 64, 64, 3)
        assert "no erasing" in snippet
        assert all(line.startswith("#") for line in snippet.splitlines())


@pytest.mark.parametrize(
    ("law", "obstacles"),
    [
        (ErasingLaw(1.0, location="overflow"), ["location 'overflow'"]),
        (ErasingLaw(1.0, location="fixed"), ["location 'fixed'"]),
        (ErasingLaw(1.0, count=2), ["2 rectangles"]),
        (ErasingLaw(1.0, fill="noise"), ["fill 'noise'"]),
        (ErasingLaw(1.0, fill="colour"), ["fill 'colour'"]),
        (ErasingLaw(1.0, fill="image_mean"), ["fill 'image_mean'"]),
        (ErasingLaw(1.0, fill="other_image"), ["fill 'other_image'"]),
        (ErasingLaw(1.0, area=(0.1, 1.0)), ["always fit"]),
        (ErasingLaw(1.0, area=(0.1, 0.8), aspect=(0.3, 3.3)), ["always fit"]),
        (ErasingLaw(1.0, area=(0.1, 0.4), aspect=(1.0, 3.3)), ["always fit"]),
        (ErasingLaw(1.0, area=(0.1, 0.4), aspect=(0.3, 1.0)), ["always fit"]),
        (
            ErasingLaw(1.0, area=(0.5, 0.9), aspect=(0.3, 3.3), location="centre", count=3, fill="noise"),
            ["location", "3 rectangles", "fill", "always fit"],
        ),
        (ErasingLaw(1.0, area=(0.1, 0.8), fill="midre"), []),
        (ErasingLaw(1.0, area=(0.1, 0.9), clean_epochs=3), []),
    ],
    ids=str,
)
def test_what_torchvision_cannot_do_is_named(law: ErasingLaw, obstacles: list[str]) -> None:
    named = torchvision_obstacles(law, 64, 64)
    assert len(named) == len(obstacles)
    for reason, expected in zip(named, obstacles, strict=True):
        assert expected in reason


def test_whether_rectangles_fit_depends_on_the_shape_of_the_image() -> None:
    law = ErasingLaw(1.0, area=(0.1, 0.6))
    assert not torchvision_obstacles(law, 64, 64)
    assert torchvision_obstacles(law, 64, 32) and torchvision_obstacles(law, 32, 64)


@pytest.mark.parametrize("fill", ["black", "noise"])
def test_clean_epochs_become_a_comment(fill: str) -> None:
    law = ErasingLaw(0.5, fill=fill, clean_epochs=7)
    first, *rest = law_snippet(law, 64, 64, 3).splitlines()
    assert first.startswith("#") and "last 7 epochs" in first
    assert "\n".join(rest) == law_snippet(ErasingLaw(0.5, fill=fill), 64, 64, 3)


def test_an_unresolved_mean_is_refused() -> None:
    with pytest.raises(InputError, match="resolved"):
        law_snippet(ErasingLaw(0.5, fill="mean"), 64, 64, 3)
