"""What each figure of a study shows, in sentences: for those who cannot see it."""

from __future__ import annotations

from analysis.figures.progress import progress_info
from analysis.figures.training import training_info
from analysis.statistics.records import Study
from mi_tune.runtime.wording import counted


def figure_texts(study: Study) -> dict[str, str]:
    """A text for each figure of the page of a study with a complete law, by the figure's name."""
    return {"front": _front(study), "progress": _progress(study), "training": _training(study)}


def _front(study: Study) -> str:
    points = "; ".join(
        f"{row.reference or f'law {number}'}: natural {row.natural_accuracy:.0%}, attack {row.attack_accuracy:.0%}"
        for number, row in study.front.iterrows()
    )
    behind = len(study.complete) - len(study.front)
    return (
        f"Natural accuracy against attack accuracy of {counted(len(study.complete), 'law')}. On the front, by falling "
        f"natural accuracy: {points}. {behind} {'is' if behind == 1 else 'are'} behind the front. "
        "The table of laws below has all numbers."
    )


def _progress(study: Study) -> str:
    history = progress_info(study).history
    last = history[history.hypervolume > history.hypervolume.shift(fill_value=0.0) + 1e-12].iloc[-1]
    return (
        f"Hypervolume grew from {history.hypervolume.iloc[0]:.2f} to {history.hypervolume.iloc[-1]:.2f} in "
        f"{counted(len(history), 'complete law')} and {history.minutes.iloc[-1]:.1f} minutes. "
        f"It grew for the last time with law number {int(last.finished)} of them."
    )


def _training(study: Study) -> str:
    ends = "; ".join(
        f"{curve.label.split(':')[0]} {curve.accuracy[-1]:.0%} after {curve.epochs[-1]} epochs"
        + (f" ({curve.accuracy[-2]:.0%} after {curve.epochs[-2]})" if len(curve.epochs) > 1 else "")
        for curve in training_info(study)
    )
    return f"Natural accuracy over the epochs of training. At the end: {ends}." if ends else "No curves are stored."
