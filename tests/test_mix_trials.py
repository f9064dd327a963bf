"""Mixes in trials and confirmations: what is trained, what is attacked, what is kept, and what is found again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import folder_setup

from mi_tune.attacks import make_attack, open_oracle
from mi_tune.confirmation.cells import Workbench
from mi_tune.defences.bottleneck import NoisyHead
from mi_tune.defences.registry import read_mix
from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import NO_DEFENCE, ErasingLaw
from mi_tune.nets.training import predict
from mi_tune.setup import SearchSetup
from mi_tune.study.journal import StudyJournal
from mi_tune.study.searcher import ParetoSearch
from mi_tune.trial import evaluation as evaluation_module
from mi_tune.trial import strongest
from mi_tune.trial.assets import Attacker, create_target, load_data, prepare_ground
from mi_tune.trial.comparison import trained_target
from mi_tune.trial.evaluation import LawEvaluation
from mi_tune.trial.judges import prepare_judge
from mi_tune.trial.mixes import completed
from mi_tune.trial.point import Point

CPU = torch.device("cpu")
LAW = ErasingLaw(1.0, area=(0.1, 0.3), fill="black")


def mixed(text: str, law: ErasingLaw = LAW) -> Treatment:
    return Treatment(law, defences=read_mix(text))


@pytest.fixture
def setup(tmp_path: Path):
    setup = folder_setup(tmp_path, epochs=2)
    return setup.model_copy(
        update={
            "judge": setup.judge.model_copy(update={"epochs": 2}),
            "prior": setup.prior.model_copy(update={"samples": 40}),
        }
    )


def trained(setup, treatment: Treatment, **more) -> LawEvaluation:
    evaluation = LawEvaluation(setup, load_data(setup, 0), treatment, 0, CPU, **more)
    while not evaluation.trained:
        evaluation.train_block()
    return evaluation


def weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.detach().flatten() for value in model.parameters()])


def test_a_trial_trains_with_the_defences_of_its_mix(setup):
    plain, smoothed = (trained(setup, treatment) for treatment in (Treatment(LAW), mixed("label_smoothing:0.4")))
    assert not torch.equal(weights(plain.runs[0].model), weights(smoothed.runs[0].model))


def test_targets_that_start_from_the_public_people_share_their_start(setup):
    setup = setup.model_copy(update={"target": setup.target.model_copy(update={"replicates": 2})})
    for text, shared in (("tl_dmi:0.5", True), ("label_smoothing", False)):
        first, second = LawEvaluation(setup, load_data(setup, 0), mixed(text), 0, CPU).runs
        of = [next(p for p in run.model.parameters() if p.ndim == 4) for run in (first, second)]
        assert torch.equal(*of) == shared


def test_what_is_attacked_and_kept_is_the_deployed_network(setup, tmp_path, monkeypatch):
    attacked = []
    monkeypatch.setattr(strongest, "open_oracle", lambda *given: attacked.append(given[1]) or open_oracle(*given))
    evaluation = trained(setup, mixed("mid:0.05"), stops=(1,))
    data = evaluation.data
    ground, judge = prepare_ground(setup, data, 0, CPU), prepare_judge(setup, data, 0, CPU)
    attack = make_attack("map_logit", "reduced")
    short = replace(attack, stages=tuple(replace(stage, steps=1) for stage in attack.stages))
    monkeypatch.setattr(Attacker, "attacks", (short,))
    while not evaluation.finished:
        evaluation.attack_next(Attacker("map_logit", "reduced", ground), judge)
    assert len(attacked) == 2
    assert not any(isinstance(module, NoisyHead) for model in attacked for module in model.modules())
    assert any(isinstance(module, NoisyHead) for module in evaluation.runs[0].model.modules())
    evaluation.write_artefacts(tmp_path / "trial")
    kept = create_target(setup, data.private, 5)
    kept.load_state_dict(torch.load(tmp_path / "trial" / "target.pt", weights_only=True))
    images = data.private.tensors()[0]
    assert torch.allclose(predict(kept, images, CPU), predict(evaluation.runs[0].model, images, CPU), atol=1e-5)


def test_a_target_of_another_mix_is_not_found_in_its_place(setup):
    data = load_data(setup, 0)
    mixes = [Treatment(LAW), *(mixed(text) for text in ("label_smoothing:0.4", "label_smoothing:0.1", "loft:4"))]
    found = [trained_target(setup, data, treatment, 0, 0, CPU) for treatment in mixes]
    assert len({key for _, _, key in found}) == len(mixes)
    assert not torch.equal(weights(found[1][0]), weights(found[2][0]))
    again, _, key = trained_target(setup, data, mixes[1], 0, 0, CPU)
    assert key == found[1][2] and torch.equal(weights(again), weights(found[1][0]))


def test_a_confirmation_keeps_every_mix_apart_and_reads_it_back(setup, tmp_path):
    bench = Workbench(setup, load_data(setup, 0), 0, tmp_path / "cells", CPU)
    texts = ("", "label_smoothing:0.4", "loft:4", "mid:0.05")
    points = [Point(f"trial {k}", "front", mixed(text, NO_DEFENCE), k) for k, text in enumerate(texts)]
    assert len({bench.target_key(point, 0) for point in points}) == len(points)
    bank, test = bench.data.private, bench.data.split.test
    for point in points:
        cell = bench.target(point, 0)
        answers = predict(bench.model(cell, point), torch.from_numpy(bank.images[test]), CPU).argmax(1).numpy()
        assert (cell.correct.numpy() == (answers == bank.labels[test])).all()


def test_a_worker_is_told_the_mix_that_it_trains():
    setup = completed(evaluation_module.Setup.model_validate({"search": {"space": {"defences": ["neg_ls"]}}}))
    search = SearchSetup(trials=6, space=setup.search.space)
    searcher = ParetoSearch(StudyJournal(None, "mixes", search, 0, 30))
    configs = [searcher.suggest(str(number)) for number in range(6)]
    told = {config["reference"]: config["defences"] for config in configs}
    assert told["no defence"] == "" and told["negative label smoothing -0.05"] == "neg_ls:alpha=-0.05"
