"""The undefended target stopped early: snapshots are what the training was, and the nearest one is picked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import folder_setup

from mi_tune.erasing import NO_DEFENCE
from mi_tune.nets.training import predict
from mi_tune.runtime.errors import InputError
from mi_tune.trial.assets import load_data
from mi_tune.trial.comparison import trained_target
from mi_tune.trial.early_stopping import Snapshot, nearest_snapshots, snapshot_epochs, snapshots
from mi_tune.trial.targets import target_training

CPU = torch.device("cpu")


@pytest.fixture
def setup(tmp_path):
    return folder_setup(tmp_path, epochs=6)


@pytest.fixture
def data(setup):
    return load_data(setup, 0)


def test_early_epochs_are_looked_at_more_often():
    assert snapshot_epochs(80) == (2, 4, 6, 8, 10, 15, 20, 30, 40, 50, 60, 70, 80)
    assert snapshot_epochs(85)[-3:] == (70, 80, 85)
    assert snapshot_epochs(9) == (2, 4, 6, 8, 9)
    assert snapshot_epochs(1) == (1,)


def test_a_snapshot_is_the_undefended_target_after_that_many_epochs(setup, data):
    taken = list(snapshots(setup, data, 0, 1, CPU, at=[4, 2, 6]))
    assert [snapshot.epoch for snapshot in taken] == [2, 4, 6]
    run = target_training(setup, data, NO_DEFENCE, 0, 1, CPU)
    labels = data.private.labels[data.split.val]
    for snapshot in taken:
        while run.epoch < snapshot.epoch:
            run.train_epoch()
        # compared after the whole training: a snapshot does not change with the weights
        assert all(torch.equal(snapshot.state[k], v) for k, v in run.model.state_dict().items())
        right = predict(run.model, data.private.tensors()[0], CPU, torch.from_numpy(data.split.val)).argmax(1).numpy()
        for person in range(5):
            assert snapshot.natural[person] == pytest.approx((right == labels)[labels == person].mean())
    model, natural, _ = trained_target(setup, data, NO_DEFENCE, 0, 1, CPU)
    assert all(torch.equal(taken[-1].state[k], v) for k, v in model.state_dict().items())
    assert taken[-1].natural.tolist() == natural.tolist()


def test_snapshots_are_taken_at_the_usual_epochs_unless_told_otherwise(setup, data):
    assert [snapshot.epoch for snapshot in snapshots(setup, data, 0, 0, CPU)] == [2, 4, 6]
    for epoch in (0, 7):
        with pytest.raises(InputError, match=f"epoch {epoch} .* 6 epochs"):
            next(snapshots(setup, data, 0, 0, CPU, at=[epoch]))


def made(**accuracies: tuple[float, ...]) -> list[Snapshot]:
    return [Snapshot(int(epoch[1:]), {}, np.array(natural)) for epoch, natural in accuracies.items()]


def test_the_nearest_snapshot_is_that_of_the_mean_over_seeds_and_people():
    first = made(e2=(0.1, 0.3), e4=(0.5, 0.5), e6=(0.9, 0.9))
    second = made(e2=(0.4, 0.4), e4=(0.9, 0.7), e6=(0.8, 1.0))
    # means 0.3, 0.65 and 0.9; the first seed alone would be 0.5 after four epochs
    picked = nearest_snapshots([first, second], 0.5)
    assert [(s.epoch, s.natural.tolist()) for s in picked] == [(4, [0.5, 0.5]), (4, [0.9, 0.7])]
    assert [s.epoch for s in nearest_snapshots([first, second], 0.0)] == [2, 2]
    assert [s.epoch for s in nearest_snapshots([first, second], 1.0)] == [6, 6]
    assert nearest_snapshots([made(e2=(0.25,), e4=(0.75,))], 0.5)[0].epoch == 2


def test_only_epochs_that_all_seeds_have_are_picked():
    picked = nearest_snapshots([made(e2=(0.2,), e4=(0.5,)), made(e2=(0.2,), e6=(0.5,))], 0.5)
    assert [s.epoch for s in picked] == [2, 2]
    for runs in ([made(e2=(0.2,)), made(e4=(0.2,))], []):
        with pytest.raises(InputError, match="no epoch in common"):
            nearest_snapshots(runs, 0.5)
