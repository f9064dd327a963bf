"""A study in which network, start, training and judge are all the user's own, from its start to a second attack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_bank

from mi_tune import InputError, attack, build_setup, tune
from mi_tune.nets import create_classifier
from mi_tune.nets.training import Recipe, Training
from mi_tune.trial.assets import load_data

HERE = Path(__file__).parent
NETWORK, LOOP = f"{HERE / 'own_networks.py'}:make", f"{HERE / 'own_trainers.py'}:train"


@pytest.mark.ray
@pytest.mark.slow
def test_a_study_of_own_things_runs_is_attacked_and_does_not_go_on_from_other_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    private, public = make_bank(5, images=10), make_bank(6, images=6, seed=1)
    images = {"private": (private.images, private.labels), "public": (public.images, public.labels)}
    own = {"architecture": "small_cnn", "start_from": tmp_path / "start.pt", "freeze": 1, "trainer": LOOP}
    own |= {"judge": NETWORK, "judge_weights": tmp_path / "judge.pt"}

    start = create_classifier("small_cnn", 9, 1, 16, 5)
    named = {f"module.net.{name}": value for name, value in start.backbone.state_dict().items()}
    torch.save({"state_dict": named}, tmp_path / "start.pt")
    bank = load_data(build_setup(**images), 0).private
    judge = create_classifier(NETWORK, 5, 1, 16, 0)
    everything = torch.arange(len(bank))
    run = Training(judge, *bank.tensors(), everything, Recipe(epochs=8, flip=False), 0, torch.device("cpu"))
    while not run.finished:
        run.train_epoch()
    torch.save(judge.backbone.state_dict(), tmp_path / "judge.pt")

    study = tune(**images, **own, name="mine", trials=5, smoke=True, quiet=True)
    assert study.finished
    assert set(study.table.state) == {"complete"}
    assert set(study.table.judge) == {"own make"}
    weights = torch.load(study.folder / "trials" / "0000" / "target.pt")
    first = next(name for name, value in weights.items() if value.ndim == 4)
    assert torch.equal(weights[first], start.state_dict()[first])  # the first block is frozen
    assert not torch.equal(weights["backbone.head.weight"], start.state_dict()["backbone.head.weight"][:5])
    found = attack(study, quiet=True)
    # the same attack on the same target, read from its file: the study's own number
    assert found.strongest.attack_accuracy == pytest.approx(study.table.set_index("trial").attack_accuracy[0])

    named["module.net.features.0.weight"] = named["module.net.features.0.weight"] + 1
    torch.save({"state_dict": named}, tmp_path / "start.pt")
    with pytest.raises(InputError, match="the weights that targets start from have changed"):
        tune(**images, **own, name="mine", trials=6, smoke=True, resume=True, quiet=True)
    assert np.isfinite(study.table.natural_accuracy).all()
