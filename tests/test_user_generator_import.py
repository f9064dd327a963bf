"""A user's code is imported from files and packages without a trace, and goes wherever a copy of its prior goes."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys

import pytest
import torch
from own_generators import CODE, plain, style

from mi_tune.priors import GeneratorSource, ImportedPrior
from mi_tune.runtime.imported import OwnFactory
from mi_tune.runtime.seeds import generator

CPU = torch.device("cpu")


def test_the_factory_leaves_the_global_random_stream_alone(generator_file):
    before = torch.get_rng_state()
    plain(generator_file)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("make", [plain, style])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda prior: pickle.loads(pickle.dumps(prior))])
def test_a_copy_draws_the_same_and_is_apart(generator_file, make, copied):
    prior = make(generator_file).load(0, CPU)
    with torch.no_grad():
        next(prior.generator.parameters()).add_(0.1)
    other = copied(prior)
    latents = prior.sample_latents(3, generator(0, "test"))
    images = prior.decode(latents)
    assert torch.equal(images, other.decode(latents))
    assert not other.training
    assert not any(p.requires_grad for p in other.parameters())
    with torch.no_grad():
        for weight in other.parameters():
            weight.mul_(2)
    assert torch.equal(images, prior.decode(latents))


@pytest.mark.slow
def test_a_prior_reaches_another_process_with_its_code(generator_file, tmp_path):
    prior = style(generator_file).load(0, CPU)
    (tmp_path / "prior.pickle").write_bytes(pickle.dumps(prior))
    there = "import pickle, sys, torch; prior = pickle.load(open(sys.argv[1], 'rb')); "
    there += "torch.save(prior.decode(torch.ones(2, 8)), sys.argv[2])"
    subprocess.run([sys.executable, "-c", there, tmp_path / "prior.pickle", tmp_path / "images.pt"], check=True)
    torch.testing.assert_close(torch.load(tmp_path / "images.pt"), prior.decode(torch.ones(2, 8)))


def test_a_generator_of_an_installed_package_is_imported_by_name(generator_file, monkeypatch):
    (generator_file.parent / "their_package").mkdir()
    (generator_file.parent / "their_package" / "nets.py").write_text(CODE)
    monkeypatch.syspath_prepend(generator_file.parent)
    prior = ImportedPrior(GeneratorSource("their_package.nets:Plain"), channels=1, resolution=16).load(0, CPU)
    latents = torch.zeros(1, 6)
    assert torch.equal(prior.decode(latents), plain(generator_file).load(0, CPU).decode(latents))


def test_a_file_may_import_what_lies_beside_it(generator_file, monkeypatch):
    monkeypatch.setattr("sys.path", [*sys.path])
    beside = generator_file.parent / "beside_it.py"
    beside.write_text("WIDTH = 32\n")
    plain(generator_file, "make", "\nfrom beside_it import WIDTH\nmake = lambda: Plain(3, WIDTH)\n").load(0, CPU)


def test_a_file_is_read_anew_whatever_its_time_and_leaves_no_bytecode_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file, answers = tmp_path / "own_answer.py", []
    for answer in (1, 2):  # the same size and time: Python's own bytecode would be found again
        file.write_text(f"def make():\n    return {answer}\n")
        os.utime(file, (10**9, 10**9))
        answers.append(OwnFactory(f"{file}:make").call())
    assert answers == [1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["own_answer.py"]
