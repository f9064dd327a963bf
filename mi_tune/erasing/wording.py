"""An erasing law as a short text."""

from __future__ import annotations

from mi_tune.erasing.law import ErasingLaw


def describe(law: ErasingLaw) -> str:
    """Describe a law in one short line."""
    if law.probability == 0:
        return "no erasing"
    text = f"p {law.probability:.2f}, area {law.area[0]:.2f}-{law.area[1]:.2f}"
    if law.aspect != (1.0, 1.0):
        text += f", aspect to {law.aspect[1]:.1f}"
    fill = law.fill if isinstance(law.fill, str) else ",".join(f"{v:.2f}" for v in law.fill)
    text += f", {law.location}, {fill}"
    if law.count > 1:
        text += f", {law.count} rectangles"
    if law.clean_epochs:
        text += f", last {law.clean_epochs} epochs clean"
    return text
