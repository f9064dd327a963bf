"""Where images are kept: on the device where they fit, else on the host, from where batches are fetched."""

from __future__ import annotations

import torch
from conftest import make_bank
from torch import nn

from mi_tune.nets import training
from mi_tune.nets.training import Recipe, Training
from mi_tune.runtime.device import GPU_SHARE, fetched, home_of

CPU = torch.device("cpu")


def test_images_that_take_more_than_their_share_of_the_device_stay_on_the_host():
    images = make_bank(2).tensors()[0]
    abroad = torch.device("meta")  # a device with other memory than the host's
    assert home_of(images, abroad, free=int(images.nbytes / GPU_SHARE)).device == abroad
    stayed = home_of(images, abroad, free=int(images.nbytes / GPU_SHARE) - 1)
    assert stayed.device == CPU and torch.equal(stayed, images)
    assert fetched(stayed, torch.tensor([1, 0]), CPU).equal(images[[1, 0]])
    assert fetched(images, torch.tensor([1]), abroad).device == abroad


def test_a_training_whose_images_stay_on_the_host_gives_the_same_network(monkeypatch):
    bank = make_bank(4)

    def trained() -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(256, 4))
        run = Training(model, *bank.tensors(), torch.arange(len(bank)), Recipe(epochs=2), 0, CPU)
        while not run.finished:
            run.train_epoch()
        return list(model.state_dict().values())

    usual = trained()
    monkeypatch.setattr(training, "home_of", lambda images, device: home_of(images, device, free=0))
    assert all(torch.equal(a, b) for a, b in zip(usual, trained(), strict=True))
