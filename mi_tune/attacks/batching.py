"""Work on many rows in batches that fit into memory."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from mi_tune.runtime.errors import InputError

_LOG = logging.getLogger(__name__)


def in_parts(work: Callable[..., tuple[Tensor, ...]], limit: int, *tensors: Tensor) -> tuple[Tensor, ...]:
    """Apply `work` to at most `limit` rows of the tensors at a time, and concatenate its results.

    When a batch does not fit into the GPU's memory, it is halved and tried again.

    Args:
        tensors: all of equal length.

    Raises:
        InputError: a single row does not fit.
    """
    results: list[tuple[Tensor, ...]] = []
    done, size, rows = 0, limit, len(tensors[0])
    while done < rows:
        part = [t[done : done + size] for t in tensors]
        try:
            results.append(work(*part))
            done += len(part[0])
            continue
        except torch.OutOfMemoryError as error:
            if len(part[0]) == 1:
                raise InputError(
                    "one candidate alone does not fit into the GPU's memory; choose a smaller resolution, "
                    "architecture or prior"
                ) from error
        # after the except block, because the error's traceback holds the memory until then
        size = len(part[0]) // 2
        torch.cuda.empty_cache()
        _LOG.warning("a batch did not fit into memory; continuing with %d rows at a time", size)
    return tuple(torch.cat(column) for column in zip(*results, strict=True))
