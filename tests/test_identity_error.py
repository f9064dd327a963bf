"""The error of a reconstruction without a judge, where a perfect instrument reads the people from the images."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from drawn_people import people
from torch import Tensor, nn

from mi_tune.data.procedural import IDENTITY
from mi_tune.judging import IdentityRegressor, identity_errors

CPU = torch.device("cpu")


class ReadsPixels(nn.Module):
    """A perfect instrument for images whose first pixels are the parameters."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, : len(IDENTITY)]


def written(identity: Tensor) -> Tensor:
    images = torch.zeros(*identity.shape[:-1], 16 * 16)
    images[..., : len(IDENTITY)] = identity
    return images.view(*identity.shape[:-1], 1, 16, 16)


def perfect_regressor(share: np.ndarray | None = None) -> IdentityRegressor:
    share = np.ones(len(IDENTITY), dtype=np.float32) if share is None else share
    first, second = people(4000, seed=8), people(4000, seed=9)
    scale = float((first - second).square().mean(1).sqrt().mean())
    return IdentityRegressor(ReadsPixels(), share, scale, 0.0, 0.0, "perfect")


def errors_of(shown: Tensor, parameters: Tensor, **more):
    """Errors of images (classes, kept) that show the people `shown`."""
    classes = torch.arange(len(parameters))
    return identity_errors(perfect_regressor(), written(shown), parameters.numpy(), classes, CPU, **more)


def test_the_very_person_has_error_0_and_is_identified():
    true = people(12)
    found = errors_of(true[:, None].expand(-1, 3, -1), true)
    assert found.error.shape == found.rank.shape == (12, 3)
    assert np.abs(found.error).max() < 1e-6
    assert (found.rank == 0).all()
    assert (found.identified == 1).all()


def test_random_people_have_error_1_and_are_identified_by_chance():
    true = people(200)
    found = errors_of(people(200 * 20, seed=1).view(200, 20, -1), true)
    assert found.summary().value == pytest.approx(1, abs=0.02)
    assert found.summary().low < 1 < found.summary().high
    assert found.identified.mean() < 0.02


def test_the_mean_face_is_nearer_to_everybody_than_a_random_person_is():
    # uniform parameters: variance 1/12 about the mean, 1/6 about one another
    true = people(500)
    found = errors_of(torch.full((500, 1, len(IDENTITY)), 0.5), true)
    assert found.error.mean() == pytest.approx(np.sqrt(0.5), abs=0.02)


def test_errors_grow_with_the_distance_from_the_person():
    true, other = people(30), people(30, seed=1)
    steps = [errors_of(torch.lerp(true, other, w)[:, None], true).error for w in (0.0, 0.25, 0.5, 1.0)]
    assert all((b > a).all() for a, b in itertools.pairwise(steps))
    assert np.allclose(steps[2], 2 * steps[1], rtol=1e-3)


def test_the_rank_counts_who_is_nearer():
    true = torch.linspace(0, 1, 6)[:, None].expand(6, len(IDENTITY))
    shown = true[[0, 0, 0, 0, 0, 0]][:, None]
    assert errors_of(shown, true).rank[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    gallery = torch.tensor([[0.1] * len(IDENTITY), [0.9] * len(IDENTITY)]).numpy()
    # one more is nearer to the first person than all but himself, the other than the last alone
    assert errors_of(shown, true, gallery=gallery).rank[:, 0].tolist() == [0, 2, 3, 4, 5, 7]


def test_attacked_classes_need_not_be_all_private_people():
    true = people(9)
    found = identity_errors(
        perfect_regressor(), written(true[[7, 2]][:, None]), true.numpy(), torch.tensor([7, 2]), CPU
    )
    assert (found.rank == 0).all()


def test_a_parameter_that_cannot_be_recovered_does_not_count():
    share = np.ones(len(IDENTITY), dtype=np.float32)
    share[3] = 0
    instrument = perfect_regressor(share)
    first, second = people(5), people(5)
    second[:, 3] = 1 - second[:, 3]
    assert instrument.error(first, second).abs().max() == 0
    second[:, 4] += 0.1
    assert (instrument.error(first, second) > 0).all()
