"""Training loops as users would write them, good and bad: `train(law, data, seed, device, report)`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader


def train(law, data, seed, device, report):
    """Plain PyTorch, and goes on where it was interrupted."""
    network = data.network().to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    first = 0
    if report.resumed:
        first = report.resumed["epoch"]
        network.load_state_dict(report.resumed["model"])
        optimiser.load_state_dict(report.resumed["optimiser"])
    loader = DataLoader(data.dataset(law), batch_size=16, shuffle=True)
    for epoch in range(first + 1, report.epochs + 1):
        network.train()
        for images, labels in loader:
            loss = F.cross_entropy(network(images.to(device) / 255), labels.to(device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        report(epoch, network, loss=loss.item(), optimiser=optimiser.state_dict())
    return network


def looks(law, data, seed, device, report):
    """Writes down what it was given, on the function itself."""
    looks.given = (law, data, seed, device, report.epochs)
    network = data.network()
    for epoch in range(1, report.epochs + 1):
        erased = law(data.images)
        looks.shares = [*getattr(looks, "shares", []), float((erased != data.images).any(1).float().mean())]
        with torch.no_grad():
            next(network.parameters()).add_(0.01)
        data.images.zero_()  # a copy: nobody else's images change
        report(epoch, network)
    return network


def silent(law, data, seed, device, report):
    network = data.network()
    with torch.no_grad():
        next(network.parameters()).add_(1)
    return network


def untrained(law, data, seed, device, report):
    for epoch in range(1, report.epochs + 1):
        report(epoch, data.network())
    return data.network()


def another(law, data, seed, device, report):
    from torchvision.models import shufflenet_v2_x0_5

    network = shufflenet_v2_x0_5(num_classes=data.classes)
    report(1, network)
    return network


def bare(law, data, seed, device, report):
    network = data.network().backbone
    report(1, network)
    return network


def nothing(law, data, seed, device, report):
    network = data.network()
    for epoch in range(1, report.epochs + 1):
        with torch.no_grad():
            next(network.parameters()).add_(1)
        report(epoch, network)


def explodes(law, data, seed, device, report):
    network = data.network()
    nn.init.constant_(next(network.parameters()), torch.nan)
    report(1, network)
    return network


def breaks(law, data, seed, device, report):
    report(1, train_one(data))
    raise ValueError("no such\nthing")


def counts_from_zero(law, data, seed, device, report):
    report(0, data.network())


def jumps(law, data, seed, device, report):
    report(2, data.network())


def goes_on(law, data, seed, device, report):
    network = data.network()
    for epoch in range(1, 100):
        with torch.no_grad():
            next(network.parameters()).add_(1)
        report(epoch, network)
    return network


def two_arguments(law, data):
    return data.network()


def train_one(data):
    network = data.network()
    with torch.no_grad():
        next(network.parameters()).add_(1)
    return network


def make(classes, channels, resolution):
    """An own network that an own loop trains."""
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * resolution**2, classes))


def trains_own(law, data, seed, device, report):
    network = make(data.classes, *data.images.shape[1:3])
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    for epoch in range(1, report.epochs + 1):
        loss = F.cross_entropy(network(law(data.images) / 255), data.labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        report(epoch, network)
    return network


def own_but_untrained(law, data, seed, device, report):
    network = make(data.classes, *data.images.shape[1:3])
    for epoch in range(1, report.epochs + 1):
        report(epoch, network)
    return network
