"""A module of own samplers, as a user would write it, good and bad."""

from __future__ import annotations

import random

import optuna
from optuna.samplers import BaseSampler, RandomSampler


def plain(space: dict, seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


def nothing(space: dict, seed: int) -> str:
    return "random"


class Fixed(BaseSampler):
    """Proposes the same for all; `spoil` breaks a promise."""

    def infer_relative_search_space(self, study, trial):
        return self.space

    def __init__(self, space: dict, seed: int) -> None:
        self.space, self.seed = space, seed

    def sample_relative(self, study, trial, search_space):
        drawn = RandomSampler(seed=self.seed + trial.number)
        return self.spoil({name: drawn.sample_independent(study, trial, name, d) for name, d in self.space.items()})

    def spoil(self, params: dict) -> dict:
        return params

    def sample_independent(self, study, trial, param_name, param_distribution):
        return RandomSampler(seed=0).sample_independent(study, trial, param_name, param_distribution)


class Unseeded(Fixed):
    def spoil(self, params):
        low, high = (self.space["probability"].low, self.space["probability"].high)
        return {**params, "probability": random.uniform(low, high)}


class Impatient(Fixed):
    """Cannot bear that a trial has no values."""

    def sample_relative(self, study, trial, search_space):
        seen = [earlier.values[0] for earlier in study.trials[: trial.number]]
        return super().sample_relative(study, trial, search_space) if seen or not trial.number else {}


optuna.logging.set_verbosity(optuna.logging.ERROR)
