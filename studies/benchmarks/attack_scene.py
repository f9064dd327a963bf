"""The scene of an attack that is measured: people, a target that knows them and a judge, made once and then cached."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mi_tune import nets
from mi_tune.data import augment
from mi_tune.judging import Judge
from mi_tune.nets import create_classifier, training
from mi_tune.nets.training import Training, predict
from mi_tune.runtime.cache import cached, content_key
from mi_tune.runtime.errors import InputError
from mi_tune.setup import Setup
from mi_tune.trial.assets import StudyData, load_data, target_recipe
from mi_tune.trial.judges import prepare_judge

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Scene:
    """What both sides share. `target` is only ever copied: an oracle freezes and reorders the one it is given."""

    setup: Setup
    data: StudyData
    judge: Judge
    target: nn.Module
    people: Tensor
    seed: int

    def whole_target(self) -> nn.Module:
        """The target as a published loop has it: evaluation mode, contiguous, with gradients for its parameters."""
        model = copy.deepcopy(self.target).to(memory_format=torch.contiguous_format)
        return model.eval().requires_grad_(True)


def prepare(setup: Setup, people: int, seed: int) -> Scene:
    data = load_data(setup, seed)
    bank, recipe = data.private, target_recipe(setup)
    if people > bank.identities:
        raise InputError(f"--people {people}, but only {bank.identities} are private; ask for fewer")
    args = (setup.target.architecture, bank.identities, bank.channels, bank.resolution, seed)

    def make() -> dict:
        model = create_classifier(*args)
        for layer in model.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0  # six images a person are learnt in a fraction of the epochs, and attacks never see it
        run = Training(model, *bank.tensors(), torch.from_numpy(data.split.train), recipe, seed, CPU)
        while not run.finished:
            run.train_epoch()
        return {"state": run.model.state_dict()}

    code = (training, nets, augment)
    made_of = (bank.fingerprint(), data.split.train.tolist(), args, dataclasses.asdict(recipe), "no dropout")
    key = content_key(*made_of, modules=code)
    target = create_classifier(*args)
    target.load_state_dict(cached("benchmark_target", key, make)["state"])
    judge = prepare_judge(setup, data, seed, CPU)
    return Scene(setup, data, judge, target.eval(), torch.arange(people), seed)


def natural_accuracy(scene: Scene) -> float:
    bank, test = scene.data.private, scene.data.split.test
    logits = predict(scene.target, bank.tensors()[0], CPU, torch.from_numpy(test))
    return float((logits.argmax(1).numpy() == bank.labels[test]).mean())
