"""The Gaussian process beside the formulas of the textbook, written out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mi_tune.search.gaussian import JITTER, LOG_NOISE_PRIOR, LOG_SIGNAL_PRIOR, GaussianProcess, LinearTerm, ProcessPrior

GROUPS = np.array([0, 1, 1])
LENGTH = (0.3, 1.2)
PRIORS = [ProcessPrior(LENGTH), ProcessPrior(LENGTH, LinearTerm(2, 0.4, 1.5))]
both_priors = pytest.mark.parametrize("prior", PRIORS, ids=["plain", "line"])


def data(n: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns, values and relative noise variances."""
    rng = np.random.default_rng(0)
    x = rng.random((n, 3))
    noise = np.linspace(0.5, 2, n)
    return x, 3 + np.sin(4 * x[:, 0]) + x[:, 2] + 0.2 * np.sqrt(noise) * rng.standard_normal(n), noise


def covariance(theta: np.ndarray, a: np.ndarray, b: np.ndarray, line: LinearTerm | None) -> np.ndarray:
    """Matérn-5/2 of signal variance exp(theta[-2]) and inverse squared lengths exp(theta[group]), pair by pair."""
    found = np.empty((len(a), len(b)))
    for i, p in enumerate(a):
        for j, q in enumerate(b):
            r = np.sqrt(sum(np.exp(theta[group]) * (p[k] - q[k]) ** 2 for k, group in enumerate(GROUPS)))
            found[i, j] = np.exp(theta[-2]) * (1 + 5**0.5 * r + 5 * r**2 / 3) * np.exp(-(5**0.5) * r)
            if line is not None:
                found[i, j] += line.deviation**2 * (p[line.column] - line.middle) * (q[line.column] - line.middle)
    return found


@both_priors
def test_mean_and_deviation_are_those_of_the_textbook(prior):
    x, y, noise = data()
    process = GaussianProcess(GROUPS, prior=prior).fit(x, y, noise)
    at = np.random.default_rng(1).random((5, 3))
    theta, scaled = process.theta, (y - y.mean()) / y.std()
    known = covariance(theta, x, x, prior.linear) + np.diag(np.exp(theta[-1]) * noise + JITTER)
    across = covariance(theta, at, x, prior.linear)
    mean = across @ np.linalg.solve(known, scaled)
    variance = np.diag(covariance(theta, at, at, prior.linear) - across @ np.linalg.solve(known, across.T))
    np.testing.assert_allclose(process.kernel(at, x), across, rtol=1e-6)
    np.testing.assert_allclose(process.predict(at), y.mean() + y.std() * mean, rtol=1e-6)
    np.testing.assert_allclose(process.deviation(at), y.std() * np.sqrt(variance), rtol=1e-4)


@both_priors
def test_the_fit_is_where_the_posterior_density_of_the_hyperparameters_is_highest(prior):
    x, y, noise = data()
    process = GaussianProcess(GROUPS, prior=prior).fit(x, y, noise, max_steps=200)
    middle = np.array([-2 * LENGTH[0]] * 2 + [LOG_SIGNAL_PRIOR[0], LOG_NOISE_PRIOR[0]])
    spread = np.array([2 * LENGTH[1]] * 2 + [LOG_SIGNAL_PRIOR[1], LOG_NOISE_PRIOR[1]])
    scaled = (y - y.mean()) / y.std()

    def density(theta: np.ndarray) -> float:
        known = covariance(theta, x, x, prior.linear) + np.diag(np.exp(theta[-1]) * noise + JITTER)
        likelihood = stats.multivariate_normal(np.zeros(len(x)), known).logpdf(scaled)
        return float(likelihood + stats.norm(middle, spread).logpdf(theta).sum())

    assert process.theta.shape == (4,)
    best = density(process.theta)
    for step in 0.05 * np.concatenate([np.eye(4), -np.eye(4)]):
        assert density(process.theta + step) < best


def test_without_data_the_process_is_its_prior():
    process = GaussianProcess(GROUPS, expected_deviation=0.2).condition(np.empty((0, 3)), np.empty(0))
    at = np.random.default_rng(1).random((4, 3))
    assert process.predict(at).tolist() == [0.0] * 4
    assert process.deviation(at) == pytest.approx([0.2] * 4)


@both_priors
def test_inner_products_of_features_are_the_covariance(prior):
    process = GaussianProcess(GROUPS, prior=prior).fit(*data())
    at = np.random.default_rng(1).random((6, 3))
    drawn = process.sample_posterior(1, np.random.default_rng(0))
    features = process.features(at, drawn.frequencies).astype(float)
    np.testing.assert_allclose(features @ features.T, process.kernel(at, at), atol=0.25 * np.exp(process.theta[-2]))
    # a cosine and a sine of each frequency: exact where a point meets itself
    np.testing.assert_allclose((features**2).sum(1), np.diag(process.kernel(at, at)), rtol=1e-4)
