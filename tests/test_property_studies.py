"""Studies of one property: what is compared, what it says, and what is refused."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import assert_provenance, folder_setup
from rich.console import Console

from analysis.pages import property_table, write_property_report
from analysis.pages.property_report import sentence
from analysis.statistics import load_property
from mi_tune.defences.properties import DESCRIPTION, partial_erasure
from mi_tune.runtime.errors import InputError
from studies.commands.properties import property_command

PEOPLE, KEPT, TEST = 20, 4, 5
SHARES = {
    # natural accuracy, accuracy of each attack
    "no defence": (0.9, (0.8, 0.9)),
    "part": (0.85, (0.3, 0.4)),
    "whole": (0.85, (0.7, 0.8)),
    "same": (0.85, (0.3, 0.4)),
}
ATTACKS = ["ppa:4x", "taa:reduced"]


def write(folder: Path, seeds: int = 3, failed: tuple[str, str] | None = None) -> Path:
    """A property study whose accuracies are known."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    natural, hits = [], []
    for name, (accuracy, attacks) in SHARES.items():
        for seed in range(seeds):
            classes = np.repeat(np.arange(PEOPLE), TEST)
            correct = rng.permutation(np.arange(len(classes)) < accuracy * len(classes))
            images = 3 * np.arange(len(classes))
            natural.append(pd.DataFrame({"point": name, "seed": seed, "image": images, "class": classes}))
            natural[-1]["correct"] = correct
            for attack, share in zip(ATTACKS, attacks, strict=True):
                if (name, attack) == failed:
                    continue
                classes = np.repeat(np.arange(PEOPLE), KEPT)
                hit = rng.permutation(np.arange(len(classes)) < share * len(classes))
                table = {"class": classes, "image": np.tile(np.arange(KEPT), PEOPLE), "searching": ~hit, "second": hit}
                hits.append(pd.DataFrame({"point": name, "seed": seed, "attack": attack} | table))
    pd.concat(natural).to_parquet(folder / "natural.parquet", index=False)
    pd.concat(hits).to_parquet(folder / "hits.parquet", index=False)
    config = {
        "title": "Parts or wholes?",
        "base": "part",
        "seeds": seeds,
        "attacks": ATTACKS,
        "points": [{"name": name} for name in SHARES],
        "judges": [{"name": "searching"}, {"name": "second"}],
        "data": {"identities": PEOPLE},
    }
    (folder / DESCRIPTION).write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("property") / "known")


def test_every_training_has_its_accuracies_and_its_change_from_the_base(folder):
    record = load_property(folder)
    assert record.judge == "second"
    found = {one.name: one for one in record.contrasts}
    for name, (accuracy, attacks) in SHARES.items():
        one = found[name]
        assert one.natural.value == pytest.approx(accuracy)
        assert [one.attacks[attack].value for attack in ATTACKS] == pytest.approx(attacks)
        assert one.mean.value == pytest.approx(np.mean(attacks))
        if name != "part":
            assert one.attack_change.value == pytest.approx(np.mean(attacks) - 0.35)
            assert one.natural_change.value == pytest.approx(accuracy - 0.85)
    assert found["part"].attack_change is None and found["part"].claim is None


def test_what_is_apart_is_said_and_what_is_not_is_not(folder):
    record = load_property(folder)
    apart = {one.name for one in record.contrasts if one.claim is not None and one.claim.significant}
    assert apart == {"no defence", "whole"}
    assert sentence(record) == "Compared with part, attack accuracy is significantly higher for no defence, whole."


def test_another_judge_can_be_asked_and_an_unknown_one_is_named(folder):
    other = load_property(folder, "searching")
    assert other.contrasts[1].mean.value == pytest.approx(0.65)
    with pytest.raises(InputError, match="no judge 'third'; choose from searching, second"):
        load_property(folder, "third")


def test_an_attack_that_failed_somewhere_is_left_out_of_every_mean(tmp_path):
    record = load_property(write(tmp_path / "failed", failed=("whole", "taa:reduced")))
    found = {one.name: one for one in record.contrasts}
    assert list(found["whole"].attacks) == ["ppa:4x"]
    assert found["part"].mean.value == pytest.approx(0.3)
    assert found["whole"].attack_change.value == pytest.approx(0.4)


def test_the_page_and_the_table_hold_every_number(folder):
    page = write_property_report(folder).read_text()
    assert "Parts or wholes?" in page
    assert "http://" not in page.split("<script>")[0]
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(property_table(load_property(folder)))
    printed = console.export_text()
    for text in ("85.0", "70.0", "+40.0"):
        assert text in page
        assert text in printed


def test_the_page_is_rebuilt_from_the_folder_alone(folder):
    (folder / "report.html").unlink(missing_ok=True)
    command = [sys.executable, "-m", "analysis", str(folder)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str(folder / "report.html")
    assert (folder / "report.html").exists()


def test_a_folder_without_a_study_is_one_line(tmp_path):
    with pytest.raises(InputError, match="not a finished study of a property") as caught:
        load_property(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--area", "1.2"], "area 1.2"),
        (["--attacks", "nobody"], "nobody"),
        (["--attacks", ","], "names no attack"),
        (["--private", "somewhere"], "--public"),
        (["--setup", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_studied_is_refused_before_anything_is_computed(tmp_path, arguments, said):
    command = property_command("t", "partial", partial_erasure, 0.4, "location", "doc")
    with pytest.raises(InputError, match=said):
        command.main([*arguments, "--out", str(tmp_path / "out")], standalone_mode=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.ray
@pytest.mark.slow
def test_a_property_is_studied_from_training_to_the_page_and_found_again(tmp_path, monkeypatch, one_ray):
    from mi_tune.confirmation.property_study import PropertyOptions, study_property

    monkeypatch.setenv("MI_TUNE_CACHE", str(one_ray))
    setup = folder_setup(tmp_path / "images", epochs=2)
    judge = setup.judge.model_copy(update={"epochs": 2, "verifier_views": 100})
    setup = setup.model_copy(update={"judge": judge, "prior": setup.prior.model_copy(update={"samples": 64})})
    treatments = partial_erasure(0.4, 16)
    options = PropertyOptions(2, ("ppa:reduced",), workers=2)
    quiet = Console(quiet=True)
    folder = study_property(setup, 0, "Parts?", treatments, tmp_path / "out", options, quiet)
    record = load_property(folder)
    assert [one.name for one in record.contrasts] == ["no defence", *treatments]
    assert_provenance(record.config)
    before = pd.read_parquet(folder / "hits.parquet")
    assert write_property_report(folder).stat().st_size > 1e6

    made = {cell: cell.stat().st_mtime_ns for cell in (folder / "cells").glob("*.pt")}
    study_property(setup, 0, "Parts?", treatments, tmp_path / "out", options, quiet)
    assert {cell: cell.stat().st_mtime_ns for cell in (folder / "cells").glob("*.pt")} == made
    assert pd.read_parquet(folder / "hits.parquet").equals(before)
