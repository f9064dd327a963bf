"""A trial that runs several attacks counts the one that finds most people."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from drawn_people import TINY

from mi_tune.attacks import make_attack
from mi_tune.erasing import NO_DEFENCE
from mi_tune.runtime.errors import DivergedError, InputError
from mi_tune.setup import make_setup
from mi_tune.trial import assets, judges, strongest
from mi_tune.trial.assets import Attacker, attacks_of, check_names, load_data
from mi_tune.trial.evaluation import LawEvaluation
from mi_tune.trial.mixes import completed
from mi_tune.trial.strongest import attack_with_all

CPU = torch.device("cpu")
SETUP = make_setup(TINY, "test")
DATA = load_data(SETUP, 0)
NAMES = ("map_logit:twin", "ppa:twin", "clean_student:twin")


@pytest.fixture(scope="module")
def parts():
    run = LawEvaluation(SETUP, DATA, NO_DEFENCE, 0, CPU)
    while not run.trained:
        run.train_block()
    return run, assets.prepare_attacker(SETUP, DATA, 0, CPU), judges.prepare_judge(SETUP, DATA, 0, CPU)


def attacked(parts, first: str, others: tuple[str, ...] = ()):
    run, attacker, judge = parts
    preset, _, budget = first.partition(":")
    attacker = Attacker(preset, budget, attacker.ground, others)
    return attack_with_all(attacker, run.runs[0].model, NO_DEFENCE, judge, torch.arange(4), 7, CPU)


def test_the_strongest_of_all_attacks_counts_and_each_is_what_it_is_alone(parts):
    alone = {name: attacked(parts, name) for name in NAMES}
    together = attacked(parts, NAMES[0], NAMES[1:])
    assert together.accuracies == {name: one.accuracies[name] for name, one in alone.items()}
    assert together.name == max(NAMES, key=lambda name: together.accuracies[name])
    assert torch.equal(together.reconstructions.images, alone[together.name].reconstructions.images)
    assert np.array_equal(together.verdicts.top1, alone[together.name].verdicts.top1)
    assert together.forward_passes == sum(one.forward_passes for one in alone.values())
    assert together.backward_passes == sum(one.backward_passes for one in alone.values())
    assert len(set(together.accuracies.values())) > 1, "else the order says nothing"


def test_the_first_attack_wins_a_tie(parts):
    assert attacked(parts, "ppa:twin", ("ppa:twin",)).name == "ppa:twin"
    run, attacker, judge = parts
    blind = dataclasses.replace(attacker, preset="map_logit", budget="twin", others=("ppa:twin",))
    never = dataclasses.replace(judge, model=_Nobody(judge.model))
    tied = attack_with_all(blind, run.runs[0].model, NO_DEFENCE, never, torch.arange(3), 7, CPU)
    assert (tied.name, {*tied.accuracies.values()}) == ("map_logit:twin", {0.0})


class _Nobody(torch.nn.Module):
    """A judge that names the last person always."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.classes = 4

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.eye(self.classes)[-1].expand(len(images), -1)


def test_another_attack_that_diverges_is_passed_over_and_the_first_is_not(parts, monkeypatch):
    usual = make_attack("map_logit", "twin")

    class Diverging:
        name, budget, access = "diverging", "twin", "white-box"

        def run(self, *_: object) -> None:
            raise DivergedError("not a number")

    monkeypatch.setattr(strongest.Attacker, "attacks", property(lambda _: (usual, Diverging())))
    assert list(attacked(parts, "map_logit:twin").accuracies) == ["map_logit:twin"]
    monkeypatch.setattr(strongest.Attacker, "attacks", property(lambda _: (Diverging(), usual)))
    with pytest.raises(DivergedError):
        attacked(parts, "map_logit:twin")


def test_the_table_names_every_attack_with_what_it_found_where_there_are_several(parts):
    _, attacker, judge = parts
    several = dataclasses.replace(attacker, preset="map_logit", budget="twin", others=NAMES[1:])
    run = LawEvaluation(SETUP, DATA, NO_DEFENCE, 0, CPU)
    while not run.trained:
        run.train_block()
    while not run.finished:
        run.attack_next(several, judge)
    record, found = run.attack_record(), [one["accuracies"] for one in run.attacked]
    means = {name: np.mean([one[name] for one in found]) for name in NAMES}
    written = [part.split(" ") for part in record["attacks"].split(", ")]
    assert {name: pytest.approx(float(value), abs=6e-4) for name, value in written} == means
    assert [float(value) for _, value in written] == sorted((float(value) for _, value in written), reverse=True)
    assert record["attack_accuracy"] == pytest.approx(np.mean([max(one.values()) for one in found]))
    assert several.name == "strongest of map_logit, ppa, clean_student"
    parts[0].attacked.clear()
    while not parts[0].finished:
        parts[0].attack_next(attacker, judge)
    assert "attacks" not in parts[0].attack_record()


def test_a_space_of_defences_adds_an_attack_that_sees_through_them_unless_others_are_named():
    def names(**attack: object) -> list[str]:
        defences = attack.pop("defences", ["neg_ls"])
        values = {"search": {"space": {"defences": defences}}, "attack": attack}
        return [one.name for one in attacks_of(completed(make_setup(values, "test")))]

    assert names() == ["map_logit", "clean_student"]
    assert names(defences=["mid"]) == ["map_logit"], "nothing is known to undo it"
    assert names(others="none") == names(others=()) == ["map_logit"]
    assert names(others="ppa, taa:4x") == ["map_logit", "ppa", "taa"]


def test_other_attacks_are_checked_before_anything_is_computed():
    with pytest.raises(InputError, match=r"unknown attack 'maplogit'"):
        check_names(make_setup({"attack": {"others": "maplogit"}}, "test"))
    with pytest.raises(InputError, match="needs a prior with a discriminator"):
        check_names(make_setup({"attack": {"others": ("gmi",)}}, "test"))
