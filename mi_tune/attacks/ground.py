"""What the attacker has before it asks the target anything."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mi_tune.erasing import ErasingLaw
from mi_tune.priors.base import Prior, PriorSamples


@dataclass(frozen=True)
class Ground:
    """The attacker's prior, public images, and knowledge about the defence.

    Args:
        prior: generative model, trained on public images. samples: its samples, rendered once.
        public: uint8 (n, channels, height, width), images of public people.
        key: hash of everything that made the prior, its samples and the public images; part of cache keys.
        law: the defender's erasing law, if the attacker knows it; otherwise None.
    """

    prior: Prior
    samples: PriorSamples
    public: np.ndarray
    key: str
    law: ErasingLaw | None = None

    def knowing(self, law: ErasingLaw | None) -> Ground:
        """The same ground for an attacker who knows that the defender trains with `law`."""
        return replace(self, law=law)
