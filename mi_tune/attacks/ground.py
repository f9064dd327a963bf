"""What an attacker stands on before it asks the target anything."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mi_tune.erasing import ErasingLaw
from mi_tune.priors.base import Prior, PriorSamples


@dataclass(frozen=True)
class Ground:
    """The attacker's own means.

    Args:
        prior: generative model made from public images. samples: its samples, rendered once.
        public: uint8 (n, channels, height, width), images of other people.
        key: changes with anything that went into the prior, its samples or the public images.
        law: the defender's erasing law, resolved, where the attacker knows it; None where it does not.
    """

    prior: Prior
    samples: PriorSamples
    public: np.ndarray
    key: str
    law: ErasingLaw | None = None

    def knowing(self, law: ErasingLaw | None) -> Ground:
        return replace(self, law=law)
