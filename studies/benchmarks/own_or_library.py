"""Where this project has code of its own beside a kept library: is it worth it?

`python studies/benchmarks/own_or_library.py` compares, with one thread, the search's Gaussian process with those of
scikit-learn and BoTorch (accuracies of the packaged ORL table: time of one fit, log density of held-out laws), and
Holm's correction with that of statsmodels. It needs `pip install 'mi_tune[outside]' scikit-learn statsmodels`.
"""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from collections.abc import Callable

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from analysis.statistics.claims import holm
from mi_tune.replay.surface import load_surface
from mi_tune.replay.tables import table_path
from mi_tune.search.arcsine import to_arcsine
from mi_tune.search.gaussian import GaussianProcess, ProcessPrior
from mi_tune.search.geometry import Geometry
from mi_tune.search.space import distributions, law_from


def laws_and_values(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random laws of the default space as columns in [0, 1], (n, columns), and their noisy attack accuracies, (n,)."""
    surface = load_surface(table_path("orl"))
    geometry = Geometry(distributions(surface.space))
    rng = np.random.default_rng(seed)
    units = rng.random((count, len(distributions(surface.space))))
    laws = [law_from(surface.space, geometry.params(unit)) for unit in units]
    _, attack = surface.truth(laws)
    hits = rng.binomial(60, np.clip(attack, 0, 1)) / 60
    return geometry.columns(units), to_arcsine(hits)


def ours(x: np.ndarray, y: np.ndarray, groups: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of a new noisy value at points `at`, (n,) each."""
    process = GaussianProcess(groups, prior=ProcessPrior()).fit(x, y)
    return process.predict(at), np.hypot(process.deviation(at), process.noise_deviation)


def scikit_learn(x: np.ndarray, y: np.ndarray, groups: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same by scikit-learn: Matern-5/2 with a length for each column, and white noise."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    kernel = ConstantKernel() * Matern(np.ones(x.shape[1]), nu=2.5) + WhiteKernel(0.1)
    return GaussianProcessRegressor(kernel, normalize_y=True).fit(x, y).predict(at, return_std=True)


def botorch(x: np.ndarray, y: np.ndarray, groups: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same by BoTorch's SingleTaskGP with its priors."""
    import torch
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from gpytorch.mlls import ExactMarginalLogLikelihood

    model = SingleTaskGP(torch.tensor(x), torch.tensor(y)[:, None])
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    with torch.no_grad():
        posterior = model.posterior(torch.tensor(at), observation_noise=True)
    return posterior.mean[:, 0].detach().numpy(), posterior.variance[:, 0].sqrt().detach().numpy()


def import_seconds(module: str) -> float:
    """Seconds that a fresh interpreter needs to import a module."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - begun


@click.command()
@click.option("--repetitions", default=10, show_default=True, help="Data sets of each size.")
def compare(repetitions: int) -> None:
    """Print seconds and quality of our code and of the libraries'."""
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    console = Console()
    groups = Geometry(distributions(load_surface(table_path("orl")).space)).groups
    ways: dict[str, Callable] = {"ours": ours, "scikit-learn": scikit_learn, "BoTorch": botorch}
    for way in ways.values():
        x, y = laws_and_values(20, 99)
        way(x, y, groups, x)  # imports and warms up
    table = Table("laws", "Gaussian process", "ms a fit and 500 predictions", "log density of held-out laws", box=None)
    for count in (36, 100, 200):
        for name, way in ways.items():
            seconds, density = [], []
            for seed in range(repetitions):
                x, y = laws_and_values(count + 500, seed)
                begun = time.perf_counter()
                mean, deviation = way(x[:count], y[:count], groups, x[count:])
                seconds.append(time.perf_counter() - begun)
                density.append(float(stats.norm.logpdf(y[count:], mean, deviation).mean()))
            table.add_row(
                str(count),
                name,
                f"{1000 * np.median(seconds):.0f} [{1000 * min(seconds):.0f}, {1000 * max(seconds):.0f}]",
                f"{np.mean(density):.3f} (standard error {np.std(density, ddof=1) / len(density) ** 0.5:.3f})",
            )
    console.print(table)
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(0).random((1000, 8)) ** 3
    away = max(np.abs(holm(row) - multipletests(row, method="holm")[1]).max() for row in p)
    console.print(
        f"Holm: largest difference to statsmodels in 1000 lists of 8 p-values {away:.1e}; importing "
        f"statsmodels.stats.multitest takes {import_seconds('statsmodels.stats.multitest'):.1f} s, numpy "
        f"{import_seconds('numpy'):.1f} s"
    )


if __name__ == "__main__":
    compare()
