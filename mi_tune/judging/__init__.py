"""Judges, the accuracies that they measure, and the intervals of those. Attacks may import nothing from here."""

from mi_tune.judging.gallery import Embedding, Gallery, enrol
from mi_tune.judging.identity_error import IdentityErrors, identity_errors
from mi_tune.judging.intervals import Estimate, class_interval
from mi_tune.judging.judge import Judge, JudgeRecipe, judge_key, train_judge
from mi_tune.judging.regressor import IdentityRegressor, RegressorRecipe, train_regressor
from mi_tune.judging.verdicts import Verdicts, judge_images
from mi_tune.judging.verifier import VerifierRecipe, train_verifier

__all__ = [
    "Embedding",
    "Estimate",
    "Gallery",
    "IdentityErrors",
    "IdentityRegressor",
    "Judge",
    "JudgeRecipe",
    "RegressorRecipe",
    "Verdicts",
    "VerifierRecipe",
    "class_interval",
    "enrol",
    "identity_errors",
    "judge_images",
    "judge_key",
    "train_judge",
    "train_regressor",
    "train_verifier",
]
