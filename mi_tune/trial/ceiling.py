"""The prior's ceiling: how many real people a judge recognises once they are drawn as well as the prior can.

No attack with this prior can honestly get above it. Where it is low, a low attack accuracy says nothing about a model.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mi_tune.attacks import Attack, Ground, Portfolio, constraints
from mi_tune.judging import Estimate, class_interval, gallery, judge
from mi_tune.judging import panel as panel_module
from mi_tune.judging.intervals import per_class_mean
from mi_tune.judging.panel import PanelJudge
from mi_tune.priors import drawing, eigenface, procedural
from mi_tune.priors.base import to_uint8
from mi_tune.priors.drawing import STEPS, Around, draw
from mi_tune.runtime.cache import cached, content_key
from mi_tune.trial.assets import StudyData

TWIN_STEPS = 3
"""Steps of drawing a photograph for an attack of the budget `twin`."""

LOW_CEILING = 0.5
"""Below this share, a study says what a low ceiling means."""


@dataclass(frozen=True)
class Ceiling:
    """What one judge says of the same photographs, before and after the prior draws them.

    Args:
        judge: its name. outside: whether it is a recogniser from outside. seen: whether it was trained on these
            photographs.
        photographs: share of the photographs that it assigns to their person, with a class-level interval.
        drawn: the same of the prior's drawings of them.
    """

    judge: str
    outside: bool
    seen: bool
    photographs: Estimate
    drawn: Estimate

    def as_plain(self) -> dict[str, Any]:
        """As plain values, for YAML."""
        return {
            "judge": self.judge,
            "outside": self.outside,
            "seen": self.seen,
            **_ends("photographs", self.photographs),
            **_ends("drawn", self.drawn),
        }


def measure_ceilings(
    attack: Attack | Portfolio,
    ground: Ground,
    data: StudyData,
    indices: np.ndarray,
    judges: Sequence[PanelJudge],
    device: torch.device,
) -> list[Ceiling]:
    """The ceiling of an attack's prior before each judge, or load it from the cache.

    Args:
        attack: its first constraint limits the latents. ground: with the prior.
        indices: private photographs that no target was trained on: val images in a study, test images in a
            confirmation. A judge that learned from these is asked about the train images instead.
    """
    constraint = attack.members[0].stages[0].constraint
    steps = TWIN_STEPS if attack.budget == "twin" else STEPS
    key = content_key(
        steps,
        *(ground.key, repr(constraint), data.private.fingerprint(), indices.tolist(), data.split.train.tolist()),
        [one.key for one in judges],
        modules=(sys.modules[__name__], drawing, eigenface, procedural, constraints, gallery, judge, panel_module),
    )

    def make() -> dict:
        found = {}
        for shown, asked in (
            (data.split.train, [one for one in judges if one.learned == "unseen"]),
            (indices, [one for one in judges if one.learned != "unseen"]),
        ):
            if not asked:
                continue
            images = torch.from_numpy(data.private.images[shown])
            labels = torch.from_numpy(data.private.labels[shown])
            drawn = _drawn(ground, data, images, labels, constraint.around, device, steps)
            for one in asked:
                for name, these in (("photographs", images), ("drawn", drawn)):
                    hits = one.hits(these[:, None], labels, device)[:, 0]
                    shares = per_class_mean(hits, labels.numpy(), data.private.identities)
                    found[f"{one.name} {name}"] = torch.from_numpy(shares)
        return found

    stored = cached("ceiling", key, make)
    return [
        Ceiling(
            one.name,
            one.outside,
            one.learned == "all",
            *(class_interval(stored[f"{one.name} {name}"].numpy()) for name in ("photographs", "drawn")),
        )
        for one in judges
    ]


def _drawn(
    ground: Ground,
    data: StudyData,
    images: Tensor,
    labels: Tensor,
    around: Around,
    device: torch.device,
    steps: int,
) -> Tensor:
    prior = ground.prior.to(device)
    if data.identity_parameters is not None:
        # the drawing program knows neither pose nor light of a photograph, but who is on it
        with torch.no_grad():
            known = prior.draw_known(torch.from_numpy(data.identity_parameters)[labels].to(device))
        if known is not None:
            return to_uint8(known).cpu()
    return draw(prior, images, around, ground.samples, device, steps=steps)


def ceiling_sentence(prior: str, ceilings: Sequence[dict[str, Any]]) -> str:
    """What the ceilings mean, in a sentence or two; "" if there are none. The judge from outside speaks, if any.

    ceilings: as `Ceiling.as_plain` gives them.
    """
    if not ceilings:
        return ""
    told = next((one for one in ceilings if one["outside"]), ceilings[0])
    share = f"{told['drawn']:.0%} [{told['drawn_low'] * 100:.0f}, {told['drawn_high'] * 100:.0f}]"
    text = (
        f"the prior {prior} draws {share} of the private people so that {told['judge']} recognises them "
        f"(of their photographs: {told['photographs']:.0%})"
    )
    if told["seen"]:
        text += "; this judge was trained on these photographs, so the true ceiling may be lower"
    if told["photographs"] < LOW_CEILING:
        text += "; this judge hardly knows these people even from photographs: of reconstructions its word means little"
    elif told["drawn"] < LOW_CEILING:
        text += "; an attack with this prior can hardly do better: a low attack accuracy says nothing about your model"
    return text


def _ends(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
