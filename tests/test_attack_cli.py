"""Attacks on one model from the command line: what they write, what they skip, and what they refuse."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import assert_provenance, make_bank, write_image_folder
from torch import nn

from analysis.pages.attack_report import render_attacks
from analysis.statistics import load_attacks
from mi_tune.attacks import PRESETS, Attack
from mi_tune.erasing import REFERENCE_LAWS, ErasingLaw, named_law
from mi_tune.nets import create_classifier
from mi_tune.nets.training import Training
from mi_tune.runtime.command import run_command
from mi_tune.runtime.errors import InputError
from mi_tune.setup import Setup, make_setup
from mi_tune.trial.assets import load_data, target_recipe
from mi_tune.trial.audit import plan_attempts
from mi_tune.trial.audit.folder import COLUMNS
from mi_tune.trial.table import table_of
from studies.commands.attack import attack

CPU = torch.device("cpu")
PEOPLE = 6


def trained(setup: Setup) -> nn.Module:
    data = load_data(setup, 0)
    bank = data.private
    model = create_classifier("small_cnn", bank.identities, 1, bank.resolution, 0)
    indices = torch.from_numpy(data.split.train)
    run = Training(model, *bank.tensors(), indices, target_recipe(setup), 0, CPU)
    while not run.finished:
        run.train_epoch()
    return model


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with people, others, a study of two trials of which one left a target, and a cache."""
    root = tmp_path_factory.mktemp("home")
    people = write_image_folder(make_bank(PEOPLE, images=8), root / "people")
    others = write_image_folder(make_bank(8, seed=1), root / "others")
    values = {
        "name": "tiny",
        "data": {"source": "folder", "private": str(people), "public": str(others), "resolution": 16},
        "target": {"epochs": 12, "flip": False, "replicates": 1},
        "prior": {"samples": 150, "gan_steps": 2},
        "judge": {"epochs": 2},
    }
    setup = make_setup(values, "test")
    study = root / "tiny"
    (study / "trials" / "0000").mkdir(parents=True)
    torch.save(trained(setup).state_dict(), study / "trials" / "0000" / "target.pt")
    torch.save(trained(setup).state_dict(), root / "own.pt")
    data = load_data(setup, 0)
    sides = {"private": data.private.fingerprint(), "public": data.public.fingerprint()}
    config = {
        "name": "tiny",
        "seed": 0,
        "smoke": False,
        "images_allowed": False,
        "config": setup.model_dump(mode="json"),
        "data": {side: {"fingerprint": key} for side, key in sides.items()},
    }
    (study / "study.yaml").write_text(yaml.safe_dump(config))
    laws = {"no defence": REFERENCE_LAWS["no defence"], "": ErasingLaw(1.0, area=(0.1, 0.3), fill="mean")}
    rows = [
        {"trial": number, "state": state, "reference": name, "law": law.to_dict(), "reason": ""}
        for number, (state, (name, law)) in enumerate(zip(("complete", "failed"), laws.items(), strict=True))
    ]
    table_of(rows).to_parquet(study / "trials.parquet", index=False)
    return root


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Presets with a few steps, under their own names, and a cache that the module's tests share."""

    def shortened(name: str):
        def make(budget: str = "reduced") -> Attack:
            whole = original[name](budget)
            stages = tuple(dataclasses.replace(stage, steps=3) for stage in whole.stages)
            return dataclasses.replace(whole, stages=stages)

        return make

    original = dict(PRESETS)
    for name in ("ppa", "eot_re", "cmaes", "gmi"):
        monkeypatch.setitem(PRESETS, name, shortened(name))
    monkeypatch.setenv("MI_TUNE_CACHE", str(home / "cache"))


def call(monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["attack.py", *map(str, arguments)])
    status = run_command(attack)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


# ------------------------------------------------------------------------------------------------------- what it writes


def test_a_trial_is_attacked_and_every_attack_is_a_row(quick, monkeypatch, capsys, home, tmp_path):
    status, out, _ = call(monkeypatch, capsys, home / "tiny", "--attack", "ppa,cmaes", "--out", tmp_path / "a")
    assert status == 0
    table = pd.read_parquet(tmp_path / "a" / "attacks.parquet")
    assert list(table.columns) == COLUMNS == list(pd.read_csv(tmp_path / "a" / "attacks.csv").columns)
    assert list(table.attack) == ["chance", "best prior samples", "ppa", "cmaes"]
    by = table.set_index("attack")
    assert by.attack_accuracy["chance"] == pytest.approx(1 / PEOPLE)
    assert list(by.access[["ppa", "cmaes"]]) == ["white-box", "soft-label"]
    assert by.backward_passes["ppa"] > 0 == by.backward_passes["cmaes"]
    for name in ("ppa", "cmaes"):
        row = by.loc[name]
        per_class = pd.read_csv(tmp_path / "a" / row.artefacts / "per_class.csv")
        assert per_class.attack_accuracy.mean() == pytest.approx(row.attack_accuracy)
        assert row.attack_accuracy_low <= row.attack_accuracy <= row.attack_accuracy_high
        with np.load(tmp_path / "a" / row.artefacts / "reconstructions.npz") as stored:
            own = stored["judge_top1"] == np.arange(PEOPLE)[:, None]
        assert own.mean() == pytest.approx(row.attack_accuracy)
    assert "2/2 cmaes" in out


def test_a_rerun_computes_only_what_is_missing_and_force_computes_all(quick, monkeypatch, capsys, home, tmp_path):
    runs: list[str] = []
    real = Attack.run
    monkeypatch.setattr(Attack, "run", lambda self, *a, **k: (runs.append(self.name), real(self, *a, **k))[1])
    study = (home / "tiny", "--classes", 2, "--out", tmp_path / "a")
    call(monkeypatch, capsys, *study, "--attack", "ppa")
    first = pd.read_parquet(tmp_path / "a" / "attacks.parquet").set_index("attack")
    status, out, _ = call(monkeypatch, capsys, *study, "--attack", "ppa,cmaes")
    assert (status, runs) == (0, ["ppa", "cmaes"])
    assert "ppa (reduced, white-box, prior eigenface): already in the folder" in out
    second = pd.read_parquet(tmp_path / "a" / "attacks.parquet").set_index("attack")
    assert second.seconds["ppa"] == first.seconds["ppa"]
    call(monkeypatch, capsys, *study, "--attack", "ppa", "--force")
    assert runs == ["ppa", "cmaes", "ppa"]
    call(monkeypatch, capsys, *study, "--attack", "ppa", "--seed", 5)
    table = pd.read_parquet(tmp_path / "a" / "attacks.parquet")
    assert sorted(table.seed[table.attack == "ppa"]) == [0, 5]


def test_ctrl_c_loses_no_attack_that_had_ended(quick, monkeypatch, capsys, home, tmp_path):
    real = Attack.run

    def stopped(self, *arguments):
        if self.name == "cmaes":
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(Attack, "run", stopped)
    status, _, err = call(monkeypatch, capsys, home / "tiny", "--attack", "ppa,cmaes", "--out", tmp_path / "a")
    assert status == 130
    assert "interrupted" in err
    table = pd.read_parquet(tmp_path / "a" / "attacks.parquet")
    assert list(table.attack[table.state == "complete"]) == ["ppa"]


def test_an_attack_that_fails_is_a_row_and_the_others_go_on(quick, monkeypatch, capsys, home, tmp_path):
    real = Attack.run

    def broken(self, *arguments):
        if self.name == "ppa":
            raise InputError("the latents are not to its taste")
        return real(self, *arguments)

    monkeypatch.setattr(Attack, "run", broken)
    status, _, _ = call(monkeypatch, capsys, home / "tiny", "--attack", "ppa,cmaes", "--out", tmp_path / "a")
    assert status == 0
    table = pd.read_parquet(tmp_path / "a" / "attacks.parquet").set_index("attack")
    assert table.state["ppa"] == "failed"
    assert table.reason["ppa"] == "the latents are not to its taste"
    assert table.state["cmaes"] == "complete"
    monkeypatch.setattr(Attack, "run", real)
    call(monkeypatch, capsys, home / "tiny", "--attack", "ppa", "--out", tmp_path / "a")
    assert pd.read_parquet(tmp_path / "a" / "attacks.parquet").set_index("attack").state["ppa"] == "complete"


def test_a_prior_that_cannot_be_made_fails_its_own_attacks_alone(quick, monkeypatch, capsys, home, tmp_path):
    from mi_tune.trial.audit import run

    real = run.prepare_ground

    def made(setup, *arguments):
        if setup.prior.kind == "dcgan":
            raise InputError("too few public images")
        return real(setup, *arguments)

    monkeypatch.setattr(run, "prepare_ground", made)
    status, out, _ = call(monkeypatch, capsys, home / "tiny", "--attack", "gmi,cmaes", "--out", tmp_path / "a")
    assert status == 0
    table = pd.read_parquet(tmp_path / "a" / "attacks.parquet").set_index("attack")
    assert (table.state["gmi"], table.reason["gmi"]) == ("failed", "too few public images")
    assert table.state["cmaes"] == "complete"
    assert out.index("gmi") < out.index("cmaes")


@pytest.mark.parametrize("hidden", [False, True])
def test_attackers_are_told_the_trials_law_unless_it_is_hidden(quick, monkeypatch, capsys, home, tmp_path, hidden):
    told: list[ErasingLaw | None] = []

    def run(self, oracle, ground, *arguments):
        told.append(ground.law)
        raise InputError("seen enough")

    monkeypatch.setattr(Attack, "run", run)
    flags = ["--law-unknown"] * hidden
    status, _, err = call(monkeypatch, capsys, home / "tiny", "--out", tmp_path / "a", *flags)
    assert told == [None if hidden else REFERENCE_LAWS["no defence"]]
    assert status == 2
    assert "seen enough" in err


@pytest.mark.slow
def test_an_own_model_is_attacked_with_and_without_public_images(quick, monkeypatch, capsys, home, tmp_path):
    own = ["--weights", home / "own.pt", "--architecture", "small_cnn", "--private", home / "people"]
    own += ["--resolution", 16, "--out", tmp_path / "a"]
    law = "{probability: 1.0, area: [0.1, 0.4], fill: mean}"
    status, *_ = call(monkeypatch, capsys, *own, "--public", home / "others", "--law", law)
    assert status == 0
    config = yaml.safe_load((tmp_path / "a" / "attack.yaml").read_text())
    assert config["model"]["accuracy"] > 0.8
    assert 0 < config["law"]["fill"][0] < 1
    assert_provenance(config)
    assert str(home) not in (tmp_path / "a" / "attack.yaml").read_text()
    status, *_ = call(monkeypatch, capsys, *own)
    assert status == 0
    assert yaml.safe_load((tmp_path / "a" / "attack.yaml").read_text())["data"]["public"]["identities"] == 40


def test_faces_of_own_data_are_shown_only_when_asked_for_and_go_again(quick, monkeypatch, capsys, home, tmp_path):
    command = (home / "tiny", "--classes", 2, "--out", tmp_path / "a")
    sheet, report = tmp_path / "a" / "contact_sheet.png", tmp_path / "a" / "report.html"
    call(monkeypatch, capsys, *command)
    assert not sheet.exists()
    assert "data:image/webp" not in report.read_text()
    call(monkeypatch, capsys, *command, "--include-images")
    assert sheet.exists()
    assert "data:image/webp" in report.read_text()
    call(monkeypatch, capsys, *command, "--no-images")
    assert not sheet.exists()
    assert not (tmp_path / "a" / "examples.npz").exists()
    assert "data:image/webp" not in report.read_text()


def test_the_report_names_failures_and_escapes_what_it_is_told(quick, monkeypatch, capsys, home, tmp_path):
    real = Attack.run

    def broken(self, *arguments):
        if self.name == "cmaes":
            raise InputError("<script>alert(1)</script>")
        return real(self, *arguments)

    monkeypatch.setattr(Attack, "run", broken)
    call(monkeypatch, capsys, home / "tiny", "--attack", "ppa,cmaes", "--out", tmp_path / "a")
    page = render_attacks(load_attacks(tmp_path / "a"))
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page
    assert 'src="http' not in page


# -------------------------------------------------------------------------------------------------------- what is asked


def test_groups_and_lists_become_attempts_without_repeats():
    names = [attempt.attack.name for attempt in plan_attempts("ppa,black-box,ppa", "reduced", "eigenface")]
    assert names[0] == "ppa"
    assert len(names) == len(set(names)) == 5
    ladder = plan_attempts("ppa", "reduced,4x", "eigenface")
    assert [attempt.attack.budget for attempt in ladder] == ["reduced", "4x"]
    assert len(plan_attempts("all", "reduced", "eigenface")) == len(PRESETS)


def test_an_attack_that_needs_a_discriminator_gets_a_prior_with_one_and_says_so():
    of = lambda name, prior: plan_attempts(name, "reduced", prior)[0]  # noqa: E731
    assert (of("gmi", "eigenface").prior, of("gmi", "wgan").prior, of("ppa", "eigenface").prior) == (
        *("dcgan", "wgan"),
        "eigenface",
    )
    assert of("gmi", "eigenface").prior_name == "dcgan"
    assert of("plgmi", "eigenface").prior_name == "own PseudoLabelGan"


def test_laws_are_named_mapped_or_unknown(tmp_path):
    assert named_law("unknown") is None
    assert named_law("midre-0.8") == REFERENCE_LAWS["MIDRE(0.1, 0.8)"]
    wanted = ErasingLaw(0.5, area=(0.1, 0.2), fill="noise")
    assert named_law('{"probability": 0.5, "area": [0.1, 0.2], "fill": "noise"}') == wanted
    (tmp_path / "law.yaml").write_text(yaml.safe_dump(wanted.to_dict()))
    assert named_law(str(tmp_path / "law.yaml")) == wanted
    for text, hint in (("midre", "midre-0.4"), ("{area: [0.4, 0.1]}", "upside down"), ("{aera: 1}", "aera")):
        with pytest.raises(InputError, match=hint):
            named_law(text)


OWN = ["--weights", "own.pt", "--architecture", "small_cnn", "--private", "people", "--resolution", "16"]
WRONG = [
    (["nowhere"], "nowhere"),
    (["people"], "study.yaml"),
    (["tiny", "--trial", "7"], "no trial '7'; there are numbers 0 to 1"),
    (["tiny", "--trial", "no defense"], "no defence"),
    (["tiny", "--trial", "1"], "has no target.pt (failed)"),
    (["tiny", "--weights", "own.pt"], "either"),
    ([], "either"),
    (["tiny", "--private", "people"], "--private goes with --weights"),
    (["tiny", "--attack", "pap"], "ppa"),
    (["tiny", "--attack", "blackbox"], "black-box"),
    (["tiny", "--attack", ","], "--attack is empty"),
    (["tiny", "--budget", "8x"], "16x"),
    (["tiny", "--prior", "stylegan"], "eigenface"),
    (["tiny", "--classes", "7"], "6 classes"),
    (["tiny", "--trail", "1"], "--trial"),
    ([*OWN, "--trial", "0"], "--trial goes with"),
    ([*OWN[:2], *OWN[4:]], "--architecture"),
    ([*OWN[:4]], "--private"),
    ([*OWN, "--architecture", "resnet_18"], "resnet18"),
    ([*OWN, "--architecture", "residual_gn"], "not the weights of a residual_gn"),
    ([*OWN, "--law", "midre"], "midre-0.4"),
    ([*OWN, "--private", "others"], "has 6 classes, but the folder has 8"),
    ([*OWN, "--mean", "a,b"], "list of numbers"),
    ([*OWN, "--resolution", "8"], "data.resolution"),
    ([*OWN, "--weights", "pickled.pt"], "state_dict"),
    ([*OWN, "--weights", "people"], "no such file"),
]


@pytest.mark.parametrize(("flags", "hint"), WRONG, ids=[" ".join(flags[-2:]) or "nothing" for flags, _ in WRONG])
def test_a_mistake_is_one_line_before_anything_is_computed(monkeypatch, capsys, home, flags, hint):
    monkeypatch.chdir(home)
    torch.save(nn.Linear(2, 2), "pickled.pt")
    monkeypatch.setattr("mi_tune.trial.audit.run.prepare_judge", lambda *a: pytest.fail("a judge was trained"))
    before = sorted(path.name for path in home.rglob("*") if path.suffix == ".parquet")
    status, _, err = call(monkeypatch, capsys, *flags)
    assert status == 2
    assert err.startswith("error: ")
    assert hint in err
    assert err.count("\n") == 1
    assert sorted(path.name for path in home.rglob("*") if path.suffix == ".parquet") == before


def test_a_folder_of_attacks_on_another_model_is_not_mixed(quick, monkeypatch, capsys, home, tmp_path):
    call(monkeypatch, capsys, home / "tiny", "--classes", 2, "--out", tmp_path / "a")
    path = home / "tiny" / "trials" / "0000" / "target.pt"
    original = path.read_bytes()
    try:
        state = torch.load(path, weights_only=True)
        torch.save({name: value * 1.01 if value.is_floating_point() else value for name, value in state.items()}, path)
        status, _, err = call(monkeypatch, capsys, home / "tiny", "--classes", 2, "--out", tmp_path / "a")
    finally:
        path.write_bytes(original)
    assert (status, err.count("\n")) == (2, 1)
    assert "another model" in err


def test_changed_images_are_noticed(monkeypatch, capsys, home, tmp_path):
    victim = sorted((home / "people" / "person0_1").iterdir())[0]
    original = victim.read_bytes()
    try:
        victim.write_bytes(sorted((home / "people" / "person0_2").iterdir())[0].read_bytes())
        status, _, err = call(monkeypatch, capsys, home / "tiny", "--out", tmp_path / "a")
    finally:
        victim.write_bytes(original)
    assert (status, err.count("\n")) == (2, 1)
    assert "private images have changed" in err


def test_out_of_gpu_memory_is_one_line(monkeypatch, capsys, home, tmp_path):
    def full(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")

    monkeypatch.setattr("mi_tune.trial.audit.run.prepare_judge", full)
    status, _, err = call(monkeypatch, capsys, home / "tiny", "--out", tmp_path / "a")
    assert (status, err.count("\n")) == (2, 1)
    assert "GPU memory" in err
