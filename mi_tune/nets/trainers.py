"""A user's own training loop in place of this project's.

The loop is a plain function. It runs in a thread of its own, which waits whenever the loop reports an epoch, so that a
target trained by it can be measured, attacked, stopped and resumed after each epoch like any other.
"""

from __future__ import annotations

import copy
import math
import random
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from mi_tune.nets import Classifier
from mi_tune.nets.training import Training
from mi_tune.runtime.errors import DivergedError, InputError
from mi_tune.runtime.imported import OwnFactory, one_line
from mi_tune.runtime.seeds import derive_seed, generator
from mi_tune.runtime.state_files import difference, without_prefixes

_SAMPLED = 2000  # draws of the law of which the realised area is the mean


class TrainerSource(OwnFactory):
    """A user's own training loop, a function `train(law, data, seed, device, report)`: see `OwnTraining`."""

    kind: ClassVar[str] = "trainer"


@dataclass(frozen=True)
class TrainingData:
    """The training images of a target, and nothing of the others.

    Args:
        images: uint8 (n, channels, height, width), a copy. labels: int64 (n,), from 0 to `classes` - 1.
        indices: int64 (n,), the places of these images among all private ones.
        classes: number of people.
        network: makes a new network of the set-up's architecture, with the weights that it starts from; it takes images
            in [0, 1] and normalises by itself.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor
    classes: int
    network: Callable[[], Classifier]

    def dataset(self, transform: Callable[[Tensor], Any] | None = None) -> Dataset:
        """Pairs (image, label) for a `DataLoader`. transform: is given an image, uint8 (channels, height, width)."""
        return _Samples(self.images, self.labels, transform)


class _Samples(Dataset):
    def __init__(self, images: Tensor, labels: Tensor, transform: Callable[[Tensor], Any] | None) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        image = self.images[index]
        return image if self.transform is None else self.transform(image), int(self.labels[index])


class Report:
    """What a training loop calls after each epoch: `report(epoch, model)`, with the epochs counted from 1.

    epochs: how many are wanted. resumed: None; or, if the training goes on where it was interrupted, what was reported
    last: a mapping with `epoch`, `model` (a state_dict) and the further values of that report.
    """

    def __init__(self, loop: _Loop, source: TrainerSource, epochs: int, resumed: Mapping[str, Any] | None) -> None:
        self._loop, self._source = loop, source
        self.epochs, self.resumed = epochs, resumed
        self._last = 0

    def __call__(self, epoch: int, model: nn.Module, loss: float | None = None, **state: Any) -> None:
        """Report the end of an epoch, and wait until the next one is wanted.

        Args:
            epoch: number of the epoch that has ended, from 1 on.
            model: as it is now.
            loss: mean of the epoch, if known.
            state: further values to resume from, such as `optimiser=optimiser.state_dict()`: tensors and plain values.
        """
        before = int(self.resumed["epoch"]) if self.resumed is not None else 0
        if isinstance(epoch, bool) or not isinstance(epoch, int) or not 1 <= epoch <= self.epochs:
            raise InputError(
                f"{self._source}: reports epoch {epoch!r} of {self.epochs}; count from 1 and train report.epochs epochs"
            )
        if not isinstance(model, nn.Module):
            raise InputError(f"{self._source}: reports a {type(model).__name__} as its model, not an nn.Module")
        if epoch <= before:
            return  # a loop that begins anew does the epochs again that had been done
        if epoch != max(self._last, before) + 1:
            raise InputError(f"{self._source}: reports epoch {epoch} after epoch {self._last}; report each one once")
        self._last = epoch
        self._loop.hand_over(_Reported(epoch, model, loss, state))


@dataclass(frozen=True)
class _Reported:
    epoch: int
    model: nn.Module
    loss: float | None
    state: Mapping[str, Any]


@dataclass(frozen=True)
class _Returned:
    found: Any


@dataclass(frozen=True)
class _Failed:
    error: Exception


class _Stopped(BaseException):
    """Ends a loop whose training is not wanted any more."""


class _Loop:
    """A function in a thread that runs only while its owner waits for it."""

    def __init__(self) -> None:
        self._go, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self._message: _Reported | _Returned | _Failed | None = None
        self._stopping = False

    def start(self, work: Callable[[], Any], name: str) -> None:
        threads = torch.get_num_threads()

        def run() -> None:
            torch.set_num_threads(threads)  # each thread has a number of its own
            try:
                self._wait()
                self._message = _Returned(work())
            except _Stopped:
                return
            except Exception as error:
                self._message = _Failed(error)
            self._done.release()

        threading.Thread(target=run, name=name, daemon=True).start()

    def advance(self) -> _Reported | _Returned | _Failed:
        """Let the function run to its next report, or to its end."""
        self._go.release()
        self._done.acquire()
        assert self._message is not None
        return self._message

    def hand_over(self, message: _Reported) -> None:
        self._message = message
        self._done.release()
        self._wait()

    def _wait(self) -> None:
        self._go.acquire()
        if self._stopping:
            raise _Stopped

    def stop(self) -> None:
        self._stopping = True
        self._go.release()


class OwnTraining(Training):
    """Training by the user's own loop, with the interface of `Training`.

    `train(law, data, seed, device, report)` gets the law as an `ErasingTransform` for single images and batches, the
    `TrainingData`, a seed, the device and a `Report`. It returns the trained network: that of `data.network()`, or for
    an own architecture a module that its factory makes. Before each epoch the global random generators of torch, NumPy
    and Python are seeded, and those of the caller are kept. So a loop that seeds nothing itself, and goes on from
    `report.resumed`, gives the same weights whether it was interrupted or not.

    Args:
        source: the loop. Other arguments: as of `Training`.
    """

    model: Classifier

    def __init__(self, source: TrainerSource, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.source = source
        self._initial = copy.deepcopy(self.model).cpu()
        self._loop: _Loop | None = None
        self._resumed: dict[str, Any] | None = None
        self._reports = 0
        self._learnt = False
        self._returned = False
        self._law = self.law.transform()

    def train_epoch(self) -> float:
        """Let the loop train to its next report, or to its end; returns the loss that it reports, else NaN.

        Raises:
            InputError: the loop fails, never reports, reports something else than its next epoch, or gives a network
                that is untrained or not of the set-up's architecture.
            DivergedError: the network or the loss is not finite.
        """
        if self._returned:
            raise InputError(f"{self.source}: has returned already")
        if self._loop is None:
            self._loop = self._begin()
        self._law.set_epoch(self.epoch, self.recipe.epochs)
        with _seeded(derive_seed(self.seed, "own epoch", self.epoch), self.device):
            message = self._loop.advance()
            if isinstance(message, _Reported) and message.epoch == self.recipe.epochs:
                last, message = message, self._loop.advance()
                self._take(last)
                loss = last.loss
            elif isinstance(message, _Reported):
                self._take(message)
                loss = message.loss
            else:
                loss = None
        if isinstance(message, _Failed):
            raise self._failure(message.error)
        if isinstance(message, _Returned):
            self._finish(message.found)
        return math.nan if loss is None else float(loss)

    def _begin(self) -> _Loop:
        train, loop = self.source.find(), _Loop()
        report = Report(loop, self.source, self.recipe.epochs, self._resumed)
        indices, initial = self.indices.cpu(), self._initial
        data = TrainingData(
            self.images[self.indices].cpu().clone(),
            self.labels[self.indices].cpu().clone(),
            indices.clone(),
            int(self.labels.max()) + 1,
            lambda: copy.deepcopy(initial),
        )
        arguments = (self._law, data, derive_seed(self.seed, "own trainer"), self.device, report)
        loop.start(lambda: train(*arguments), "trainer")
        weakref.finalize(self, loop.stop)  # the thread must not wait for ever for a training that is given up
        return loop

    def _take(self, reported: _Reported) -> None:
        """Take over the weights of a report."""
        changed = self._adopt(reported.model, "reports")
        self._reports += 1
        self._learnt = self._learnt or (changed and self._reports > 1)
        self.epoch = reported.epoch
        if reported.loss is not None and not math.isfinite(reported.loss):
            raise DivergedError(f"training diverged: {self.source} reports a loss of {reported.loss}")
        self._resumed = {**reported.state, "epoch": reported.epoch}

    def _finish(self, found: Any) -> None:
        """Take over what the loop returned."""
        self._returned = True
        if not isinstance(found, nn.Module):
            raise InputError(f"{self.source}: returns a {type(found).__name__}, not the trained nn.Module")
        if not self._reports and self._resumed is None:
            raise InputError(f"{self.source}: never calls report(epoch, model); call it after each epoch")
        changed = self._adopt(found, "returns")
        same = _equal(self._initial, self.model)
        if same or (self._reports > 1 and not (self._learnt or changed)):
            raise InputError(f"{self.source}: returns an untrained network; return the one that it has trained")
        self.epoch = self.recipe.epochs

    def _adopt(self, module: nn.Module, verb: str) -> bool:
        """Load the weights of a reported or returned module; returns whether they have changed since the last time."""
        target, state = self._same_network(module, verb)
        before = {name: value.clone() for name, value in self.model.named_parameters()}
        target.load_state_dict(state)
        for name, value in self.model.named_parameters():
            if not torch.isfinite(value).all():
                raise DivergedError(f"training diverged: '{name}' of {self.source} is not finite")
        return any(not torch.equal(before[name], value) for name, value in self.model.named_parameters())

    def _same_network(self, module: nn.Module, verb: str) -> tuple[nn.Module, dict[str, Tensor]]:
        """The module to load the weights into, the classifier or its backbone, and the weights with its names."""
        kind, given = type(module).__name__, module.state_dict()
        bare = without_prefixes(given, self.model.backbone.state_dict()).state
        whole = without_prefixes(given, self.model.state_dict(), ("module.", "_orig_mod.", "model.", "net.")).state
        for target, state in ((self.model, whole), (self.model.backbone, bare)):
            expected = target.state_dict()
            if set(state) == set(expected) and all(state[n].shape == v.shape for n, v in expected.items()):
                if target is not self.model and not self.model.raw:
                    raise InputError(
                        f"{self.source}: {verb} a bare {kind}, whose normalisation is unknown; train data.network(), "
                        "or name your own network by --architecture path/to/file.py:factory"
                    )
                return target, state
        expected = self.model.backbone.state_dict()
        differing = difference(bare, expected) or "their shapes differ"
        raise InputError(
            f"{self.source}: {verb} a {kind} that is not of the set-up's architecture: {differing}; train "
            "data.network(), or name your own network by --architecture path/to/file.py:factory"
        )

    def _failure(self, error: Exception) -> Exception:
        if isinstance(error, (InputError, DivergedError, torch.OutOfMemoryError)):
            return error
        failure = InputError(f"{self.source}: fails in epoch {self.epoch + 1} ({one_line(error)})")
        failure.__cause__ = error
        return failure

    def state_dict(self) -> dict:
        """All values that `load_state_dict` needs: the weights, and what the loop reported with them."""
        return {"model": self.model.state_dict(), "epoch": self.epoch, "reported": self._resumed or {}}

    def load_state_dict(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.epoch = state["epoch"]
        self._resumed = {**state["reported"], "model": copy.deepcopy(state["model"])} if self.epoch else None

    @property
    def erased_share(self) -> Tensor:
        """Share of the training images in which the law erases each pixel, (height, width), of `_SAMPLED` draws: what
        the loop really does cannot be seen, because data loaders may erase in processes of their own."""
        height, width = self.images.shape[2:]
        drawn = self.law.mask(_SAMPLED, height, width, generator(self.seed, "erased share")).float().mean(0)
        epochs = self.recipe.epochs
        return drawn * sum(self.law.active(epoch, epochs) for epoch in range(epochs)) / epochs


def _equal(one: nn.Module, other: nn.Module) -> bool:
    theirs = dict(other.named_parameters())
    return all(torch.equal(value.cpu(), theirs[name].cpu()) for name, value in one.named_parameters())


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global random generators of torch, NumPy and Python, and restore them afterwards."""
    of_python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  user code draws from it
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(of_python)
            np.random.set_state(of_numpy)  # noqa: NPY002
