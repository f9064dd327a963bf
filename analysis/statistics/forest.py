"""Regression trees over a few dozen laws, and what each parameter contributes to what they say (functional ANOVA).

Hutter, Hoos and Leyton-Brown 2014, "An efficient approach for assessing hyperparameter importance": a tree is constant
on boxes, so the mean of what it says over all other parameters, and the variance of that mean, are sums over its
leaves. Optuna has the same for scikit-learn's forests, one tree at a time; hundreds of resamples need all trees at
once. So every parameter is cut into a few cells, all trees grow level by level, and each step is a matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

CELLS = 16
DEPTH = 4
LEAST_IN_LEAF = 3.0
"""Weight (in laws) that both sides of a split must hold."""
OFFERED = 0.7
"""Chance of a parameter to be offered to a split: trees that all see the same laws differ by it."""
AT_ONCE = 400


@dataclass(frozen=True)
class Cells:
    """Parameters cut into cells of equal measure; a choice has one cell a value.

    sizes: number of cells of each parameter. numeric: whether its cells are ordered.
    """

    sizes: tuple[int, ...]
    numeric: tuple[bool, ...]

    @classmethod
    def of(cls, distributions: Sequence[BaseDistribution]) -> Cells:
        sizes, numeric = [], []
        for distribution in distributions:
            choice = isinstance(distribution, CategoricalDistribution)
            numeric.append(not choice)
            if choice:
                sizes.append(len(distribution.choices))
            elif isinstance(distribution, IntDistribution):
                sizes.append(min(CELLS, distribution.high - distribution.low + 1))
            else:
                sizes.append(CELLS)
        return cls(tuple(sizes), tuple(numeric))

    def twice(self) -> Cells:
        """The same parameters two times."""
        return Cells(self.sizes * 2, self.numeric * 2)

    def at(self, units: np.ndarray) -> np.ndarray:
        """Cell of each parameter, int like `units`, for quantiles (..., parameters) in [0, 1]."""
        sizes = np.array(self.sizes)
        return np.clip((units * sizes).astype(int), 0, sizes - 1)

    @property
    def owners(self) -> np.ndarray:
        """The parameter that each cell belongs to, int (all cells,)."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def splits(self) -> tuple[np.ndarray, np.ndarray]:
        """Every question that a tree may ask: the parameter, int (splits,), and which of all cells lie on its left
        side, bool (splits, all cells); cells of other parameters lie on both."""
        owners = self.owners
        asked, left = [], []
        for number, (size, ordered) in enumerate(zip(self.sizes, self.numeric, strict=True)):
            own = owners == number
            sides = np.tri(size - 1, size, dtype=bool) if ordered else np.eye(size, dtype=bool)
            for side in sides:
                cells = ~own
                cells[own] = side
                asked.append(number)
                left.append(cells)
        return np.array(asked), np.array(left)


@dataclass(frozen=True)
class Parts:
    """Variance of what trees say, over the space, and how it comes about.

    alone: what each parameter contributes on its own, its main effect, (groups, trees, parameters).
    total: all of it, combinations of parameters included, (groups, trees). said: of each law, (groups, trees, laws).
    """

    alone: np.ndarray
    total: np.ndarray
    said: np.ndarray


def parts_of(
    cells: Cells, laws: np.ndarray, target: np.ndarray, weights: np.ndarray, rng: np.random.Generator
) -> Parts:
    """Grow one tree for every row of weights, and take apart the variance of what it says.

    Args:
        laws: cells of the laws, int (groups, laws, parameters). target: (laws,).
        weights: how often each law counts, (groups, trees, laws), the trees of a group seeing the same parameters.

    A tree has at most 2^DEPTH leaves with LEAST_IN_LEAF laws or more in each. Where the same split of the laws is
    had at several places, one of them is drawn: a boundary between two laws lies anywhere between them.
    """
    groups, trees, _ = weights.shape
    chunk = max(1, AT_ONCE // trees) if groups > 1 else groups
    if groups > chunk:
        found = [
            parts_of(cells, laws[k : k + chunk], target, weights[k : k + chunk], rng) for k in range(0, groups, chunk)
        ]
        return Parts(*(np.concatenate([getattr(f, name) for f in found]) for name in ("alone", "total", "said")))
    asked, left = cells.splits()
    owners, sizes = cells.owners, np.array(cells.sizes)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    # which side of every question a law is on: (groups, laws, splits)
    side = np.stack([left[number, starts[p] + laws[:, :, p]] for number, p in enumerate(asked)], -1)
    goes_left = side.astype(np.float32)

    count = laws.shape[1]
    node = np.zeros((groups, trees, count), dtype=int)
    region = np.ones((groups, trees, 1, len(owners)), dtype=bool)
    centred = (target - target.mean()).astype(np.float32)
    weights = weights.astype(np.float32)
    for level in range(DEPTH):
        nodes = 2**level
        here = (node[:, :, None, :] == np.arange(nodes)[:, None]) * weights[:, :, None, :]
        flat = here.reshape(groups, trees * nodes, count)
        w_left = (flat @ goes_left).reshape(groups, trees, nodes, -1)
        s_left = ((flat * centred) @ goes_left).reshape(w_left.shape)
        w_all, s_all = here.sum(-1)[..., None], (here @ centred)[..., None]
        w_right, s_right = w_all - w_left, s_all - s_left
        fits = (w_left >= LEAST_IN_LEAF) & (w_right >= LEAST_IN_LEAF)
        gain = s_left**2 / np.maximum(w_left, 1e-6) + s_right**2 / np.maximum(w_right, 1e-6)
        gain = gain - s_all**2 / np.maximum(w_all, 1e-6)
        offered = _offered(rng, (groups, trees, nodes), len(sizes))[..., asked]
        # equal gains differ by rounding; a little luck decides between them
        gain *= 1 + 1e-4 * rng.random(gain.shape, dtype=np.float32)
        gain = np.where(fits & offered, gain, 0.0)
        best = gain.argmax(-1)
        splits = np.take_along_axis(gain, best[..., None], -1)[..., 0] > 1e-9
        to_left = np.where(splits[..., None], left[best], True)
        to_right = np.where(splits[..., None], ~left[best] | (owners != asked[best][..., None]), False)
        region = np.stack([region & to_left, region & to_right], 3).reshape(groups, trees, 2 * nodes, -1)
        question = np.take_along_axis(best, node, 2)
        law_left = side[np.arange(groups)[:, None, None], np.arange(count), question]
        law_left |= ~np.take_along_axis(splits, node, 2)
        node = 2 * node + ~law_left
    here = (node[:, :, None, :] == np.arange(2**DEPTH)[:, None]) * weights[:, :, None, :]
    value = (here @ centred) / np.maximum(here.sum(-1), 1e-6)
    said = np.take_along_axis(value, node, 2) + target.mean()
    return Parts(*variances(region, value.astype(float), owners, sizes), said)


def _offered(rng: np.random.Generator, shape: tuple[int, ...], parameters: int) -> np.ndarray:
    """Which parameters each split may use, bool (*shape, parameters), at least one."""
    luck = rng.random((*shape, parameters), dtype=np.float32)
    return (luck < OFFERED) | (luck == luck.min(-1, keepdims=True))


def variances(
    region: np.ndarray, value: np.ndarray, owners: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Variance of the main effect of every parameter, (..., parameters), and of the whole tree, (...).

    Args:
        region: the cells that each leaf covers, bool (..., leaves, all cells); a leaf that is none covers none.
        value: what it says there, (..., leaves).
    """
    measure = (owners[:, None] == np.arange(len(sizes))) / sizes
    share = region @ measure
    volume = share.prod(-1)
    mean = (value * volume).sum(-1)
    total = (value**2 * volume).sum(-1) - mean**2
    # leaves over all other parameters, at each cell of this one
    others = (value * volume)[..., None] / np.where(share > 0, share, 1.0)
    effect = np.einsum("...lc,...lc->...c", region, others[..., owners]) - mean[..., None]
    return effect**2 @ measure, np.maximum(total, 0.0)
