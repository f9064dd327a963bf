"""The colours of the pages' points, as people with each kind of colour blindness see them."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import analysis.pages
from analysis.figures.look import FRONT

STYLE = (Path(analysis.pages.__file__).parent / "report.css").read_text()
MODES = {"light": STYLE.index(":root, .light {"), "dark": STYLE.index("@media (prefers-color-scheme: dark)")}
POINTS = ("front", "other", "reference", "infeasible", "chosen", "control")
TOLD_APART = 11.0
"""Distance in CIELAB; about 2.3 is just noticed where two areas touch, and points are small and apart."""

# dichromacy, on linear RGB: Machado, Oliveira and Fernandes 2009, table for severity 1
SEEN_BY = {
    "everybody else": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    t = XYZ @ rgb.clip(0, 1) / (XYZ @ np.ones(3))
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def colours(mode: str) -> dict[str, np.ndarray]:
    found = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", STYLE[MODES[mode] : STYLE.index("}", MODES[mode])]))
    return {name: linear(found[name]) for name in POINTS}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seen_by", SEEN_BY)
def test_the_colours_of_points_are_told_apart_by_everybody(mode, seen_by):
    matrix = np.array(SEEN_BY[seen_by])
    seen = {name: lab(matrix @ rgb) for name, rgb in colours(mode).items()}
    near = {
        pair: round(float(np.linalg.norm(seen[pair[0]] - seen[pair[1]])), 1)
        for pair in combinations(POINTS, 2)
        if np.linalg.norm(seen[pair[0]] - seen[pair[1]]) < TOLD_APART
    }
    assert not near


def test_figures_without_a_browser_have_the_colour_of_the_pages_front():
    light = STYLE[MODES["light"] : STYLE.index("}", MODES["light"])]
    assert f"--front: {FRONT};" in light


def test_the_matrices_leave_grey_grey_and_hide_what_the_kind_of_blindness_hides():
    for matrix in SEEN_BY.values():
        assert np.array(matrix) @ np.full(3, 0.5) == pytest.approx(0.5, abs=1e-3)
    red, green = linear("#c05020"), linear("#70801c")
    distance = {kind: np.linalg.norm(lab(np.array(m) @ red) - lab(np.array(m) @ green)) for kind, m in SEEN_BY.items()}
    assert distance["deuteranopia"] < distance["everybody else"] / 2
    assert distance["tritanopia"] > distance["everybody else"] / 2
