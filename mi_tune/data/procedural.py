"""Drawn faces: people whose identity is a known parameter vector, with which a reconstruction can be compared.

A face is drawn from an identity and a nuisance. The identity describes the person (skin, hair, position and size of
the features). The nuisance differs from one photograph to the next (pose, light, expression). Both are vectors in
[0, 1], uniformly distributed in a bank, and the drawing is differentiable in both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from mi_tune.data.bank import Bank
from mi_tune.runtime.seeds import generator

# lengths in half image sides: the image is [-1, 1] x [-1, 1] with y downwards; shades from 0 (black) to 1 (white)
IDENTITY = {
    "skin": (0.45, 0.85),
    "hair": (0.02, 0.42),
    "head_width": (0.46, 0.66),
    "head_length": (0.60, 0.78),
    "jaw": (0.0, 0.55),
    "ears": (0.03, 0.19),
    "hairline": (-0.52, -0.22),
    "hair_length": (-0.25, 0.80),
    "eye_distance": (0.19, 0.32),
    "eye_height": (-0.13, 0.07),
    "eye_size": (0.08, 0.16),
    "brow_height": (0.12, 0.24),
    "brow_thickness": (0.018, 0.065),
    "brow_tilt": (-0.40, 0.40),
    "nose_length": (0.18, 0.38),
    "nose_width": (0.06, 0.19),
    "mouth_height": (0.44, 0.58),
    "mouth_width": (0.12, 0.36),
    "lips": (0.025, 0.10),
    "beard": (0.0, 0.85),
}
"""The parameters of an identity in order, each with the values that 0 and 1 stand for."""

NUISANCE = {
    "shift_x": 0.12,
    "shift_y": 0.12,
    "rotation": math.radians(12),
    "scale": 0.12,
    "turn": 0.08,
    "light_x": 0.3,
    "light_y": 0.3,
    "brightness": 0.2,
    "smile": 1.2,
}
"""The parameters of a nuisance in order, each with its largest value: 0 stands for minus that, 1 for plus that."""

NOISE = 0.06
"""Standard deviation of the Gaussian pixel noise in a bank, as a share of the pixel range."""

BACKGROUND, CLOTHES, EYE_WHITE, IRIS = 0.75, 0.30, 0.95, 0.04


def render(identity: Tensor, nuisance: Tensor, resolution: int) -> Tensor:
    """Draw faces: float (n, 1, resolution, resolution) in [0, 1], differentiable in both arguments.

    Args:
        identity: (n, len(IDENTITY)) in [0, 1].
        nuisance: (n, len(NUISANCE)) in [0, 1]; all 0.5 is neutral.
        resolution: side in pixels; edges are about two pixels wide at every resolution.
    """
    person = _scaled(identity, [(low, high - low) for low, high in IDENTITY.values()], IDENTITY)
    photo = _scaled(nuisance, [(-reach, 2 * reach) for reach in NUISANCE.values()], NUISANCE)
    centres = (torch.arange(resolution, device=identity.device, dtype=identity.dtype) + 0.5) * (2 / resolution) - 1
    column, row = centres.view(1, 1, -1), centres.view(1, -1, 1)
    x, y = column - photo["shift_x"], row - photo["shift_y"]
    cos, sin, zoom = torch.cos(photo["rotation"]), torch.sin(photo["rotation"]), torch.exp(-photo["scale"])
    face = _Drawing((cos * x + sin * y) * zoom, (cos * y - sin * x) * zoom, edge=1 / resolution)
    _draw_head(face, person)
    _draw_features(face, person, photo)
    light = 1 + photo["brightness"] + photo["light_x"] * column + photo["light_y"] * row
    return (face.image * light).clamp(0, 1)[:, None]


class _Drawing:
    """A picture on which shapes are drawn, back to front. `x`, `y`: the pixels' coordinates relative to the face."""

    def __init__(self, x: Tensor, y: Tensor, edge: float) -> None:
        self.x, self.y, self.edge = x, y, edge
        self.image = torch.full_like(x, BACKGROUND)

    def inside(self, distance: Tensor) -> Tensor:
        """Share of each pixel inside a shape, from the (approximate) signed distance to its edge, negative inside."""
        return torch.sigmoid(distance / -self.edge)

    def ellipse(self, x: Tensor, y: Tensor, width: Tensor | float, height: Tensor | float) -> Tensor:
        """`inside` of the ellipse around the origin of `x`, `y` with half axes `width` and `height`."""
        # first-order approximation of the distance: the implicit equation over the length of its gradient;
        # the constants keep both roots differentiable at the centre
        length = ((x / width) ** 2 + (y / height) ** 2 + 1e-6).sqrt()
        slope = ((x / width**2) ** 2 + (y / height**2) ** 2 + 1e-6).sqrt()
        return self.inside(length * (length - 1) / slope)

    def draw(self, cover: Tensor, shade: Tensor | float) -> None:
        self.image = self.image + cover * (shade - self.image)


def _draw_head(face: _Drawing, person: dict[str, Tensor]) -> None:
    """Draw the hair behind the head, clothes, neck, ears, head, beard, and the hair above the hairline."""
    x, y = face.x, face.y
    skin, hair, width, length = (person[k] for k in ("skin", "hair", "head_width", "head_length"))
    face.draw(face.ellipse(x, y - 0.05, width + 0.12, length + 0.14) * face.inside(y - person["hair_length"]), hair)
    face.draw(face.ellipse(x, y - 1.25, 0.85, 0.42), CLOTHES)
    face.draw(face.inside(x.abs() - 0.24) * face.inside(0.4 - y) * face.inside(y - 1.0), 0.8 * skin)
    face.draw(face.ellipse(x.abs() - width, y - 0.05, person["ears"], 0.05 + person["ears"]), 0.85 * skin)

    down = (y - 0.05) / length
    narrowed = x / (1 - person["jaw"] * down * torch.sigmoid(6 * down)).clamp(min=0.2)
    head = face.ellipse(narrowed, y - 0.05, width, length)
    face.draw(head, skin)
    cheek = y - person["mouth_height"] + 0.16 - 0.6 * x**2
    face.draw(head * face.inside(-cheek) * person["beard"], 0.3 + 0.5 * (hair - 0.3))
    parting = y - person["hairline"] - 0.45 * (x / width) ** 2
    face.draw(face.ellipse(narrowed, y - 0.02, width + 0.03, length + 0.06) * face.inside(parting), hair)


def _draw_features(face: _Drawing, person: dict[str, Tensor], photo: dict[str, Tensor]) -> None:
    """Draw eyes, brows, nose and mouth, which shift together when the head turns."""
    x, y = face.x - photo["turn"], face.y
    skin, eye, eye_y = person["skin"], person["eye_size"], person["eye_height"]
    side, level = x.abs() - person["eye_distance"], y - eye_y
    face.draw(0.6 * face.ellipse(side, level, 1.35 * eye, 0.6 * eye + 0.05), 0.55 * skin)
    white = face.ellipse(side, level, eye, 0.6 * eye)
    face.draw(white, EYE_WHITE)
    face.draw(white * face.ellipse(side, level, 0.55 * eye, 0.55 * eye), IRIS)

    raised = level + person["brow_height"] + 0.02 + person["brow_tilt"] * side
    face.draw(face.ellipse(side, raised, 0.16, person["brow_thickness"]), 0.5 * person["hair"])

    nose, nose_y = person["nose_width"], eye_y + person["nose_length"]
    middle = person["nose_length"] / 2
    face.draw(0.8 * face.ellipse(x, level - middle, 0.5 * nose, middle), (1.25 * skin).clamp(max=1))
    face.draw(face.ellipse(x, y - nose_y, nose, 0.055), 0.55 * skin)

    bent = y - person["mouth_height"] + photo["smile"] * (x**2 - 0.02)
    lips = person["lips"] + 0.01 * photo["smile"]
    face.draw(face.ellipse(x, bent, person["mouth_width"], lips), 0.35 * skin)


def _scaled(values: Tensor, ranges: list[tuple[float, float]], names: Iterable[str]) -> dict[str, Tensor]:
    """Columns of `values` by name, each (n, 1, 1), mapped from [0, 1] to ranges of (start, length)."""
    start, length = torch.tensor(ranges, device=values.device, dtype=values.dtype).T
    return dict(zip(names, (start + values * length)[..., None, None].unbind(1), strict=True))


def neutral(n: int, device: torch.device | str = "cpu") -> Tensor:
    """The neutral nuisance, `n` times: (n, len(NUISANCE))."""
    return torch.full((n, len(NUISANCE)), 0.5, device=device)


def draw_identities(n: int, random: torch.Generator) -> Tensor:
    """Draw `n` identities, uniform in [0, 1]: (n, len(IDENTITY)) on the generator's device."""
    return torch.rand(n, len(IDENTITY), generator=random, device=random.device)


def photograph(identity: Tensor, resolution: int, random: torch.Generator, noise: Tensor | float = NOISE) -> Tensor:
    """Draw one image of each identity, with a random nuisance and Gaussian pixel noise.

    Args:
        identity: (n, len(IDENTITY)) in [0, 1], on the generator's device.
        noise: standard deviation of the pixel noise, a number or (n, 1, 1, 1).

    Returns:
        Images (n, 1, resolution, resolution) in [0, 1].
    """
    n = len(identity)
    nuisance = torch.rand(n, len(NUISANCE), generator=random, device=random.device)
    grain = torch.randn(n, 1, resolution, resolution, generator=random, device=random.device)
    return (render(identity, nuisance, resolution) + noise * grain).clamp(0, 1)


def procedural_banks(
    private: int, public: int, images: int, resolution: int, seed: int
) -> tuple[Bank, Bank, np.ndarray]:
    """Draw private and public people with `images` photographs each.

    Returns:
        The private bank, the public bank, and the parameters of the private identities, float32 (private,
        len(IDENTITY)) in the order of the private bank's names.

    Private and public people come from separate random streams, so nobody is in both, and the first people are the same
    however many are drawn.
    """
    sides = {}
    for side, people in (("private", private), ("public", public)):
        identity = draw_identities(people, generator(seed, "procedural", side, "identities"))
        random = generator(seed, "procedural", side, "photographs")
        each = identity.repeat_interleave(images, 0).split(1024)
        pixels = torch.cat([(photograph(part, resolution, random) * 255).round().to(torch.uint8) for part in each])
        labels = np.arange(people, dtype=np.int64).repeat(images)
        names = tuple(f"{side}-{k:04d}" for k in range(people))
        sides[side] = Bank(pixels.numpy(), labels, names), identity.numpy()
    return sides["private"][0], sides["public"][0], sides["private"][1]
