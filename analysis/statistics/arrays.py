"""Turns result tables into arrays of (seeds, classes, images)."""

from __future__ import annotations

import numpy as np
import pandas as pd


def as_array(table: pd.DataFrame, image: pd.Series, values: pd.Series, seeds: int, classes: int) -> np.ndarray:
    """Arrange one value per table row in an array (seeds, classes, images).

    Args:
        table: rows with the columns `seed` and `class`. image, values: image number and value of each row.

    Returns:
        The values; NaN where there is no row, because people may have unequal numbers of images and seeds may be
        missing.
    """
    array = np.full((seeds, classes, int(image.max()) + 1), np.nan)
    array[table.seed.to_numpy(int), table["class"].to_numpy(int), image.to_numpy(int)] = values.to_numpy(float)
    return array


def natural_array(table: pd.DataFrame, seeds: int, classes: int) -> np.ndarray:
    """Whether each test image was classified correctly (0 or 1), in the same order of images under every seed."""
    place = table.groupby("class").image.rank(method="dense") - 1
    return as_array(table, place, table.correct, seeds, classes)
