"""A module of own attacks, as a user would write it, good and bad."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from mi_tune.attacks import Attack
from mi_tune.attacks.presets.white_box import map_logit


@dataclass(frozen=True)
class Dim:
    """A view of the user's own: a darker image."""

    factor: float = 0.9

    def known(self, law: object) -> Dim:
        return self

    def __call__(self, images: Tensor, random: object) -> Tensor:
        return images * self.factor


def dim_logit(budget: str) -> Attack:
    """`map_logit` that looks at darker images."""
    return replace(map_logit(budget), name="dim_logit", views=(Dim(),))


def unnamed(budget: str) -> Attack:
    return map_logit(budget)


def one_budget(budget: str) -> Attack:
    return replace(map_logit("reduced"), name="one_budget")


def nothing(budget: str) -> str:
    return "map_logit"


def broken(budget: str) -> Attack:
    raise RuntimeError("no such budget")
