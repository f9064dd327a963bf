"""The penultimate features of a classifier: the input of its last linear layer."""

from __future__ import annotations

from torch import Tensor, nn

from mi_tune.nets import head_of


class features_of:
    """Context manager that collects the penultimate features of `model`: one tensor per forward pass."""

    def __init__(self, model: nn.Module) -> None:
        self.layer = head_of(model)
        self.seen: list[Tensor] = []

    def __enter__(self) -> list[Tensor]:
        self.hook = self.layer.register_forward_pre_hook(lambda _, inputs: self.seen.append(inputs[0]))
        return self.seen

    def __exit__(self, *error: object) -> None:
        self.hook.remove()
