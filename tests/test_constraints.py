"""Where latents may go: projections against other ways of computing them."""

import numpy as np
import pytest
import torch
from scipy.optimize import brentq, minimize

from mi_tune.attacks.constraints import Clamp, Free, L1Ball, PSpace, onto_l1_ball

RNG = np.random.default_rng(0)


def test_the_l1_projection_is_the_solution_of_its_quadratic_programme():
    for _ in range(5):
        x = RNG.normal(0, 2, 4)
        got = onto_l1_ball(torch.tensor(x)[None], 1.5)[0].numpy()
        # p - q with p, q >= 0 makes the ball's edges linear
        found = minimize(
            lambda pq, x=x: ((pq[:4] - pq[4:] - x) ** 2).sum(),
            np.zeros(8),
            bounds=[(0, None)] * 8,
            constraints={"type": "ineq", "fun": lambda pq: 1.5 - pq.sum()},
            method="SLSQP",
            options={"ftol": 1e-12, "maxiter": 500},
        ).x
        np.testing.assert_allclose(got, found[:4] - found[4:], atol=1e-4)


def test_the_l1_projection_is_the_soft_threshold_whose_size_is_the_radius():
    x = RNG.normal(0, 1, (20, 50))
    got = onto_l1_ball(torch.tensor(x), 5.0).numpy()
    for row, projected in zip(x, got, strict=True):
        shrunk = lambda t, row=row: np.maximum(np.abs(row) - t, 0)  # noqa: E731
        threshold = brentq(lambda t, shrunk=shrunk: shrunk(t).sum() - 5.0, 0, np.abs(row).max())
        np.testing.assert_allclose(projected, np.sign(row) * shrunk(threshold), atol=1e-9)


def test_the_l1_projection_leaves_what_is_inside_and_moves_nothing_twice():
    x = torch.from_numpy(RNG.normal(0, 1, (30, 8)))
    once = onto_l1_ball(x, 4.0)
    inside = x.abs().sum(1) <= 4
    assert 0 < inside.sum() < 30
    assert torch.equal(once[inside], x[inside])
    assert (once.abs().sum(1) <= 4 + 1e-9).all()
    torch.testing.assert_close(onto_l1_ball(once, 4.0), once)


@pytest.mark.parametrize("x", [[[0.0, 0.0]], [[3.0, 3.0]], [[5.0, 0.0]], [[-1.0, 1.0]]])
def test_the_l1_projection_is_right_at_zero_at_ties_and_on_the_edge(x):
    got = onto_l1_ball(torch.tensor(x), 2.0)
    expected = {0.0: [0, 0], 3.0: [1, 1], 5.0: [2, 0], -1.0: [-1, 1]}[x[0][0]]
    np.testing.assert_allclose(got[0], expected, atol=1e-6)


def test_the_radius_of_an_l1_ball_is_the_mean_change_of_a_coordinate_around_each_rows_own_start():
    start = torch.arange(6.0).view(3, 2) * 10
    project = L1Ball(0.5).around(start)
    rows = torch.tensor([2, 0])
    got = project(start[rows] + torch.tensor([[4.0, 0.0], [0.2, -0.3]]), rows)
    torch.testing.assert_close(got - start[rows], torch.tensor([[1.0, 0.0], [0.2, -0.3]]), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("rule", "bound"), [(Clamp(0.7), 0.7), (PSpace(), 1.0), (PSpace(2.0), 2.0)])
def test_a_clamp_is_that_of_numpy(rule, bound):
    x = torch.from_numpy(RNG.normal(0, 2, (6, 9)))
    got = rule.around(torch.zeros(6, 9))(x, torch.arange(6))
    np.testing.assert_array_equal(got, np.clip(x.numpy(), -bound, bound))


def test_free_latents_stay_where_they_are():
    x = torch.randn(3, 4)
    assert torch.equal(Free().around(torch.zeros(9, 4))(x, torch.tensor([1, 5, 7])), x)
