"""Work on many rows in batches that fit into memory."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from mi_tune.runtime.errors import InputError

_LOG = logging.getLogger(__name__)


class Parts:
    """Applies work to at most `limit` rows at a time.

    When a batch does not fit into the GPU's memory, it is halved and tried again, and all later batches are as small.

    Args:
        limit: largest number of rows. It falls with every batch that did not fit.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.halved = False

    def __call__(self, work: Callable[..., tuple[Tensor, ...]], *tensors: Tensor) -> tuple[Tensor, ...]:
        """Apply `work` to the rows of the tensors, all of equal length, and concatenate its results.

        Raises:
            InputError: a single row does not fit.
        """
        results: list[tuple[Tensor, ...]] = []
        done, rows = 0, len(tensors[0])
        while done < rows or not results:  # no rows are asked for once, for the shape of the answer
            part = [t[done : done + self.limit] for t in tensors]
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
            self.limit, self.halved = len(part[0]) // 2, True
            torch.cuda.empty_cache()
            _LOG.warning("a batch did not fit into memory; continuing with %d rows at a time", self.limit)
        return tuple(torch.cat(column) for column in zip(*results, strict=True))


def in_parts(work: Callable[..., tuple[Tensor, ...]], limit: int, *tensors: Tensor) -> tuple[Tensor, ...]:
    """Apply `work` to at most `limit` rows of the tensors at a time; see `Parts`."""
    return Parts(limit)(work, *tensors)
