"""Functional ANOVA of regression trees that are fitted to a few dozen laws.

Hutter, Hoos and Leyton-Brown 2014, "An efficient approach for assessing hyperparameter importance": a tree is constant
on boxes, so its mean over all other parameters, and the variance of that mean, are sums over its leaves. Optuna
computes the same for scikit-learn's forests, one tree at a time. Hundreds of resamples need all trees at once: here
each parameter is cut into a few cells, all trees grow level by level, and each step is a matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

CELLS_PER_PARAMETER = 16
TREE_DEPTH = 4
MIN_LAWS_IN_LEAF = 3.0
"""Least weight (in laws) on each side of a split."""
SPLIT_PARAMETER_CHANCE = 0.7
"""Probability that a split may use a parameter. It makes trees differ that are fitted to the same laws."""
TREES_PER_CHUNK = 400
"""Trees that are grown together, to limit memory."""


@dataclass(frozen=True)
class Cells:
    """Parameters cut into cells of equal measure; a categorical parameter has one cell per value.

    sizes: number of cells of each parameter. numeric: whether the cells of each parameter are ordered.
    """

    sizes: tuple[int, ...]
    numeric: tuple[bool, ...]

    @classmethod
    def of(cls, distributions: Sequence[BaseDistribution]) -> Cells:
        sizes, numeric = [], []
        for distribution in distributions:
            numeric.append(not isinstance(distribution, CategoricalDistribution))
            if isinstance(distribution, CategoricalDistribution):
                sizes.append(len(distribution.choices))
            elif isinstance(distribution, IntDistribution):
                sizes.append(min(CELLS_PER_PARAMETER, distribution.high - distribution.low + 1))
            else:
                sizes.append(CELLS_PER_PARAMETER)
        return cls(tuple(sizes), tuple(numeric))

    def doubled(self) -> Cells:
        """The cells of the same parameters listed twice."""
        return Cells(self.sizes * 2, self.numeric * 2)

    def at(self, units: np.ndarray) -> np.ndarray:
        """Index of the cell of each parameter, int, for quantiles `units` in [0, 1], (..., parameters)."""
        sizes = np.array(self.sizes)
        return np.clip((units * sizes).astype(int), 0, sizes - 1)

    @property
    def owners(self) -> np.ndarray:
        """Index of the parameter that each cell belongs to, int (all cells,)."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def splits(self) -> tuple[np.ndarray, np.ndarray]:
        """All possible splits of a tree.

        Returns:
            The parameter of each split, int (splits,), and the cells on its left side, bool (splits, all cells). Cells
            of other parameters are on both sides.
        """
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
class VarianceParts:
    """Variance of the predictions of trees over the space, and its parts.

    main_effects: variance of the main effect of each parameter, (groups, trees, parameters). total: whole variance,
    including interactions, (groups, trees). predictions: for each law, (groups, trees, laws).
    """

    main_effects: np.ndarray
    total: np.ndarray
    predictions: np.ndarray


def grow_trees(
    cells: Cells, laws: np.ndarray, target: np.ndarray, weights: np.ndarray, rng: np.random.Generator
) -> VarianceParts:
    """Grow one tree for each row of weights, and decompose the variance of its predictions.

    A tree has at most 2^TREE_DEPTH leaves with at least MIN_LAWS_IN_LEAF laws each. If several boundaries split the
    laws in the same way, one of them is drawn at random, because the true boundary may lie anywhere between two laws.

    Args:
        laws: cells of the laws, int (groups, laws, parameters). target: the value to predict for each law, (laws,).
        weights: weight of each law, (groups, trees, laws). The trees of a group share the cells of the laws.
    """
    groups, trees, _ = weights.shape
    chunk = max(1, TREES_PER_CHUNK // trees) if groups > 1 else groups
    if groups > chunk:
        found = [
            grow_trees(cells, laws[k : k + chunk], target, weights[k : k + chunk], rng) for k in range(0, groups, chunk)
        ]
        return VarianceParts(
            np.concatenate([part.main_effects for part in found]),
            np.concatenate([part.total for part in found]),
            np.concatenate([part.predictions for part in found]),
        )
    asked, left = cells.splits()
    owners, sizes = cells.owners, np.array(cells.sizes)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    # whether each law is on the left side of each split: (groups, laws, splits)
    side = np.stack([left[number, starts[p] + laws[:, :, p]] for number, p in enumerate(asked)], -1)
    goes_left = side.astype(np.float32)

    count = laws.shape[1]
    node = np.zeros((groups, trees, count), dtype=int)
    region = np.ones((groups, trees, 1, len(owners)), dtype=bool)
    centred = (target - target.mean()).astype(np.float32)
    weights = weights.astype(np.float32)
    for level in range(TREE_DEPTH):
        nodes = 2**level
        in_node = (node[:, :, None, :] == np.arange(nodes)[:, None]) * weights[:, :, None, :]
        flat = in_node.reshape(groups, trees * nodes, count)
        w_left = (flat @ goes_left).reshape(groups, trees, nodes, -1)
        s_left = ((flat * centred) @ goes_left).reshape(w_left.shape)
        w_all, s_all = in_node.sum(-1)[..., None], (in_node @ centred)[..., None]
        w_right, s_right = w_all - w_left, s_all - s_left
        fits = (w_left >= MIN_LAWS_IN_LEAF) & (w_right >= MIN_LAWS_IN_LEAF)
        gain = s_left**2 / np.maximum(w_left, 1e-6) + s_right**2 / np.maximum(w_right, 1e-6)
        gain = gain - s_all**2 / np.maximum(w_all, 1e-6)
        usable = _splittable_parameters(rng, (groups, trees, nodes), len(sizes))[..., asked]
        # equal gains differ only by rounding: small noise chooses among them at random
        gain *= 1 + 1e-4 * rng.random(gain.shape, dtype=np.float32)
        gain = np.where(fits & usable, gain, 0.0)
        best = gain.argmax(-1)
        splits = np.take_along_axis(gain, best[..., None], -1)[..., 0] > 1e-9
        to_left = np.where(splits[..., None], left[best], True)
        to_right = np.where(splits[..., None], ~left[best] | (owners != asked[best][..., None]), False)
        region = np.stack([region & to_left, region & to_right], 3).reshape(groups, trees, 2 * nodes, -1)
        split_of_law = np.take_along_axis(best, node, 2)
        law_left = side[np.arange(groups)[:, None, None], np.arange(count), split_of_law]
        law_left |= ~np.take_along_axis(splits, node, 2)
        node = 2 * node + ~law_left
    in_leaf = (node[:, :, None, :] == np.arange(2**TREE_DEPTH)[:, None]) * weights[:, :, None, :]
    value = (in_leaf @ centred) / np.maximum(in_leaf.sum(-1), 1e-6)
    predictions = np.take_along_axis(value, node, 2) + target.mean()
    return VarianceParts(*variances(region, value.astype(float), owners, sizes), predictions)


def _splittable_parameters(rng: np.random.Generator, shape: tuple[int, ...], parameters: int) -> np.ndarray:
    """Which parameters each split may use, bool (*shape, parameters), at least one."""
    drawn = rng.random((*shape, parameters), dtype=np.float32)
    return (drawn < SPLIT_PARAMETER_CHANCE) | (drawn == drawn.min(-1, keepdims=True))


def variances(
    region: np.ndarray, value: np.ndarray, owners: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Variance of the main effect of each parameter and of the whole tree, over the space.

    Args:
        region: the cells that each leaf covers, bool (..., leaves, all cells); an unused leaf covers none.
        value: prediction in each leaf, (..., leaves). owners: see `Cells.owners`. sizes: see `Cells.sizes`.

    Returns:
        Main effects (..., parameters) and total (...).
    """
    measure = (owners[:, None] == np.arange(len(sizes))) / sizes
    share = region @ measure
    volume = share.prod(-1)
    mean = (value * volume).sum(-1)
    total = (value**2 * volume).sum(-1) - mean**2
    # mean over all other parameters, at each cell of one parameter
    others = (value * volume)[..., None] / np.where(share > 0, share, 1.0)
    effect = np.einsum("...lc,...lc->...c", region, others[..., owners]) - mean[..., None]
    return effect**2 @ measure, np.maximum(total, 0.0)
