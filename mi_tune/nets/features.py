"""What the last linear layer of a classifier is given."""

from __future__ import annotations

from torch import Tensor, nn

from mi_tune.nets import head_of


class features_of:
    """Collect what the last linear layer of `model` is given, one entry a forward pass, while the context is open."""

    def __init__(self, model: nn.Module) -> None:
        self.layer, self.seen = head_of(model), []

    def __enter__(self) -> list[Tensor]:
        self.hook = self.layer.register_forward_pre_hook(lambda _, inputs: self.seen.append(inputs[0]))
        return self.seen

    def __exit__(self, *error: object) -> None:
        self.hook.remove()
