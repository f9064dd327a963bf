"""Experiment trackers and callbacks that watch a study. None of them can end it."""

from mi_tune.study.trackers.contract import Ended, Tracker, Watched
from mi_tune.study.trackers.opening import READY, open_trackers
from mi_tune.study.trackers.watch import Guarded, TrackerCallback

__all__ = ["READY", "Ended", "Guarded", "Tracker", "TrackerCallback", "Watched", "open_trackers"]
