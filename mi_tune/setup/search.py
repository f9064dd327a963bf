"""The section `search` of a set-up."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from mi_tune.runtime.imported import checked_factory
from mi_tune.setup.section import Section
from mi_tune.setup.space import Space


class StoppingSetup(Section):
    """Early stopping of trials that fall behind, and the rungs of it; see `search.halving.RungSchedule`."""

    scheduler: Literal["none", "moasha"] = "none"
    unit: str = Field("epoch", description="unit in which trials report their progress")
    grace: float | None = Field(None, gt=0, description="units that every trial gets; default: a ninth of a training")
    reduction: float = Field(3.0, gt=1, description="one trial in `reduction` continues at each rung")
    brackets: int = Field(
        1, ge=1, description="brackets, which trials enter in turn; bracket k lacks the k lowest rungs"
    )


class SearchSetup(Section):
    """How the search over erasing laws runs."""

    sampler: str = Field(
        "nehvi", description="name of a sampler, or your own: package.module:factory or path/to/file.py:factory"
    )
    trials: int = Field(36, ge=1, description="number of trials, with reference points and repeats")
    startup: int = Field(4, ge=1, description="first laws, from a scrambled Sobol sequence, before the model is used")
    repeats: float = Field(0.25, ge=0, le=0.9, description="share of the trials that repeat a law of the front")
    min_accuracy: float | None = Field(None, ge=0, le=1, description="natural accuracy below which a law is infeasible")
    min_accuracy_kept: float | None = Field(
        0.8, ge=0, le=1, description="the same as a share of the natural accuracy without defence"
    )
    stopping: StoppingSetup = StoppingSetup()
    controls: bool | None = Field(
        None, description="whether undefended controls are trained for the control line; default: from 24 trials on"
    )
    warm_start: Path | None = Field(None, description="folder of an earlier study, whose front is run first")
    transfer: bool = Field(False, description="whether the earlier study's trials also inform the front model (nehvi)")
    space: Space = Space()

    @field_validator("sampler")
    @classmethod
    def _check_own_sampler(cls, sampler: str) -> str:
        return checked_factory(sampler) if ":" in sampler else sampler

    @field_validator("warm_start")
    @classmethod
    def _absolute_warm_start(cls, warm_start: Path | None) -> Path | None:
        return warm_start and warm_start.absolute()
