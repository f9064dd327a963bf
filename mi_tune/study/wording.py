"""Laws and durations in a few words."""

from mi_tune.erasing import ErasingLaw
from mi_tune.judging.intervals import Estimate


def describe(law: ErasingLaw) -> str:
    """A law in one short line."""
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


def with_interval(estimate: Estimate) -> str:
    """An accuracy and its interval: `0.58 [0.47, 0.69]`."""
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def signed(estimate: Estimate) -> str:
    """A difference and its interval: `+0.08 [-0.01, +0.17]`."""
    return f"{estimate.value:+.2f} [{estimate.low:+.2f}, {estimate.high:+.2f}]"


def counted(count: int, thing: str) -> str:
    """`1 law`, `4 laws`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
