"""The section `judge` of a set-up."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from mi_tune.runtime.imported import checked_factory
from mi_tune.setup.section import Section, checked_network

JUDGE_KINDS = ("auto", "classifier", "verifier", "recogniser")
"""Who may judge the trials, beside a judge of the user's."""


class JudgeSetup(Section):
    """The judge of every trial, the recogniser beside it, and the verifier of a confirmation."""

    kind: str = Field(
        "auto",
        description="who judges the trials: a classifier of the private people, the verifier, or the recogniser; "
        "auto: the recogniser if there is one, else a classifier; or your own classifier of the private people: "
        "package.module:factory or path/to/file.py:factory",
    )
    weights: Path | None = Field(None, description="own judge: a state_dict or safetensors; default: the factory's")
    architecture: str = "residual_gn"
    epochs: int = Field(40, ge=1)
    photographs: Literal["unseen", "all"] = Field(
        "unseen", description="private images that a classifier as judge learns from: those no target sees, or all"
    )
    recogniser: str = Field(
        "auto",
        description="judge from outside: faces, none, or your own, package.module:factory or path/to/file.py:factory; "
        "auto: faces for the built-in faces if installed, else none",
    )
    recogniser_weights: Path | None = Field(None, description="own recogniser: a state_dict; default: the factory's")
    recogniser_resolution: int | None = Field(None, ge=1, description="own recogniser: its side; default: the images'")
    recogniser_channels: Literal[1, 3] | None = Field(None, description="own recogniser; default: the images'")
    verifier_views: int | None = Field(
        None, ge=1, description="training images of each network of the verifier; default: its recipe's"
    )
    regressor_steps: int | None = Field(
        None, ge=1, description="procedural: training steps of the identity regressor; default: its recipe's"
    )

    @field_validator("kind")
    @classmethod
    def _check_kind(cls, kind: str) -> str:
        if ":" in kind:
            return checked_factory(kind)
        if kind not in JUDGE_KINDS:
            raise ValueError(f"unknown judge '{kind}'; choose {', '.join(JUDGE_KINDS)}, or path/to/file.py:factory")
        return kind

    @field_validator("architecture")
    @classmethod
    def _check_own_network(cls, architecture: str) -> str:
        return checked_network(architecture)

    @field_validator("weights")
    @classmethod
    def _absolute_weights(cls, weights: Path | None) -> Path | None:
        return weights and weights.absolute()

    @model_validator(mode="after")
    def _own_judge(self) -> JudgeSetup:
        if self.weights is not None and ":" not in self.kind:
            raise ValueError(
                f"weights go with your own judge (--judge path/to/file.py:factory), not with '{self.kind}'"
            )
        return self

    @field_validator("recogniser")
    @classmethod
    def _check_recogniser(cls, recogniser: str) -> str:
        if ":" in recogniser:
            return checked_factory(recogniser)
        known = ("auto", "none", "faces")
        if recogniser not in known:
            raise ValueError(
                f"unknown recogniser '{recogniser}'; choose {', '.join(known)}, or path/to/file.py:factory"
            )
        return recogniser

    @field_validator("recogniser_weights")
    @classmethod
    def _absolute_recogniser(cls, weights: Path | None) -> Path | None:
        return weights and weights.absolute()

    @model_validator(mode="after")
    def _some_recogniser(self) -> JudgeSetup:
        if self.kind == "recogniser" and self.recogniser == "none":
            raise ValueError("kind recogniser needs a recogniser: faces, or path/to/file.py:factory")
        return self

    @model_validator(mode="after")
    def _own_recogniser(self) -> JudgeSetup:
        for name in ("recogniser_weights", "recogniser_resolution", "recogniser_channels"):
            if getattr(self, name) is not None and ":" not in self.recogniser:
                raise ValueError(f"{name} goes with your own recogniser, not with '{self.recogniser}'")
        return self
