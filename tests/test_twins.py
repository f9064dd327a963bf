"""Twins of published set-ups: every attack at their size; one whole twin a day, all of them by run_twins.py."""

from __future__ import annotations

import datetime

import pytest
import torch
import yaml

from mi_tune.attacks import open_oracle
from mi_tune.erasing import REFERENCE_LAWS
from mi_tune.library.setup_files import SETUPS
from mi_tune.library.twins import twin_values
from mi_tune.setup import make_setup
from mi_tune.trial.assets import load_data, prepare_attacker
from mi_tune.trial.targets import target_training
from studies.benchmarks.run_twins import run_twin

NAMES = sorted(file.stem for file in (SETUPS / "paper").glob("*.yaml"))
ONE_OF_EACH = {name.split("-")[0]: name for name in NAMES}
CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ONE_OF_EACH.values(), ids=ONE_OF_EACH)
def test_every_attack_returns_images_at_the_size_of_a_twin(name):
    values = twin_values(yaml.safe_load((SETUPS / "paper" / f"{name}.yaml").read_text()), name)
    values["target"] |= {"architecture": "small_cnn", "epochs": 1}
    values["data"]["resolution"] = 16
    setup = make_setup(values, name)
    data = load_data(setup, 0)
    run = target_training(setup, data, REFERENCE_LAWS["MIDRE(0.1, 0.4)"], 0, 0, CPU)
    run.train_epoch()
    attacker = prepare_attacker(setup, data, 0, CPU)
    attack = attacker.attack
    oracle = open_oracle(attack.access, run.model, CPU, 6)
    found = attack.run(oracle, attacker.ground, torch.arange(6), 0)
    assert found.images.shape == (6, attack.keep, 1, 16, 16)
    assert oracle.forward_passes > 0
    assert found.images.float().std() > 1


@pytest.mark.slow
@pytest.mark.ray
def test_the_twin_of_the_day_runs_to_its_report(tmp_path):
    # a step that shares no factor with their number, so that neighbours, which are alike, do not follow each other
    name = NAMES[datetime.date.today().toordinal() * 17 % len(NAMES)]
    _, told = run_twin(name, tmp_path)
    folder = tmp_path / f"{name}-twin"
    assert "complete" in told and (folder / "report.html").is_file()
    assert "Published figures" in (folder / "report.html").read_text()
