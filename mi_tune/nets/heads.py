"""Exchange the last linear layer of a classifier."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from mi_tune.nets import head_of


def replace_head(model: nn.Module, make: Callable[[nn.Linear], nn.Module]) -> nn.Module:
    """Put `make(head)` in the place of the model's last linear layer; returns what was put there.

    Raises InputError if the model has no linear layer.
    """
    head = head_of(model)
    name = next(name for name, module in model.named_modules() if module is head)
    parent, _, last = name.rpartition(".")
    new = make(head)
    setattr(model.get_submodule(parent), last, new)
    return new
