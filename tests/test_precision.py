"""What networks compute in, and that bfloat16 does the same job."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mi_tune.attacks import WhiteBox
from mi_tune.data import Bank
from mi_tune.nets import create_classifier
from mi_tune.nets.training import Recipe, Training, predict
from mi_tune.priors import DCGANPrior
from mi_tune.runtime.cache import content_key
from mi_tune.runtime.device import autocast, precision
from mi_tune.runtime.errors import InputError

CPU = torch.device("cpu")


def _machine(monkeypatch: pytest.MonkeyPatch, **can: bool) -> None:
    monkeypatch.delenv("MI_TUNE_PRECISION", raising=False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: can)


def test_a_cpu_that_multiplies_bfloat16_itself_computes_in_it(monkeypatch):
    _machine(monkeypatch, avx512_bf16=True)
    assert precision(CPU) == torch.bfloat16


def test_another_cpu_computes_in_float32(monkeypatch):
    _machine(monkeypatch, avx512_f=True, avx512_bf16=False)
    assert precision(CPU) == torch.float32
    with autocast(CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_a_gpu_computes_in_bfloat16(monkeypatch):
    _machine(monkeypatch)
    assert precision(torch.device("cuda")) == torch.bfloat16


def test_the_environment_overrules_the_machine(monkeypatch):
    _machine(monkeypatch, avx512_bf16=True)
    monkeypatch.setenv("MI_TUNE_PRECISION", "float32")
    assert precision(CPU) == torch.float32
    monkeypatch.setenv("MI_TUNE_PRECISION", "bfloat16")
    assert precision(CPU) == torch.bfloat16
    with autocast(CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16


def test_an_unknown_precision_is_one_line_that_names_it(monkeypatch):
    monkeypatch.setenv("MI_TUNE_PRECISION", "half")
    with pytest.raises(InputError, match="'half'; choose float32 or bfloat16"):
        precision(CPU)


def test_what_was_made_in_another_precision_is_not_found_again(monkeypatch):
    monkeypatch.setenv("MI_TUNE_PRECISION", "float32")
    exact = content_key("recipe")
    monkeypatch.setenv("MI_TUNE_PRECISION", "bfloat16")
    assert content_key("recipe") != exact


def test_a_classifier_learns_in_bfloat16(monkeypatch, bank: Bank):
    monkeypatch.setenv("MI_TUNE_PRECISION", "bfloat16")
    model = create_classifier("small_cnn", bank.identities, 1, 16, 0)
    run = Training(model, *bank.tensors(), torch.arange(len(bank)), Recipe(epochs=15, batch_size=8), 0, CPU)
    while not run.finished:
        run.train_epoch()
    answers = predict(model, run.images, CPU)
    assert answers.dtype == torch.float32
    assert (answers.argmax(1).numpy() == bank.labels).mean() > 0.9
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_the_gradient_of_an_attack_points_the_same_way_in_bfloat16(monkeypatch):
    model = create_classifier("small_cnn", 5, 1, 32, 0)
    images = torch.rand(8, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    found = []
    for kind in ("float32", "bfloat16"):
        monkeypatch.setenv("MI_TUNE_PRECISION", kind)
        leaf = images.clone().requires_grad_(True)
        loss = WhiteBox(model, CPU, 5).logits(leaf)[:, 2].sum()
        found.append(torch.autograd.grad(loss, leaf)[0].flatten(1))
    cosine = torch.cosine_similarity(*found)
    assert (cosine > 0.97).all()


def test_a_generator_draws_pixels_no_coarser_than_8_bits_in_bfloat16(monkeypatch):
    prior = DCGANPrior(latent_dim=8, channels=1, resolution=32, width=8)
    latents = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
    drawn = []
    for kind in ("float32", "bfloat16"):
        monkeypatch.setenv("MI_TUNE_PRECISION", kind)
        drawn.append(prior.decode(latents).detach())
    assert drawn[1].dtype == torch.float32
    assert (drawn[0] - drawn[1]).abs().mean() < 0.5 / 255
    # bfloat16 itself has 128 values in [0.5, 1]
    assert len(np.unique(drawn[1].numpy())) > 1000
