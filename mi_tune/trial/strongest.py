"""Several attacks on one target, of which a trial counts the one that finds most."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mi_tune.attacks import Reconstructions, open_oracle
from mi_tune.erasing import ErasingLaw
from mi_tune.judging import Judge, Verdicts, judge_images
from mi_tune.runtime.errors import DivergedError
from mi_tune.trial.assets import Attacker


@dataclass(frozen=True)
class Strongest:
    """The attack that found most people, and what it found.

    Args:
        name: `name:budget`. accuracies: attack accuracy of every attack that was run, by name, in [0, 1].
        forward_passes, backward_passes: of all of them.
    """

    name: str
    reconstructions: Reconstructions
    verdicts: Verdicts
    accuracies: dict[str, float]
    forward_passes: int
    backward_passes: int


def attack_with_all(
    attacker: Attacker,
    published: nn.Module,
    law: ErasingLaw,
    judge: Judge,
    classes: Tensor,
    seed: int,
    device: torch.device,
) -> Strongest:
    """Attack a deployed target with all attacks of a trial and judge each; the first one wins a tie.

    A defence that holds gradients back looks private to an attack that follows them, and not to the others: the
    largest attack accuracy is the honest one. Of others than the first attack, those that diverge are passed over.

    Args:
        law: the target's, which attackers know: a defence must not depend on being kept secret.
        classes: the attacked people, int64. seed: of every attack, so that two targets are attacked alike.

    Raises:
        DivergedError: the first attack diverged. InputError: an attack cannot run on this target.
    """
    ground, total = attacker.ground.knowing(law), judge.held_out_per_class.size
    found: Strongest | None = None
    accuracies: dict[str, float] = {}
    passes = [0, 0]
    attacks = attacker.attacks
    for attack in attacks:
        # an oracle freezes its model
        model = copy.deepcopy(published) if len(attacks) > 1 else published
        try:
            result = attack.run(open_oracle(attack.access, model, device, total), ground, classes, seed)
        except DivergedError:
            if found is None:
                raise
            continue
        verdicts = judge_images(judge, result.images, classes, device)
        name = f"{attack.name}:{attack.budget}"
        accuracies[name] = float(verdicts.accuracy.mean())
        passes = [passes[0] + result.forward_passes, passes[1] + result.backward_passes]
        if found is None or accuracies[name] > accuracies[found.name]:
            found = Strongest(name, result, verdicts, accuracies, 0, 0)
    assert found is not None
    return Strongest(found.name, found.reconstructions, found.verdicts, accuracies, *passes)
