"""What has become of a network since it was made: modules in the place of others, plain values, own attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

_EVERY_MODULES = frozenset(vars(nn.Module())) - {"training"}


@dataclass(frozen=True)
class ChangedParts:
    """What turns a network as it was made into the one that it has become, but for its weights.

    Args:
        modules: that are new or stand in the place of others, by name.
        values: numbers and truth values of all modules by their names, such as `training`.
        attributes: of the network itself, beside those of every `nn.Module`.
    """

    modules: dict[str, nn.Module]
    values: dict[str, dict[str, float]]
    attributes: dict[str, Any]

    def put_into(self, made: nn.Module) -> None:
        """Change a network, in place, that is as it was made."""
        for name, module in self.modules.items():
            parent, _, last = name.rpartition(".")
            setattr(made.get_submodule(parent), last, module)
        for name, values in self.values.items():
            vars(made.get_submodule(name)).update(values)
        vars(made).update(self.attributes)


def parts_of(network: nn.Module) -> dict[str, Any]:
    """Type and shapes of the weights of every module by its name."""
    return {
        name: (type(module), [tuple(value.shape) for value in module.parameters(recurse=False)])
        for name, module in network.named_modules()
    }


def changed_parts(network: nn.Module, made: dict[str, Any]) -> ChangedParts:
    """What has changed in a network since `made`, its `parts_of` when it was made."""
    new: dict[str, nn.Module] = {}
    for name, part in parts_of(network).items():
        inside = any(name.startswith(f"{other}.") for other in new)
        if name and not inside and part != made.get(name):
            new[name] = network.get_submodule(name)
    values = {
        name: {key: value for key, value in vars(module).items() if isinstance(value, (bool, int, float))}
        for name, module in network.named_modules()
    }
    # `made` names classes of the user's, which other processes do not find
    own = {key: value for key, value in vars(network).items() if key not in _EVERY_MODULES and value is not made}
    return ChangedParts(new, values, own)
