"""Erasing laws of all kinds for Hypothesis to draw, and seeded streams and random pixels to try them on."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor

from mi_tune.erasing import FILLS, LOCATIONS, ErasingLaw

SIZES = st.integers(16, 64)
SEEDS = st.integers(0, 2**31 - 1)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ranges(low: float, high: float) -> st.SearchStrategy[tuple[float, float]]:
    return st.tuples(st.floats(low, high), st.floats(low, high)).map(lambda ends: (min(ends), max(ends)))


def laws(locations: tuple[str, ...] = LOCATIONS, fills: tuple[str, ...] = FILLS) -> st.SearchStrategy[ErasingLaw]:
    return st.builds(
        ErasingLaw,
        probability=st.floats(0, 1),
        area=ranges(0.02, 1),
        aspect=ranges(0.2, 5),
        location=st.sampled_from(locations),
        fill=st.sampled_from(fills) | st.tuples(*[st.floats(0, 1)] * 3),
        count=st.integers(1, 4),
        clean_epochs=st.integers(0, 5),
        anchor=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    )


def with_probability(law: ErasingLaw, probability: float) -> ErasingLaw:
    return ErasingLaw.from_dict(law.to_dict() | {"probability": probability})


def random_bytes(images: int, channels: int = 3, height: int = 16, width: int = 16, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (images, channels, height, width), dtype=torch.uint8, generator=stream(seed))
