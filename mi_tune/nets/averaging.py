"""An exponential moving average of a network while it is trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MovingAverage:
    """The exponential moving average (EMA) of a network's weights and of the statistics of its norms.

    Polyak and Juditsky (SIAM J. Control Optim. 1992), in the form that training recipes of ImageNet use: after step t,
    average = d * average + (1 - d) * weights with d = min(decay, (1 + t) / (10 + t)), so that the random first weights
    are soon forgotten.

    Args:
        model: the network in training; its average is kept beside it.
        decay: in (0, 1), such as 0.999.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self._floats = {n: v for n, v in model.state_dict(keep_vars=True).items() if v.is_floating_point()}
        self.other = {name: value.detach().clone() for name, value in self._floats.items()}
        """What the network does not hold just now: its average while it is trained, its own weights in between."""

    @torch.no_grad()
    def update(self) -> None:
        """Add the network's weights after a step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(list(self.other.values()), [v.detach() for v in self._floats.values()], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the network's weights with their average, or back."""
        for name, value in self._floats.items():
            held = value.detach().clone()
            value.copy_(self.other[name])
            self.other[name].copy_(held)

    def state_dict(self) -> dict[str, Tensor | int | dict[str, Tensor]]:
        """The values that `load_state_dict` needs."""
        return {"steps": self.steps, "other": self.other}

    @torch.no_grad()
    def load_state_dict(self, state: dict) -> None:
        """Go on from the values that `state_dict` returned."""
        self.steps = state["steps"]
        for name, value in state["other"].items():
            self.other[name].copy_(value)
