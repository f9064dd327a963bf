"""A user's own attack by its import path: in set-ups, audits and confirmations."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import make_bank

from analysis.statistics.verdict import attack_name, short_attack_name
from mi_tune.attacks import code_of, make_attack, open_oracle, split_budget
from mi_tune.data import split_each_identity
from mi_tune.runtime.errors import InputError
from mi_tune.setup import make_setup
from mi_tune.trial.assets import StudyData, prepare_attacker
from mi_tune.trial.attempts import attempt_of, check_attacks, plan_attempts

CPU = torch.device("cpu")
FILE = Path(__file__).with_name("own_attacks.py")
OWN = f"{FILE}:dim_logit"


def test_it_runs_by_its_path_at_every_budget(target):
    bank, others = make_bank(6), make_bank(8, seed=3)
    data = StudyData(bank, others, split_each_identity(bank, (0.6, 0.2, 0.2), 0), 0)
    setup = make_setup({"attack": {"preset": OWN}, "data": {"resolution": 16}, "prior": {"samples": 50}}, "test")
    attacker = prepare_attacker(setup, data, 0, CPU)
    attack = attacker.attack
    assert (attack.name, attack.budget) == ("dim_logit", "reduced")
    found = attack.run(open_oracle(attack.access, target, CPU, 6), attacker.ground, torch.arange(6), 0)
    assert found.images.shape == (6, attack.keep, 1, 16, 16)
    assert make_attack(OWN, "4x").candidates == 4 * attack.candidates
    assert make_attack(OWN, "full").budget == "full"


def test_another_process_rebuilds_it_from_its_path(tmp_path):
    bank, others = make_bank(6), make_bank(8, seed=3)
    data = StudyData(bank, others, split_each_identity(bank, (0.6, 0.2, 0.2), 0), 0)
    setup = make_setup({"attack": {"preset": OWN}, "data": {"resolution": 16}, "prior": {"samples": 50}}, "test")
    (tmp_path / "attacker").write_bytes(pickle.dumps(prepare_attacker(setup, data, 0, CPU)))
    script = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).attack.views[0].factor)"
    ran = subprocess.run([sys.executable, "-c", script, tmp_path / "attacker"], capture_output=True, text=True)
    assert ran.stdout.strip() == "0.9", ran.stderr


def test_the_code_of_its_own_parts_decides_cached_results():
    own = [module.__file__ for module in code_of(make_attack(OWN, "reduced"))]
    assert str(FILE) in own
    assert str(FILE) not in [module.__file__ for module in code_of(make_attack("ppa", "reduced"))]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{FILE}:unnamed", r"its name 'map_logit' is that of a preset; give it another"),
        (f"{FILE}:one_budget", r"returns budget 'reduced' when asked for 'full'"),
        (f"{FILE}:nothing", r"returns a str, not an Attack or a Portfolio"),
        (f"{FILE}:broken", r"its factory fails on \('full',\) \(RuntimeError: no such budget\)"),
        (f"{FILE}:dim_logic", r"has no factory 'dim_logic'; did you mean dim_logit"),
        ("nowhere.py:make", r"nowhere\.py:make': no such file"),
        ("no_such_package:make", r"no package 'no_such_package' is installed"),
    ],
)
def test_a_factory_that_gives_no_attack_is_refused_in_one_line(name, message):
    with pytest.raises(InputError, match=message) as caught:
        make_attack(name, "full")
    assert "\n" not in str(caught.value)


def test_audits_and_confirmations_take_it_beside_presets_with_a_budget_behind_the_path():
    planned = plan_attempts(f"ppa, {OWN}", "reduced", "eigenface")
    assert [attempt.attack.name for attempt in planned] == ["ppa", "dim_logit"]
    assert check_attacks(["taa", f"{OWN}:full", OWN]) == ("taa:reduced", f"{OWN}:full", f"{OWN}:reduced")
    assert attempt_of(f"{OWN}:full", "eigenface").attack.budget == "full"


def test_a_relative_path_becomes_absolute_because_workers_have_other_folders(monkeypatch):
    monkeypatch.chdir(FILE.parent)
    assert check_attacks(["own_attacks.py:dim_logit"]) == (f"{OWN}:reduced",)
    assert make_setup({"attack": {"preset": "own_attacks.py:dim_logit"}}, "test").attack.preset == OWN


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("ppa", ("ppa", "reduced")),
        ("ppa:4x", ("ppa", "4x")),
        ("a.py:f", ("a.py:f", "reduced")),
        ("a.b:f:full", ("a.b:f", "full")),
    ],
)
def test_the_budget_is_what_follows_the_last_colon_if_it_is_one(text, parts):
    assert split_budget(text) == parts


def test_a_preset_with_an_unknown_budget_is_refused():
    with pytest.raises(InputError, match=r"attack 'ppa:5x': unknown budget '5x'; choose from twin, reduced"):
        split_budget("ppa:5x")


def test_reports_name_it_without_its_path():
    assert attack_name(f"{OWN}:full") == "dim_logit full"
    assert short_attack_name(f"{OWN}:reduced") == "dim_logit"
    assert attack_name("best samples") == "best samples"
