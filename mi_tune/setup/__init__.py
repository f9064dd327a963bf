"""The set-up and the search as the user configures them: typed fields with checks and defaults."""

from mi_tune.setup.attack import AttackSetup
from mi_tune.setup.data import DataSetup
from mi_tune.setup.judge import JUDGE_KINDS, JudgeSetup
from mi_tune.setup.prior import PriorSetup
from mi_tune.setup.search import SearchSetup, StoppingSetup
from mi_tune.setup.space import ParameterRange, Space
from mi_tune.setup.target import TargetSetup
from mi_tune.setup.whole import Setup, make_setup, read_setup

__all__ = [
    "JUDGE_KINDS",
    "AttackSetup",
    "DataSetup",
    "JudgeSetup",
    "ParameterRange",
    "PriorSetup",
    "SearchSetup",
    "Setup",
    "Space",
    "StoppingSetup",
    "TargetSetup",
    "make_setup",
    "read_setup",
]
