"""Tables of answers as arrays of seeds, people and images."""

from __future__ import annotations

import numpy as np
import pandas as pd


def as_array(table: pd.DataFrame, image: pd.Series, values: pd.Series, seeds: int, classes: int) -> np.ndarray:
    """Values of rows with columns `seed` and `class`, and an image number each, as (seeds, classes, images).

    NaN where there is no row: people may have unequal numbers of images, seeds may be missing.
    """
    array = np.full((seeds, classes, int(image.max()) + 1), np.nan)
    array[table.seed.to_numpy(int), table["class"].to_numpy(int), image.to_numpy(int)] = values.to_numpy(float)
    return array


def natural_array(table: pd.DataFrame, seeds: int, classes: int) -> np.ndarray:
    """Whether each test image was named rightly, 0 or 1; the same images in the same order under every seed."""
    place = table.groupby("class").image.rank(method="dense") - 1
    return as_array(table, place, table.correct, seeds, classes)
