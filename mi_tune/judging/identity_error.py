"""Identity error: how far a reconstruction is from its person. For drawn faces only; measured without a judge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mi_tune.judging.intervals import Estimate, class_mean
from mi_tune.judging.regressor import IdentityRegressor


@dataclass(frozen=True)
class IdentityErrors:
    """Identity error and rank of every reconstruction, each (classes, kept).

    Args:
        error: distance to the true person, in units of the mean distance between two random people. 0 is the same
            person; 1 is no better than a random person. Only an error below about 0.7 shows knowledge of the person:
            a face with the mean of every parameter has 0.7, because the mean is nearer to everybody than a random
            person is.
        rank: how many other people are nearer to the reconstruction than the true person; 0 means identified.
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
        """Mean error with a class-level 95 % interval."""
        return class_mean(self.per_class)


def identity_errors(
    regressor: IdentityRegressor,
    images: Tensor,
    parameters: np.ndarray,
    classes: Tensor,
    device: torch.device,
    gallery: np.ndarray | None = None,
) -> IdentityErrors:
    """Measure the identity error of reconstructions and how many people are nearer than the true one.

    Args:
        images: reconstructions of `classes`, uint8 or float in [0, 1], (classes, kept, 1, height, width).
        parameters: identity parameters of all private people, in [0, 1], (people, parameters).
        classes: the attacked people as rows of `parameters`, int64 (classes,).
        gallery: identity parameters of further people, (others, parameters). They count in `rank` as the private
            people do.
    """
    kept = images.shape[1]
    people = torch.from_numpy(parameters)
    recovered = regressor.recover(images.flatten(0, 1), device)
    error = regressor.error(recovered, people[classes].repeat_interleave(kept, 0))
    everybody = people if gallery is None else torch.cat([people, torch.from_numpy(gallery)])
    nearer = regressor.error(recovered[:, None], everybody) < error[:, None]
    # rounding must not make the true person nearer than themselves
    nearer[torch.arange(len(nearer)), classes.repeat_interleave(kept)] = False
    shape = (len(classes), kept)
    return IdentityErrors(error.view(shape).numpy().astype(float), nearer.sum(1).view(shape).numpy())
