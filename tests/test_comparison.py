"""Attacks compared on the same targets: every cell once, paired by class."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import make_bank, write_image_folder

from mi_tune.attacks import Attack, make_attack
from mi_tune.erasing import NO_DEFENCE, ErasingLaw
from mi_tune.setup import make_setup
from mi_tune.trial.attempts import Attempt
from mi_tune.trial.comparison import Results, compare

LAWS = {"none": NO_DEFENCE, "some": ErasingLaw(1.0, area=(0.1, 0.3), fill="mean")}


@pytest.fixture
def setup(tmp_path):
    values = {
        "data": {
            "source": "folder",
            "resolution": 16,
            "private": str(write_image_folder(make_bank(5, images=8), tmp_path / "private")),
            "public": str(write_image_folder(make_bank(8, seed=1), tmp_path / "public")),
        },
        "target": {"epochs": 6},
        "judge": {"epochs": 3},
        "prior": {"samples": 60},
    }
    return make_setup(values, "test")


def attempts() -> dict[str, Attempt]:
    attack = make_attack("ppa", "reduced")
    short = replace(attack, stages=(replace(attack.stages[0], steps=2),))
    shorter = replace(short, stages=(replace(short.stages[0], steps=1),))
    return {"short": Attempt(short, "eigenface"), "none": Attempt(shorter, "eigenface")}


def test_a_cell_is_computed_once_and_found_again(setup, monkeypatch):
    first = dict(compare(setup, LAWS, attempts(), replicates=2, workers=1))
    assert len(first) == 2 * 2 * 2
    monkeypatch.setattr(Attack, "run", lambda *args: pytest.fail("an attack ran again"))
    assert dict(compare(setup, LAWS, attempts(), replicates=2, workers=1)) == first


def test_another_attack_is_not_found_under_the_name_of_an_old_one(setup, monkeypatch):
    list(compare(setup, {"none": NO_DEFENCE}, {"short": attempts()["short"]}, replicates=1, workers=1))
    ran = []
    whole = Attack.run
    monkeypatch.setattr(Attack, "run", lambda self, *args: ran.append(self) or whole(self, *args))
    list(compare(setup, {"none": NO_DEFENCE}, {"short": attempts()["none"]}, 1, workers=1))
    assert len(ran) == 1


def test_results_average_replicates_and_pair_classes(setup):
    results = Results(compare(setup, LAWS, attempts(), replicates=2, workers=1))
    by_hand = np.mean([v["accuracy"] for c, v in results.cells.items() if (c.law, c.attempt) == ("some", "short")], 0)
    assert results.estimate("some", "short").value == pytest.approx(by_hand.mean())
    apart = results.difference(list(LAWS), "short", "none")
    means = [np.mean([results.per_class(law, name) for law in LAWS]) for name in ("short", "none")]
    assert apart.value == pytest.approx(means[0] - means[1])
    assert results.mean_cost("some", "short", "backward_passes") == 5 * 8 * 2
    assert len(results.table()) == 8
