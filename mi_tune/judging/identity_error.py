"""How far a reconstruction is from the person it should show: an answer that needs no judge, where people are drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mi_tune.judging.intervals import Estimate, class_mean
from mi_tune.judging.regressor import IdentityRegressor


@dataclass(frozen=True)
class IdentityErrors:
    """Of every reconstruction, (classes, kept).

    Args:
        error: distance to the true person in units of the distance between two random people: 0 is the very person,
            1 no better than somebody drawn at random. Below about 0.7 lies what knows something of the person: that
            is what a face with the mean of every parameter, which is nearer to everybody than anybody is, would get.
        rank: how many other people are nearer to the reconstruction than the true one; 0 where it is identified.
    """

    error: np.ndarray
    rank: np.ndarray

    @property
    def per_class(self) -> np.ndarray:
        """Mean error of each class, (classes,)."""
        return self.error.mean(1)

    @property
    def identified(self) -> np.ndarray:
        """Share of each class's reconstructions that are nearest to the true person, (classes,)."""
        return (self.rank == 0).mean(1)

    def summary(self) -> Estimate:
        """Mean error with a class-level interval."""
        return class_mean(self.per_class)


def identity_errors(
    regressor: IdentityRegressor,
    images: Tensor,
    parameters: np.ndarray,
    classes: Tensor,
    device: torch.device,
    gallery: np.ndarray | None = None,
) -> IdentityErrors:
    """Compare reconstructions with the people they should show.

    Args:
        images: uint8, or float in [0, 1], (classes, kept, 1, height, width), reconstructions of `classes`.
        parameters: (people, parameters) of all private people. classes: int64 (classes,), rows of `parameters`.
        gallery: (others, parameters) of people among whom, besides the private ones, the nearest is looked for.
    """
    kept = images.shape[1]
    people = torch.from_numpy(parameters)
    recovered = regressor.recover(images.flatten(0, 1), device)
    error = regressor.error(recovered, people[classes].repeat_interleave(kept, 0))
    everybody = people if gallery is None else torch.cat([people, torch.from_numpy(gallery)])
    nearer = regressor.error(recovered[:, None], everybody) < error[:, None]
    # rounding must not make the true person nearer than himself
    nearer[torch.arange(len(nearer)), classes.repeat_interleave(kept)] = False
    shape = (len(classes), kept)
    return IdentityErrors(error.view(shape).numpy().astype(float), nearer.sum(1).view(shape).numpy())
