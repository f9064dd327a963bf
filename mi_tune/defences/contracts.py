"""The promises that training relies on in a control or a defence, as checks that a user's own can be put through."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import torch

from mi_tune.defences.controls import CONTROLS, Control
from mi_tune.defences.defence import Defence, deployed
from mi_tune.nets import create_classifier
from mi_tune.nets.training import Recipe, Training
from mi_tune.runtime.errors import require
from mi_tune.runtime.seeds import generator

_CPU = torch.device("cpu")
_CLASSES = 4


def check_control(control: Control) -> None:
    """Check a control with a strength above 0, for grey and for colour images.

    Raises InputError unless the control

    - changes nothing at strength 0, to the last bit;
    - changes images at its own strength, as many, of the same shape and type, finite;
    - never writes to its input, and draws from the given generator alone;
    - returns labels that are shares of classes if it `mixes_labels`, else the labels that it was given;
    - has three `steps` within its `limits`, from mild to strong;
    - is the same after `to_dict` and `from_dict`, if it is listed in `CONTROLS`.
    """
    name, steps = type(control).__name__, list(control.steps)
    low, high = control.limits
    require(
        steps == sorted(steps) and low < steps[0] and steps[-1] <= high, name, "its steps do not rise in its limits"
    )
    for channels in (1, 3):
        fitting = control.resolved((0.4,) * channels)
        images = torch.rand(8, channels, 16, 16, generator=generator(0, "control contract", device=_CPU))
        labels = torch.arange(8) % _CLASSES
        if control.mixes_labels:
            labels = torch.nn.functional.one_hot(labels, _CLASSES).float()
        kept = images.clone()
        state = torch.random.get_rng_state()
        changed, answer = fitting(images, labels, generator(1, "control contract", device=_CPU))
        again, _ = fitting(images, labels, generator(1, "control contract", device=_CPU))
        require(torch.equal(images, kept), name, "writes to the images that it was given")
        require(torch.equal(changed, again), name, "draws from another generator than the given one")
        require(torch.equal(state, torch.random.get_rng_state()), name, "draws from torch's global generator")
        same_kind = changed.shape == images.shape and changed.dtype == images.dtype
        require(same_kind and bool(torch.isfinite(changed).all()), name, "does not return as many finite images")
        require(not torch.equal(changed, images), name, f"changes nothing at strength {control.strength:g}")
        if control.mixes_labels:
            sums = answer.sum(1)
            require(torch.allclose(sums, torch.ones_like(sums)), name, "returns labels that are no shares of classes")
        else:
            require(torch.equal(answer, labels), name, "changes labels without saying that it mixes them")
        nothing, _ = replace(fitting, strength=0.0)(images, labels, generator(1, "control contract", device=_CPU))
        require(torch.equal(nothing, images), name, "changes images at strength 0")
    if control.kind in CONTROLS:
        require(Control.from_dict(control.to_dict()) == control, name, "is another after to_dict and from_dict")


def check_defence(defence: Defence) -> None:
    """Check an active defence, on a small residual classifier of grey images.

    Raises InputError unless the defence

    - is read back from `to_dict`, has limits for each of its parameters, and searches within them;
    - gives a finite loss, of which gradients reach the classifier;
    - draws from the given generators alone, so that the same training gives the same weights;
    - leaves a deployed classifier that answers with as many finite logits.
    """
    name = type(defence).__name__
    require(defence.active, name, "does nothing at the setting that is checked")
    fields = {field.name for field in dataclasses.fields(defence)}
    require(fields == set(defence.limits), name, "has parameters without limits, or limits without a parameter")
    for parameter, limits in defence.limits.items():
        low, high = limits.searched
        within = limits.low <= low < high <= limits.high and (low > 0 or not limits.log)
        require(within, name, f"searches {parameter} outside its limits")
    images = (255 * torch.rand(12, 1, 16, 16, generator=generator(0, "defence contract", device=_CPU))).byte()
    labels = torch.arange(12) % _CLASSES
    ends, state = [], torch.random.get_rng_state()
    for _ in range(2):
        model = create_classifier("residual_gn", _CLASSES, 1, 16, seed=0)
        defence.check(model, _CLASSES)
        defence.rebuild(model, 1)
        guard = defence.guard(model, images, _CLASSES, 1)
        run = Training(
            *(model, images, labels, torch.arange(12), Recipe(epochs=2, batch_size=6), 2, _CPU),
            guards=() if guard is None else (guard,),
        )
        while not run.finished:
            run.train_epoch()
        ends.append(torch.cat([p.detach().flatten() for p in run.model.parameters()]))
        published = deployed(run.model, [defence]).eval()
        with torch.no_grad():
            logits = published(images.float() / 255)
        finite = logits.shape == (12, _CLASSES) and bool(torch.isfinite(logits).all())
        require(finite, name, f"leaves a classifier without {_CLASSES} finite logits for an image")
    require(torch.equal(*ends), name, "does not give the same weights twice")
    require(torch.equal(state, torch.random.get_rng_state()), name, "draws from torch's global generator")
