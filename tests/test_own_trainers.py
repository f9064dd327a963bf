"""A user's own training loop in place of the project's."""

from __future__ import annotations

import gc
import re
import threading
import time
from pathlib import Path

import numpy as np
import own_trainers
import pytest
import torch
from conftest import make_bank

from mi_tune.data import split_each_identity
from mi_tune.defences.treatment import Treatment, controlled
from mi_tune.erasing import NO_DEFENCE, ErasingLaw
from mi_tune.runtime.errors import DivergedError, InputError
from mi_tune.setup import make_setup
from mi_tune.trial.assets import StudyData, check_names
from mi_tune.trial.comparison import trained_target
from mi_tune.trial.evaluation import LawEvaluation
from mi_tune.trial.targets import check_trainer, natural_per_class, target_training

CPU = torch.device("cpu")
FILE = Path(__file__).with_name("own_trainers.py")
PAGE = Path(__file__).parents[1] / "docs" / "own.md"
BANK, OTHERS = make_bank(5, images=12), make_bank(4, seed=1)
DATA = StudyData(BANK, OTHERS, split_each_identity(BANK, (0.6, 0.2, 0.2), 0), 0)
LAW = ErasingLaw(1.0, area=(0.2, 0.2), fill="noise", clean_epochs=1)


def setup_with(trainer: str, epochs: int = 3, architecture: str = "small_cnn", **other):
    name = trainer if ":" in trainer else f"own_trainers:{trainer}"
    return make_setup({"target": {"trainer": name, "epochs": epochs, "architecture": architecture, **other}}, "test")


def whole(setup, law=NO_DEFENCE, device=CPU):
    run = target_training(setup, DATA, law, 0, 0, device)
    while not run.finished:
        run.train_epoch()
    return run


def test_a_target_of_it_learns_and_reports_its_loss():
    run = target_training(setup_with("train", epochs=8), DATA, NO_DEFENCE, 0, 0, CPU)
    losses = [run.train_epoch() for _ in range(8)]
    assert run.finished and losses[-1] < losses[0]
    assert natural_per_class(run.model, DATA, CPU).mean() > 0.5  # chance is 0.2


def test_it_is_given_the_training_images_alone_and_cannot_harm_them():
    del_before = getattr(own_trainers.looks, "given", None)
    assert del_before is None
    before = BANK.images.copy()
    run = whole(setup_with("looks"), LAW)
    law, data, _, device, epochs = own_trainers.looks.given
    train = DATA.split.train
    assert np.array_equal(BANK.images, before)
    assert np.array_equal(data.indices.numpy(), train)
    assert np.array_equal(data.labels.numpy(), BANK.labels[train])
    assert (epochs, device, data.classes) == (3, CPU, 5)
    assert law.law == LAW
    # the law erased in the first epoch, and the last one is clean; in the second the loop had blackened its copy
    assert own_trainers.looks.shares[0] == pytest.approx(0.19, abs=0.04)
    assert own_trainers.looks.shares[2] == 0
    assert float(run.erased_share.mean()) == pytest.approx(own_trainers.looks.shares[0] * 2 / 3, abs=0.03)


def test_stopped_after_any_epoch_and_resumed_it_gives_the_same_weights(tmp_path):
    setup = setup_with("train", epochs=4)
    expected = whole(setup, LAW).model.state_dict()
    for stop in (1, 3):
        first = target_training(setup, DATA, LAW, 0, 0, CPU)
        for _ in range(stop):
            first.train_epoch()
        torch.save(first.state_dict(), tmp_path / "state.pt")
        second = target_training(setup, DATA, LAW, 0, 0, CPU)
        second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
        while not second.finished:
            second.train_epoch()
        found = second.model.state_dict()
        assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_targets_that_train_in_turns_do_not_disturb_each_other_nor_the_caller():
    setup = setup_with("train", replicates=2)
    alone = whole(setup).model.state_dict()
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    both = LawEvaluation(setup, DATA, NO_DEFENCE, 0, CPU, rungs=(1, 2))
    while not both.trained:
        both.train_block()
    assert torch.equal(torch.rand(3), expected)
    found = both.runs[0].model.state_dict()
    assert all(torch.equal(alone[name], found[name]) for name in alone)
    assert not torch.equal(both.runs[1].model.backbone.head.weight, both.runs[0].model.backbone.head.weight)


def test_a_training_that_is_given_up_leaves_no_thread_behind():
    before = threading.active_count()
    run = target_training(setup_with("train"), DATA, NO_DEFENCE, 0, 0, CPU)
    run.train_epoch()
    assert threading.active_count() == before + 1
    del run
    gc.collect()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_an_own_network_is_trained_by_an_own_loop():
    setup = setup_with("trains_own", epochs=20, architecture="own_trainers:make")
    check_trainer(setup, DATA, CPU)
    assert natural_per_class(whole(setup).model, DATA, CPU).mean() > 0.5


def test_its_code_is_part_of_what_a_kept_target_is_found_by(tmp_path):
    keys, file = set(), tmp_path / "mine.py"
    for text in (FILE.read_text(), FILE.read_text() + "# changed\n"):
        file.write_text(text)
        keys.add(trained_target(setup_with(f"{file}:train", 1), DATA, NO_DEFENCE, 0, 0, CPU)[2])
    keys.add(trained_target(make_setup({"target": {"epochs": 1}}, "test"), DATA, NO_DEFENCE, 0, 0, CPU)[2])
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("silent", "never calls report(epoch, model)"),
        ("untrained", "returns an untrained network"),
        ("another", "reports a ShuffleNetV2 that is not of the set-up's architecture: they lack 'features.0.weight'"),
        ("bare", "reports a bare SmallCNN, whose normalisation is unknown"),
        ("nothing", "returns a NoneType, not the trained nn.Module"),
        ("breaks", "fails in epoch 2 (ValueError: no such thing)"),
        ("counts_from_zero", "reports epoch 0 of 2; count from 1"),
        ("jumps", "reports epoch 2 after epoch 0"),
        ("goes_on", "reports epoch 3 of 2; count from 1 and train report.epochs epochs"),
        ("two_arguments", "takes 2 positional arguments but 5 were given"),
    ],
)
def test_a_loop_that_cannot_train_a_target_is_refused_in_one_line_before_the_study(name, hint):
    with pytest.raises(InputError, match=re.escape(hint)) as caught:
        check_trainer(setup_with(name), DATA, CPU)
    assert "\n" not in str(caught.value)


def test_an_own_network_that_no_report_changes_is_untrained():
    with pytest.raises(InputError, match="returns an untrained network"):
        check_trainer(setup_with("own_but_untrained", architecture="own_trainers:make"), DATA, CPU)


def test_weights_that_are_not_finite_are_a_diverged_training():
    with pytest.raises(DivergedError, match=r"trainer 'own_trainers:explodes' is not finite"):
        whole(setup_with("explodes"))


@pytest.mark.parametrize("trainer", ["nowhere.py:train", "nopackage.module:train", f"{FILE}:trian"])
def test_a_missing_loop_is_found_before_anything_is_read(trainer):
    with pytest.raises(InputError, match=r"no such file|is installed|did you mean train"):
        check_names(setup_with(trainer))


def test_what_it_cannot_be_made_to_do_is_refused():
    for treatment in (controlled("gridmask", 0.3), Treatment(dropped=0.5)):
        with pytest.raises(InputError, match="given an erasing law and nothing else"):
            target_training(setup_with("train"), DATA, treatment, 0, 0, CPU)
    assert target_training(setup_with("train"), DATA, Treatment(LAW, epochs=2), 0, 0, CPU).recipe.epochs == 6


@pytest.mark.parametrize("library", ["torch", "lightning"])
def test_the_loops_of_the_page_on_own_things_train_a_target(library, tmp_path):
    pytest.importorskip(library, reason="an example, and no dependency")
    section = PAGE.read_text().split("\n## Your own training\n")[1].split("\n## ")[0]
    codes = re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    (code,) = (one for one in codes if ("lightning" in one) == (library == "lightning"))
    (tmp_path / "my_training.py").write_text(code)
    setup = setup_with(f"{tmp_path / 'my_training.py'}:train", epochs=12)
    check_trainer(setup, DATA, CPU)
    assert natural_per_class(whole(setup).model, DATA, CPU).mean() > 0.5
