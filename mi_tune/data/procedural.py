"""Drawn faces: people whose identity is a vector of known numbers, so that a reconstruction can be held against it.

Every face is an identity and a nuisance. The identity is what makes a person (skin, hair, where things are and how
large); the nuisance is what differs from one photograph to the next (pose, light, expression). Both are numbers in
[0, 1], uniform in a bank, and the drawing is differentiable in both.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from mi_tune.data.bank import Bank
from mi_tune.runtime.seeds import generator

# lengths in half image sides, the image being [-1, 1] x [-1, 1] with y downwards; shades from 0 (black) to 1
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
"""The identity's parameters in order, each with what 0 and 1 mean."""

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
"""The nuisance's parameters in order, each with what 0 (that much to one side) and 1 (to the other) mean."""

NOISE = 0.06
"""Standard deviation of the Gaussian pixel noise in a bank."""

BACKGROUND, CLOTHES, EYE_WHITE, IRIS = 0.75, 0.30, 0.95, 0.04


def render(identity: Tensor, nuisance: Tensor, resolution: int) -> Tensor:
    """Draw faces: float (n, 1, resolution, resolution) in [0, 1], differentiable in both arguments.

    Args:
        identity: (n, len(IDENTITY)) in [0, 1]. nuisance: (n, len(NUISANCE)) in [0, 1]; 0.5 throughout is neutral.
        resolution: side in pixels; edges are about two pixels wide at any.
    """
    person = _spread(identity, [(low, high - low) for low, high in IDENTITY.values()], IDENTITY)
    view = _spread(nuisance, [(-reach, 2 * reach) for reach in NUISANCE.values()], NUISANCE)
    ends = (torch.arange(resolution, device=identity.device, dtype=identity.dtype) + 0.5) * (2 / resolution) - 1
    column, row = ends.view(1, 1, -1), ends.view(1, -1, 1)
    x, y = column - view["shift_x"], row - view["shift_y"]
    cos, sin, zoom = torch.cos(view["rotation"]), torch.sin(view["rotation"]), torch.exp(-view["scale"])
    face = _Drawing((cos * x + sin * y) * zoom, (cos * y - sin * x) * zoom, edge=1 / resolution)
    _draw_head(face, person)
    _draw_features(face, person, view)
    light = 1 + view["brightness"] + view["light_x"] * column + view["light_y"] * row
    return (face.image * light).clamp(0, 1)[:, None]


class _Drawing:
    """A picture that shapes are laid on, back to front. `x`, `y`: where each pixel lies in the face's own frame."""

    def __init__(self, x: Tensor, y: Tensor, edge: float) -> None:
        self.x, self.y, self.edge = x, y, edge
        self.image = torch.full_like(x, BACKGROUND)

    def inside(self, distance: Tensor) -> Tensor:
        """How much of each pixel lies inside a shape, from the (approximate) signed distance to its edge."""
        return torch.sigmoid(distance / -self.edge)

    def ellipse(self, x: Tensor, y: Tensor, width: Tensor | float, height: Tensor | float) -> Tensor:
        """`inside` of the ellipse around the origin of `x`, `y` with these half axes."""
        # first-order distance: the equation over the length of its gradient; the constants keep both roots
        # differentiable in the middle
        length = ((x / width) ** 2 + (y / height) ** 2 + 1e-6).sqrt()
        slope = ((x / width**2) ** 2 + (y / height**2) ** 2 + 1e-6).sqrt()
        return self.inside(length * (length - 1) / slope)

    def lay(self, cover: Tensor, shade: Tensor | float) -> None:
        self.image = self.image + cover * (shade - self.image)


def _draw_head(face: _Drawing, person: dict[str, Tensor]) -> None:
    """Hair behind, clothes, neck, ears, head, beard, and the hair above the hairline."""
    x, y = face.x, face.y
    skin, hair, width, length = (person[k] for k in ("skin", "hair", "head_width", "head_length"))
    face.lay(face.ellipse(x, y - 0.05, width + 0.12, length + 0.14) * face.inside(y - person["hair_length"]), hair)
    face.lay(face.ellipse(x, y - 1.25, 0.85, 0.42), CLOTHES)
    face.lay(face.inside(x.abs() - 0.24) * face.inside(0.4 - y) * face.inside(y - 1.0), 0.8 * skin)
    face.lay(face.ellipse(x.abs() - width, y - 0.05, person["ears"], 0.05 + person["ears"]), 0.85 * skin)

    down = (y - 0.05) / length
    narrowed = x / (1 - person["jaw"] * down * torch.sigmoid(6 * down)).clamp(min=0.2)
    head = face.ellipse(narrowed, y - 0.05, width, length)
    face.lay(head, skin)
    cheek = y - person["mouth_height"] + 0.16 - 0.6 * x**2
    face.lay(head * face.inside(-cheek) * person["beard"], 0.3 + 0.5 * (hair - 0.3))
    parting = y - person["hairline"] - 0.45 * (x / width) ** 2
    face.lay(face.ellipse(narrowed, y - 0.02, width + 0.03, length + 0.06) * face.inside(parting), hair)


def _draw_features(face: _Drawing, person: dict[str, Tensor], view: dict[str, Tensor]) -> None:
    """Eyes, brows, nose and mouth; they move together when the head turns."""
    x, y = face.x - view["turn"], face.y
    skin, eye, eye_y = person["skin"], person["eye_size"], person["eye_height"]
    side, level = x.abs() - person["eye_distance"], y - eye_y
    face.lay(0.6 * face.ellipse(side, level, 1.35 * eye, 0.6 * eye + 0.05), 0.55 * skin)
    white = face.ellipse(side, level, eye, 0.6 * eye)
    face.lay(white, EYE_WHITE)
    face.lay(white * face.ellipse(side, level, 0.55 * eye, 0.55 * eye), IRIS)

    raised = level + person["brow_height"] + 0.02 + person["brow_tilt"] * side
    face.lay(face.ellipse(side, raised, 0.16, person["brow_thickness"]), 0.5 * person["hair"])

    nose, nose_y = person["nose_width"], eye_y + person["nose_length"]
    middle = person["nose_length"] / 2
    face.lay(0.8 * face.ellipse(x, level - middle, 0.5 * nose, middle), (1.25 * skin).clamp(max=1))
    face.lay(face.ellipse(x, y - nose_y, nose, 0.055), 0.55 * skin)

    bent = y - person["mouth_height"] + view["smile"] * (x**2 - 0.02)
    lips = person["lips"] + 0.01 * view["smile"]
    face.lay(face.ellipse(x, bent, person["mouth_width"], lips), 0.35 * skin)


def _spread(values: Tensor, ranges: list[tuple[float, float]], names: dict) -> dict[str, Tensor]:
    """Columns of `values` by name, each (n, 1, 1), as start + value * length of its range."""
    start, length = torch.tensor(ranges, device=values.device, dtype=values.dtype).T
    return dict(zip(names, (start + values * length)[..., None, None].unbind(1), strict=True))


def neutral(n: int, device: torch.device | str = "cpu") -> Tensor:
    """The neutral nuisance, (n, len(NUISANCE))."""
    return torch.full((n, len(NUISANCE)), 0.5, device=device)


def draw_identities(n: int, random: torch.Generator) -> Tensor:
    """`n` people, uniform in [0, 1]: (n, len(IDENTITY)) on the generator's device."""
    return torch.rand(n, len(IDENTITY), generator=random, device=random.device)


def photograph(identity: Tensor, resolution: int, random: torch.Generator, noise: Tensor | float = NOISE) -> Tensor:
    """One image in [0, 1] of each identity (n, len(IDENTITY)), with a random nuisance and pixel noise.

    `noise`: standard deviation, a number or (n, 1, 1, 1). Everything lies on the generator's device.
    """
    n = len(identity)
    nuisance = torch.rand(n, len(NUISANCE), generator=random, device=random.device)
    grain = torch.randn(n, 1, resolution, resolution, generator=random, device=random.device)
    return (render(identity, nuisance, resolution) + noise * grain).clamp(0, 1)


def procedural_banks(
    private: int, public: int, images: int, resolution: int, seed: int
) -> tuple[Bank, Bank, np.ndarray]:
    """Private and public people, with `images` photographs each, and the private identities.

    Returns:
        The private bank, the public bank, and the parameters of the private identities, float32 (private,
        len(IDENTITY)) in the order of the private bank's names.

    People come from a random stream of their own on either side: nobody is in both, and the first people do not
    change with how many there are.
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
