"""The cells of a table: one file per trial, named by a hash of everything that decides it."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from mi_tune.attacks import code_of
from mi_tune.erasing import ErasingLaw
from mi_tune.judging import verdicts
from mi_tune.nets import own_code
from mi_tune.replay.tabulation import trial
from mi_tune.replay.tabulation.trial import Tools, run_trial, rungs
from mi_tune.runtime.cache import cached, content_key, find
from mi_tune.setup import Setup
from mi_tune.trial.assets import (
    StudyData,
    cheap_attacker,
    prepare_attacker,
    target_recipe,
)
from mi_tune.trial.comparison import TARGET_CODE
from mi_tune.trial.judges import prepare_judge
from mi_tune.trial.pretraining import pretraining_key


class TrialBench:
    """What all trials of one process share: data, judge, prior, attacks, and the folder of the cells.

    Args:
        seed: the study's seed. folder: where the cells are.
    """

    def __init__(self, setup: Setup, data: StudyData, seed: int, folder: Path, device: torch.device) -> None:
        self.setup, self.data, self.seed, self.folder, self.device = setup, data, seed, folder, device

    @cached_property
    def tools(self) -> Tools:
        """Attacks, prior and judge, made or read from the user's cache; raises InputError if they do not fit."""
        attacker = prepare_attacker(self.setup, self.data, self.seed, self.device)
        cheap = cheap_attacker(attacker, self.setup).attack
        judge = prepare_judge(self.setup, self.data, self.seed, self.device)
        return Tools(cheap, attacker.attack, attacker.ground, judge)

    @cached_property
    def _shared(self) -> str:
        data, tools = self.data, self.tools
        recipe = target_recipe(self.setup)
        return content_key(
            *(data.private.fingerprint(), data.split.train.tolist(), data.split.val.tolist()),
            *(self.setup.target.architecture, dataclasses.asdict(recipe), rungs(recipe.epochs)),
            pretraining_key(self.setup, data, self.seed),
            *(tools.cheap.describe(), tools.attack.describe(), tools.ground.key, tools.judge.key, self.seed),
            modules=(
                *TARGET_CODE,
                *own_code(self.setup.target.architecture),
                *code_of(tools.cheap),
                *code_of(tools.attack),
                verdicts,
                *trial.CODE_MODULES,
            ),
        )

    def key(self, law: ErasingLaw, replicate: int) -> str:
        """Names the cell: a hash of everything that decides its content."""
        return content_key(self._shared, law.to_dict(), replicate)

    def trial(self, law: ErasingLaw, replicate: int) -> dict[str, Any]:
        """The result of `run_trial`, run now or read from its file; a diverged training is a result too."""

        def make() -> dict[str, Any]:
            return run_trial(self.setup, self.data, law, self.seed, replicate, self.tools, self.device)

        return cached("trial", self.key(law, replicate), make, self.folder)

    def finished(self, law: ErasingLaw, replicate: int) -> dict[str, Any] | None:
        """The result of the trial if its file is there, else None."""
        return find("trial", self.key(law, replicate), self.folder)
