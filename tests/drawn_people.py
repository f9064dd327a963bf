"""People that exist only as drawings, and a setup of so few of them that all of it is trained in seconds."""

from __future__ import annotations

from torch import Tensor

from mi_tune.data.procedural import draw_identities
from mi_tune.runtime.seeds import generator

TINY = {
    "data": {"source": "procedural", "private_identities": 4, "public_identities": 6, "resolution": 16},
    "target": {"epochs": 2, "report_every": 1, "replicates": 2},
    "judge": {"epochs": 2, "regressor_steps": 3},
    "prior": {"kind": "procedural", "samples": 40},
}


def people(n: int, seed: int = 0) -> Tensor:
    return draw_identities(n, generator(seed, "test"))
