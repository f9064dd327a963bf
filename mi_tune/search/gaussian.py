"""A small Gaussian process: Matern-5/2, one length per parameter, noise of known proportions, and paths drawn from it.

It may know of a column along which values rise or fall as a whole.

Made for a few hundred points that are fitted and asked thousands of times: a fit takes milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize

SIGNAL = (0.0, 1.0)
NOISE = (-3.0, 1.2)
"""Mean and standard deviation of normal priors on the logarithms of signal and noise variance, of values with variance
1."""
JITTER = 1e-8
FREQUENCIES = 192


@dataclass(frozen=True)
class Line:
    """A straight line in one column, of unknown slope, that is part of the values.

    Args:
        column: its index. middle: where the line has no part. deviation: standard deviation of the slope expected, for
            values with variance 1.
    """

    column: int
    middle: float
    deviation: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The feature, (n,), whose products are the covariance of the line."""
        return self.deviation * (x[:, self.column] - self.middle)


@dataclass(frozen=True)
class Prior:
    """What is expected of values before any is seen.

    Args:
        length: mean and standard deviation of a normal prior on the logarithm of lengths, for columns in [0, 1].
        line: see `Line`; None where no column is special.
        least_deviation: of the values, however alike the first few happen to be.
    """

    length: tuple[float, float] = (0.3, 1.2)
    line: Line | None = None
    least_deviation: float = 1e-6


@dataclass(frozen=True)
class Paths:
    """Functions drawn from the posterior, by Matheron's rule on random Fourier features (Wilson et al., arXiv
    2002.09309, equations 9 and 12): values at any points, jointly, at the price of two matrix products."""

    process: GaussianProcess
    frequencies: np.ndarray
    weights: np.ndarray
    update: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Values of every path at points x (n, columns): (paths, n)."""
        process = self.process
        prior = process.features(x, self.frequencies) @ self.weights
        return process.centre + process.scale * (prior + process.kernel(x, process.x) @ self.update).T


class GaussianProcess:
    """Regression of values on columns in about [0, 1].

    Args:
        groups: int (columns,); columns of a group share a length. The kernel is Matern-5/2 in the scaled distance.
        usual: standard deviation of the values around 0 that is expected before any is seen; None learns nothing from
            fewer than two.
        prior: of lengths, and the line if there is one.

    A length that the data say little about follows its prior; the fit is its maximum a posteriori, from where the last
    one ended.
    """

    def __init__(self, groups: np.ndarray, usual: float | None = None, prior: Prior = Prior()) -> None:
        self.groups, self.usual, self.prior = np.asarray(groups, dtype=int), usual, prior
        count = int(self.groups.max()) + 1
        self._prior_mean = np.array([-2 * prior.length[0]] * count + [SIGNAL[0], NOISE[0]])
        self._prior_sd = np.array([2 * prior.length[1]] * count + [SIGNAL[1], NOISE[1]])
        self.theta = self._prior_mean.copy()
        self.x = np.empty((0, len(self.groups)))

    # ------------------------------------------------------------------------------------------------- fitting

    def fit(
        self, x: np.ndarray, y: np.ndarray, noise: np.ndarray | None = None, most_steps: int = 30
    ) -> GaussianProcess:
        """Choose lengths and variances for the data, and condition on them; see `condition`."""
        self._take(x, y, noise)
        counts = int(self.groups.max()) + 1
        apart = np.zeros((counts, len(x), len(x)))
        for column, group in enumerate(self.groups):
            apart[group] += np.subtract.outer(x[:, column], x[:, column]) ** 2
        bounds = [(m - 4 * s, m + 4 * s) for m, s in zip(self._prior_mean, self._prior_sd, strict=True)]
        found = optimize.minimize(
            self._loss, self.theta, (apart,), "L-BFGS-B", True, bounds=bounds, options={"maxiter": most_steps}
        )
        self.theta = found.x
        return self._solve()

    def condition(self, x: np.ndarray, y: np.ndarray, noise: np.ndarray | None = None) -> GaussianProcess:
        """Take data with the lengths and variances as they are.

        Args:
            x: (n, columns). y: (n,). noise: variance of each value as a multiple of the usual one, (n,); 1 if missing.
        """
        self._take(x, y, noise)
        return self._solve()

    def _take(self, x: np.ndarray, y: np.ndarray, noise: np.ndarray | None) -> None:
        self.x = np.asarray(x, dtype=float)
        y = np.asarray(y, dtype=float)
        if self.usual is None:
            self.centre, self.scale = float(y.mean()), float(max(y.std(), self.prior.least_deviation))
        else:
            # as if two values, `usual` above and below zero, had been seen before
            seen = np.concatenate([y, [-self.usual, self.usual]])
            self.centre, self.scale = float(seen.mean()), float(seen.std())
        self.y = (y - self.centre) / self.scale
        self.relative_noise = np.ones(len(y)) if noise is None else np.asarray(noise, dtype=float)

    def _loss(self, theta: np.ndarray, apart: np.ndarray) -> tuple[float, np.ndarray]:
        """Negative log posterior of the hyperparameters, and its gradient."""
        weights, signal, noise = np.exp(theta[:-2]), np.exp(theta[-2]), np.exp(theta[-1])
        root = np.sqrt(5 * np.tensordot(weights, apart, 1))
        decay = np.exp(-root)
        covariance = signal * (1 + root + root**2 / 3) * decay
        full = covariance + np.diag(noise * self.relative_noise + JITTER)
        if self.prior.line is not None:
            line = self.prior.line(self.x)
            full += np.outer(line, line)
        try:
            factor = linalg.cholesky(full, lower=True, check_finite=False)
        except linalg.LinAlgError:
            return 1e10, np.zeros_like(theta)
        inverse = linalg.cho_solve((factor, True), np.eye(len(full)), check_finite=False)
        alpha = inverse @ self.y
        away = (theta - self._prior_mean) / self._prior_sd
        loss = 0.5 * self.y @ alpha + np.log(np.diag(factor)).sum() + 0.5 * away @ away
        outer = 0.5 * (inverse - np.outer(alpha, alpha))
        # derivative by the squared scaled distance: -(5/6) signal (1 + root) exp(-root)
        slope = outer * (-5 / 6 * signal) * (1 + root) * decay
        by_weight = np.tensordot(apart, slope, 2) * weights
        gradient = np.concatenate(
            [by_weight, [(outer * covariance).sum(), noise * (np.diag(outer) * self.relative_noise).sum()]]
        )
        return float(loss), gradient + away / self._prior_sd

    def _solve(self) -> GaussianProcess:
        full = self.kernel(self.x, self.x) + np.diag(self.noise * self.relative_noise + JITTER)
        self.factor = linalg.cholesky(full, lower=True, check_finite=False)
        self.alpha = linalg.cho_solve((self.factor, True), self.y, check_finite=False)
        return self

    # ------------------------------------------------------------------------------------------------ predicting

    @property
    def noise(self) -> float:
        """Variance of a value's noise, of values with variance 1."""
        return float(np.exp(self.theta[-1]))

    @property
    def noise_deviation(self) -> float:
        """Standard deviation of a value's noise, in the unit of the values."""
        return self.scale * float(np.sqrt(self.noise))

    @property
    def _stretch(self) -> np.ndarray:
        return np.exp(0.5 * self.theta[self.groups])

    def kernel(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Prior covariance, (n, m), of values with variance 1."""
        near, to = a * self._stretch, b * self._stretch
        squared = (near**2).sum(1)[:, None] + (to**2).sum(1) - 2 * near @ to.T
        root = np.sqrt(5 * np.maximum(squared, 0))
        covariance = np.exp(self.theta[-2] - root) * (1 + root + root**2 / 3)
        if self.prior.line is not None:
            covariance += np.outer(self.prior.line(a), self.prior.line(b))
        return covariance

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Posterior mean at points x (n, columns): (n,)."""
        return self.centre + self.scale * (self.kernel(x, self.x) @ self.alpha)

    def deviation(self, x: np.ndarray) -> np.ndarray:
        """Posterior standard deviation of the value without noise, (n,)."""
        across = linalg.solve_triangular(self.factor, self.kernel(self.x, x), lower=True, check_finite=False)
        variance = np.exp(self.theta[-2])
        if self.prior.line is not None:
            variance = variance + self.prior.line(x) ** 2
        return self.scale * np.sqrt(np.maximum(variance - (across**2).sum(0), 0))

    def leave_one_out(self) -> np.ndarray:
        """What each value is predicted to be from all the others, (n,), with lengths and variances of all of them."""
        inverse = linalg.cho_solve((self.factor, True), np.eye(len(self.x)), check_finite=False)
        return self.centre + self.scale * (self.y - self.alpha / np.diag(inverse))

    def foresight(self) -> float:
        """Mean logarithm of the density that each value has as predicted from all the others: how well the process
        foresees what it learns from (Rasmussen and Williams, 2006, equation 5.12)."""
        inverse = linalg.cho_solve((self.factor, True), np.eye(len(self.x)), check_finite=False)
        variance = 1 / np.diag(inverse)
        density = -0.5 * self.alpha**2 * variance - 0.5 * np.log(2 * np.pi * variance)
        return float(density.mean()) - float(np.log(self.scale))

    # ----------------------------------------------------------------------------------------------------- paths

    def features(self, x: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
        """Features, (n, features), whose products approximate the kernel: random Fourier ones, and the line's."""
        # of single precision, for speed: far more exact than the features are anyway
        phase = ((x * self._stretch) @ frequencies).astype(np.float32)
        count = phase.shape[1]
        found = np.empty((len(x), _feature_count(self.prior)), dtype=np.float32)
        np.cos(phase, out=found[:, :count])
        np.sin(phase, out=found[:, count : 2 * count])
        found[:, : 2 * count] *= np.float32(np.exp(0.5 * self.theta[-2]) / np.sqrt(count))
        if self.prior.line is not None:
            found[:, -1] = self.prior.line(x)
        return found

    def paths(self, count: int, rng: np.random.Generator) -> Paths:
        """`count` functions drawn from the posterior."""
        # the spectrum of Matern-5/2 is a multivariate t with 5 degrees of freedom
        frequencies = rng.standard_normal((self.x.shape[1], FREQUENCIES)) / np.sqrt(rng.chisquare(5, FREQUENCIES) / 5)
        weights = rng.standard_normal((_feature_count(self.prior), count), dtype=np.float32)
        noise = np.sqrt(self.noise * self.relative_noise)[:, None] * rng.standard_normal((len(self.x), count))
        missed = self.y[:, None] - self.features(self.x, frequencies) @ weights - noise
        update = linalg.cho_solve((self.factor, True), missed, check_finite=False)
        return Paths(self, frequencies, weights, update)


def _feature_count(prior: Prior) -> int:
    return 2 * FREQUENCIES + (prior.line is not None)
