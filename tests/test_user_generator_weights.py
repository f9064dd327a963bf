"""The weights of a user's generator: read exactly, refused in one line that names their file, and never run."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from own_generators import plain, refused, source, style
from torch import nn

from mi_tune.priors import GeneratorSource, ImportedPrior

CPU = torch.device("cpu")


@pytest.mark.parametrize("make", [plain, style])
def test_weights_are_read_from_a_state_dict_and_decide_the_key(generator_file, tmp_path, make):
    fresh = make(generator_file)
    torch.manual_seed(3)
    changed = {name: value + 0.3 * torch.randn(value.shape) for name, value in fresh.generator.state_dict().items()}
    torch.save(changed, tmp_path / "weights.pt")
    loaded = type(fresh)(**fresh.config | {"source": GeneratorSource(fresh.source.factory, tmp_path / "weights.pt")})
    loaded.load(0, CPU)
    assert all(torch.equal(changed[name], value) for name, value in loaded.generator.state_dict().items())
    assert loaded.key() != fresh.load(0, CPU).key()
    assert fresh.key() == make(generator_file).load(0, CPU).key()


def wrong_weights(kind: str, module: nn.Module):
    state = module.state_dict()
    name = next(iter(state))
    return {
        "nan": state | {name: torch.full_like(state[name], torch.nan)},
        "module": module,
        "other": {"layer.weight": torch.zeros(2, 2)},
        "nested": {"state": state},
    }[kind]


HINTS = [
    ("nan", "has NaN or infinite values"),
    ("module", "not plain tensors: reading it would run pickled code"),
    ("other", "not the weights of generator"),
    ("nested", "holds no state_dict; save only its weights"),
]


@pytest.mark.parametrize("make", [plain, style])
@pytest.mark.parametrize(("kind", "hint"), HINTS, ids=[kind for kind, _ in HINTS])
def test_weights_that_cannot_be_used_are_one_line_that_names_their_file(generator_file, tmp_path, make, kind, hint):
    prior = make(generator_file)
    # a module of a file cannot be pickled at all
    module = nn.Linear(2, 2) if kind == "module" else prior.generator
    torch.save(wrong_weights(kind, module), tmp_path / "weights.pt")
    wrong = GeneratorSource(prior.source.factory, tmp_path / "weights.pt")
    refused(lambda: type(prior)(**prior.config | {"source": wrong}), hint)
    refused(lambda: type(prior)(**prior.config | {"source": wrong}), "weights.pt")


def test_weights_never_run_code(generator_file, tmp_path):
    class Harm:
        def __reduce__(self):
            return Path.touch, (tmp_path / "harmed",)

    (tmp_path / "weights.pt").write_bytes(pickle.dumps({"layer.weight": Harm()}))
    torch.save({"layer.weight": Harm()}, tmp_path / "zipped.pt")
    for name in ("weights.pt", "zipped.pt"):
        weights = source(generator_file, "Plain", tmp_path / name)
        refused(lambda weights=weights: ImportedPrior(weights, 1, 16), "reading it would run pickled code")
    assert not (tmp_path / "harmed").exists()
