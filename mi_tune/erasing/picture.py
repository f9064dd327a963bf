"""An erasing law as a small HTML picture, which notebooks show."""

from __future__ import annotations

from html import escape

import torch

from mi_tune.erasing.law import ErasingLaw
from mi_tune.erasing.wording import describe

VIEWS, SIDE = 8, 48
"""Training images in the picture, and their side in pixels."""


def law_html(law: ErasingLaw) -> str:
    """What the law erases of eight training images, and its description. The same law gives the same picture."""
    random = torch.Generator().manual_seed(0)
    rectangles = law.sample(VIEWS, SIDE, SIDE, random)
    erased = torch.rand(VIEWS, generator=random) < law.probability
    parts = []
    for view in range(VIEWS):
        x = view * (SIDE + 6)
        parts.append(f'<svg x="{x}" width="{SIDE}" height="{SIDE}"><rect width="100%" height="100%" fill="#dbe4ee"/>')
        for k in range(law.count if erased[view] else 0):
            left, top, width, height = (
                int(side[view, k]) for side in (rectangles.left, rectangles.top, rectangles.width, rectangles.height)
            )
            parts.append(f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="#3b4a5a"/>')
        parts.append("</svg>")
    width = VIEWS * (SIDE + 6) - 6
    return (
        f'<div><svg width="{width}" height="{SIDE}" role="img" aria-label="what the law erases of eight images">'
        f"{''.join(parts)}</svg><br><small>{escape(describe(law))}</small></div>"
    )
