"""The blocks of a network, from its input to its head, and the first of them frozen."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from mi_tune.nets import Classifier, head_of
from mi_tune.runtime.errors import InputError


def blocks_of(backbone: nn.Module) -> list[tuple[str, ...]]:
    """The names of the modules of each block, in the order in which the network defines them; without the head.

    A block is what the network's sequences are made of: a convolution, a residual block, a layer of a transformer. A
    module that is no sequence but holds more than half of the weights is taken apart as well. Norms and other modules
    with vectors alone belong to the block before them. The blocks of a ResNet-18 are its first convolution and its
    eight residual blocks.

    Raises InputError if the network has no linear head.
    """
    head = head_of(backbone)
    half = sum(p.numel() for p in backbone.parameters()) / 2
    blocks: list[tuple[str, ...]] = []
    for name, module in _parts(backbone, "", half):
        if module is head:
            continue
        if blocks and all(p.ndim <= 1 for p in module.parameters()):
            blocks[-1] += (name,)
        else:
            blocks.append((name,))
    return blocks


def _parts(module: nn.Module, prefix: str, half: float) -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        weights = sum(p.numel() for p in child.parameters())
        if not weights:
            continue
        apart = isinstance(child, (nn.Sequential, nn.ModuleList)) or weights > half
        if apart and any(True for _ in child.children()):
            yield from _parts(child, f"{prefix}{name}.", half)
        else:
            yield f"{prefix}{name}", child


def freeze(model: Classifier, count: int) -> tuple[str, ...]:
    """Freeze the first `count` blocks of the backbone: no gradient, and in evaluation mode even while it is trained.

    Weights that belong to no block, such as position embeddings, are frozen with the first.

    Returns:
        The names of the frozen modules.

    Raises:
        InputError: the backbone has fewer blocks, or no linear head.
    """
    if not count:
        return ()
    blocks = blocks_of(model.backbone)
    if count > len(blocks):
        raise InputError(f"target.freeze {count}: the network has {len(blocks)} blocks before its head; freeze fewer")
    frozen = tuple(name for block in blocks[:count] for name in block)
    in_blocks = {id(p) for block in blocks for name in block for p in model.backbone.get_submodule(name).parameters()}
    of_head = {id(p) for p in head_of(model).parameters()}
    for parameter in model.backbone.parameters():
        if id(parameter) not in in_blocks | of_head:
            parameter.requires_grad_(False)
    for name in frozen:
        model.backbone.get_submodule(name).requires_grad_(False)
    model.freeze(frozen)
    return frozen
