"""Rectangles are distributed as torchvision's where it never gives up, and as the law says where it does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from random_laws import stream
from scipy import stats
from torchvision.transforms import v2

from mi_tune.erasing import ErasingLaw, Rectangles


def torchvision_rectangles(law: ErasingLaw, images: int, size: int, seed: int = 1) -> Rectangles:
    """As torchvision draws them; what it gives up on has no height and no width."""
    transform = v2.RandomErasing(p=1.0, scale=law.area, ratio=law.aspect)
    blank = [torch.zeros(1, size, size)]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        drawn = [transform.make_params(blank) for _ in range(images)]
    sides = [(d["i"], d["j"], d["h"], d["w"]) if d["v"] is not None else (0, 0, 0, 0) for d in drawn]
    return Rectangles(*torch.tensor(sides).T[..., None])


@pytest.mark.parametrize(
    "law",
    [
        ErasingLaw(1.0, area=(0.02, 0.2), aspect=(0.5, 2.0)),
        ErasingLaw(1.0, area=(0.02, 0.3), aspect=(0.4, 1.0)),
        ErasingLaw(1.0, area=(0.1, 0.8)),
    ],
    ids=["any aspect", "wide", "squares"],
)
def test_rectangles_are_distributed_as_torchvisions_where_torchvision_never_gives_up(law: ErasingLaw) -> None:
    ours, theirs = law.sample(4000, 64, 64, stream(2)), torchvision_rectangles(law, 3000, 64)
    assert (theirs.height > 0).all()

    def quantities(rect: Rectangles) -> dict[str, np.ndarray]:
        top, left, height, width = (field.flatten().double().numpy() for field in rect)
        return {
            "area": height * width,
            "aspect": height / width,
            "top": top,
            "left": left,
            "room above": top / (64 - height),
        }

    for (name, a), b in zip(quantities(ours).items(), quantities(theirs).values(), strict=True):
        assert stats.ks_2samp(a, b).pvalue > 0.001, name


@pytest.mark.parametrize("size", [64, 256])
def test_the_area_is_uniform_where_torchvision_gives_up_on_large_rectangles(size: int) -> None:
    law = ErasingLaw(1.0, area=(0.1, 0.8), aspect=(0.3, 3.3))
    rect = law.sample(4000, size, size, stream(3))
    share = (rect.height * rect.width).flatten().double().numpy() / size**2
    assert stats.kstest(share, stats.uniform(0.1, 0.7).cdf).pvalue > 0.001


def test_the_mean_area_is_the_asked_one_where_torchvisions_is_smaller() -> None:
    law = ErasingLaw(1.0, area=(0.1, 0.8), aspect=(0.3, 3.3))
    means = []
    for rect in (law.sample(40_000, 64, 64, stream(4)), torchvision_rectangles(law, 3000, 64)):
        means.append(float((rect.height * rect.width).double().mean()) / 64**2)
    assert means[0] == pytest.approx(0.45, rel=0.01)
    assert means[1] == pytest.approx(0.36, abs=0.02)


def test_a_law_of_very_large_rectangles_always_erases_where_torchvision_sometimes_does_not() -> None:
    law = ErasingLaw(1.0, area=(0.8, 0.8), aspect=(0.3, 3.3))
    share = law.mask(2000, 64, 64, stream(5)).float().mean((1, 2))
    assert (share - 0.8).abs().max() < 0.02
    assert 0.1 < float((torchvision_rectangles(law, 2000, 64).height == 0).float().mean()) < 0.25
