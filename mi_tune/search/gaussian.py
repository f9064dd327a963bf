"""A Gaussian process with Matérn-5/2 kernel, one length scale per parameter, and fast posterior samples.

The relative noise of the values is known, their overall noise is fitted. One column may have a linear term: values that
rise or fall along it as a whole.

It is made for a few hundred points and thousands of predictions: a fit takes milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize

LOG_SIGNAL_PRIOR = (0.0, 1.0)
"""Mean and standard deviation of the normal prior on the logarithm of the signal variance, for values of variance 1."""
LOG_NOISE_PRIOR = (-3.0, 1.2)
"""The same for the noise variance."""
JITTER = 1e-8
"""Added to the diagonal of the covariance for numerical stability, for values of variance 1."""
FOURIER_FREQUENCIES = 192
"""Random Fourier frequencies of one posterior sample; each gives a cosine and a sine feature."""


@dataclass(frozen=True)
class LinearTerm:
    """A linear term of unknown slope in one column, added to the Matérn kernel.

    Args:
        column: its index. middle: value of the column where the term is zero. deviation: standard deviation of the
            normal prior on the slope, for values of variance 1.
    """

    column: int
    middle: float
    deviation: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The feature, (n,); the outer product of features is the covariance of the term."""
        return self.deviation * (x[:, self.column] - self.middle)


@dataclass(frozen=True)
class ProcessPrior:
    """Prior assumptions of a Gaussian process.

    Args:
        log_length: mean and standard deviation of the normal prior on the logarithm of each length scale, for columns
            in [0, 1].
        linear: the linear term, or None.
        min_deviation: lower bound of the standard deviation that the values are scaled by, in case the first few
            happen to be alike.
    """

    log_length: tuple[float, float] = (0.3, 1.2)
    linear: LinearTerm | None = None
    min_deviation: float = 1e-6


@dataclass(frozen=True)
class PosteriorSamples:
    """Functions drawn from the posterior: joint values at any points, for the price of two matrix products.

    Pathwise conditioning by Matheron's rule, with random Fourier features for the prior (Wilson et al., arXiv
    2002.09309, equations 9 and 12).
    """

    process: GaussianProcess
    frequencies: np.ndarray
    weights: np.ndarray
    update: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Values of every sample at points x (n, columns): (samples, n)."""
        process = self.process
        prior = process.features(x, self.frequencies) @ self.weights
        return process.centre + process.scale * (prior + process.kernel(x, process.x) @ self.update).T


class GaussianProcess:
    """Gaussian process regression of values on columns that lie in about [0, 1].

    The hyperparameters `theta` are fitted by maximum a posteriori estimation, starting from the last fit: the logarithm
    of the inverse squared length scale of each group, and of the signal and the noise variance. A length scale that the
    data say little about follows its prior.

    Args:
        groups: int (columns,); columns of the same group share a length scale.
        expected_deviation: standard deviation of the values around 0 that is assumed before any is seen; with it the
            process can be used without data. None: values are centred and scaled by their own mean and deviation.
        prior: of the length scales, with the linear term if there is one.
    """

    def __init__(
        self, groups: np.ndarray, expected_deviation: float | None = None, prior: ProcessPrior = ProcessPrior()
    ) -> None:
        self.groups, self.expected_deviation, self.prior = np.asarray(groups, dtype=int), expected_deviation, prior
        count = int(self.groups.max()) + 1
        self._prior_mean = np.array([-2 * prior.log_length[0]] * count + [LOG_SIGNAL_PRIOR[0], LOG_NOISE_PRIOR[0]])
        self._prior_sd = np.array([2 * prior.log_length[1]] * count + [LOG_SIGNAL_PRIOR[1], LOG_NOISE_PRIOR[1]])
        self.theta = self._prior_mean.copy()
        self.x = np.empty((0, len(self.groups)))

    # ------------------------------------------------------------------------------------------------- fitting

    def fit(
        self, x: np.ndarray, y: np.ndarray, noise: np.ndarray | None = None, max_steps: int = 30
    ) -> GaussianProcess:
        """Fit the hyperparameters by L-BFGS-B with analytic gradients, then condition on the data; see `condition`."""
        self._set_data(x, y, noise)
        counts = int(self.groups.max()) + 1
        apart = np.zeros((counts, len(x), len(x)))
        for column, group in enumerate(self.groups):
            apart[group] += np.subtract.outer(x[:, column], x[:, column]) ** 2
        bounds = [(m - 4 * s, m + 4 * s) for m, s in zip(self._prior_mean, self._prior_sd, strict=True)]
        found = optimize.minimize(
            self._loss, self.theta, (apart,), "L-BFGS-B", True, bounds=bounds, options={"maxiter": max_steps}
        )
        self.theta = found.x
        return self._solve()

    def condition(self, x: np.ndarray, y: np.ndarray, noise: np.ndarray | None = None) -> GaussianProcess:
        """Condition on data without changing the hyperparameters.

        Args:
            x: (n, columns). y: (n,). noise: noise variance of each value relative to the fitted one, (n,); None: all 1.
        """
        self._set_data(x, y, noise)
        return self._solve()

    def _set_data(self, x: np.ndarray, y: np.ndarray, noise: np.ndarray | None) -> None:
        self.x = np.asarray(x, dtype=float)
        y = np.asarray(y, dtype=float)
        if self.expected_deviation is None:
            self.centre, self.scale = float(y.mean()), float(max(y.std(), self.prior.min_deviation))
        else:
            # as if two more values had been seen, one expected deviation above and one below zero
            seen = np.concatenate([y, [-self.expected_deviation, self.expected_deviation]])
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
        if self.prior.linear is not None:
            feature = self.prior.linear(self.x)
            full += np.outer(feature, feature)
        try:
            factor = linalg.cholesky(full, lower=True, check_finite=False)
        except linalg.LinAlgError:
            return 1e10, np.zeros_like(theta)
        inverse = linalg.cho_solve((factor, True), np.eye(len(full)), check_finite=False)
        alpha = inverse @ self.y
        away = (theta - self._prior_mean) / self._prior_sd
        loss = 0.5 * self.y @ alpha + np.log(np.diag(factor)).sum() + 0.5 * away @ away
        outer = 0.5 * (inverse - np.outer(alpha, alpha))
        # derivative of the kernel by the squared scaled distance: -(5/6) signal (1 + root) exp(-root)
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
        """Noise variance of a value, for values of variance 1."""
        return float(np.exp(self.theta[-1]))

    @property
    def noise_deviation(self) -> float:
        """Noise standard deviation of a value, in the unit of the values."""
        return self.scale * float(np.sqrt(self.noise))

    @property
    def _inverse_lengths(self) -> np.ndarray:
        return np.exp(0.5 * self.theta[self.groups])

    def kernel(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Prior covariance of a (n, columns) and b (m, columns), for values of variance 1: (n, m)."""
        near, to = a * self._inverse_lengths, b * self._inverse_lengths
        squared = (near**2).sum(1)[:, None] + (to**2).sum(1) - 2 * near @ to.T
        root = np.sqrt(5 * np.maximum(squared, 0))
        covariance = np.exp(self.theta[-2] - root) * (1 + root + root**2 / 3)
        if self.prior.linear is not None:
            covariance += np.outer(self.prior.linear(a), self.prior.linear(b))
        return covariance

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Posterior mean at points x (n, columns): (n,)."""
        return self.centre + self.scale * (self.kernel(x, self.x) @ self.alpha)

    def deviation(self, x: np.ndarray) -> np.ndarray:
        """Posterior standard deviation of the noise-free value at points x (n, columns): (n,)."""
        across = linalg.solve_triangular(self.factor, self.kernel(self.x, x), lower=True, check_finite=False)
        variance = np.exp(self.theta[-2])
        if self.prior.linear is not None:
            variance = variance + self.prior.linear(x) ** 2
        return self.scale * np.sqrt(np.maximum(variance - (across**2).sum(0), 0))

    def leave_one_out(self) -> np.ndarray:
        """Leave-one-out predictions: the mean of each value given all others, (n,), without refitting (Rasmussen and
        Williams, 2006, equation 5.12)."""
        inverse = linalg.cho_solve((self.factor, True), np.eye(len(self.x)), check_finite=False)
        return self.centre + self.scale * (self.y - self.alpha / np.diag(inverse))

    def leave_one_out_log_density(self) -> float:
        """Mean log predictive density of each value given all others, by leave-one-out cross-validation (Rasmussen and
        Williams, 2006, equations 5.10 to 5.12); higher is better."""
        inverse = linalg.cho_solve((self.factor, True), np.eye(len(self.x)), check_finite=False)
        variance = 1 / np.diag(inverse)
        density = -0.5 * self.alpha**2 * variance - 0.5 * np.log(2 * np.pi * variance)
        return float(density.mean()) - float(np.log(self.scale))

    # ------------------------------------------------------------------------------------------- posterior samples

    def features(self, x: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
        """Features whose inner products approximate the kernel: random Fourier features, then the linear term's.

        Args:
            x: (n, columns). frequencies: (columns, frequencies), for columns of length scale 1.

        Returns:
            float32 (n, features).
        """
        # single precision, for speed: its error is far below that of the approximation itself
        phase = ((x * self._inverse_lengths) @ frequencies).astype(np.float32)
        count = phase.shape[1]
        found = np.empty((len(x), _feature_count(self.prior)), dtype=np.float32)
        np.cos(phase, out=found[:, :count])
        np.sin(phase, out=found[:, count : 2 * count])
        found[:, : 2 * count] *= np.float32(np.exp(0.5 * self.theta[-2]) / np.sqrt(count))
        if self.prior.linear is not None:
            found[:, -1] = self.prior.linear(x)
        return found

    def sample_posterior(self, count: int, rng: np.random.Generator) -> PosteriorSamples:
        """Draw `count` functions from the posterior."""
        # the spectral density of Matérn-5/2 is a multivariate t with 5 degrees of freedom
        frequencies = rng.standard_normal((self.x.shape[1], FOURIER_FREQUENCIES)) / np.sqrt(
            rng.chisquare(5, FOURIER_FREQUENCIES) / 5
        )
        weights = rng.standard_normal((_feature_count(self.prior), count), dtype=np.float32)
        noise = np.sqrt(self.noise * self.relative_noise)[:, None] * rng.standard_normal((len(self.x), count))
        missed = self.y[:, None] - self.features(self.x, frequencies) @ weights - noise
        update = linalg.cho_solve((self.factor, True), missed, check_finite=False)
        return PosteriorSamples(self, frequencies, weights, update)


def _feature_count(prior: ProcessPrior) -> int:
    return 2 * FOURIER_FREQUENCIES + (prior.linear is not None)
