"""Contracts: whether a part of an attack does what its protocol in `mi_tune.attacks.parts` promises.

The engine asks a part what it costs and how it changes at a larger budget, so a part that answers wrongly makes every
result that it takes part in wrong. Put a part of your own through the check of its kind, for example in a test:

    from mi_tune.attacks.contracts import check_optimiser

    check_optimiser(MyOptimiser(learning_rate=0.1))

Every check runs the part in a tiny attack on an untrained target on the CPU. The target is never sure, so no candidate
is done early. A check returns None, or raises InputError with the part and the promise that it breaks. `check_models`
trains the part's students, which go to the cache as in any attack.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Protocol, get_type_hints

import torch
from torch import Tensor, nn

from mi_tune.attacks.budgets import scaled
from mi_tune.attacks.constraints import Free
from mi_tune.attacks.engine import Attack, Stage
from mi_tune.attacks.ground import Ground
from mi_tune.attacks.inits import Normal
from mi_tune.attacks.latents import Point
from mi_tune.attacks.optimisers import Adam
from mi_tune.attacks.oracle import ORACLES, HardLabel, WhiteBox, open_oracle
from mi_tune.attacks.parts import Init, Latent, Models, Mover, Optimiser, Passes, Selection, Variable, View
from mi_tune.attacks.selection import Last
from mi_tune.erasing import ErasingLaw
from mi_tune.nets import create_classifier, head_of
from mi_tune.priors import fit_eigenfaces, render_samples
from mi_tune.priors.base import PriorSamples
from mi_tune.runtime.errors import InputError, require
from mi_tune.runtime.seeds import generator

_CPU = torch.device("cpu")
_CLASSES, _SIZE, _PUBLIC, _SAMPLES = 4, 16, 24, 20
_PEOPLE, _CANDIDATES, _STEPS = 3, 2, 2
_LAW = ErasingLaw(1.0, area=(0.1, 0.4), fill="midre")


def check_optimiser(part: Optimiser, latent: Latent | None = None) -> None:
    """Check an optimiser: members, counted passes, larger budgets.

    Args:
        latent: what it optimises in the check; by default a point per candidate.
    """
    _check_members(part, Optimiser)
    latent = latent or Point()
    require(not (part.follows_gradients and part.hard_labels_only), part, "hard labels have no gradients to follow")
    require(part.scaled(1) == part, part, "scaled(1) must be an equal optimiser")
    start = _ground().prior.sample_latents(_PEOPLE * _CANDIDATES, generator(0, "start", device=_CPU))
    mover = part.start(start.view(_PEOPLE, _CANDIDATES, -1), latent, Free())
    _check_members(mover, Mover, part)
    says, does = part.follows_gradients, mover.follows_gradients
    require(says == does, part, f"says follows_gradients {says}, but its mover says {does}")
    shape, wanted = tuple(mover.result(generator(0, "result", device=_CPU)).shape), (_PEOPLE, _CANDIDATES)
    require(shape[:2] == wanted, part, f"its result has shape {shape}, not (people, candidates, dim) from {wanted}")

    access = "white-box" if part.follows_gradients else "hard-label" if part.hard_labels_only else "soft-label"
    costs = []
    for factor in (1, 2):
        rule, steps = part.scaled(factor), _STEPS * factor
        counted = rule.passes(latent, _PEOPLE, _CANDIDATES, steps)
        require(isinstance(counted, Passes), part, f"passes returns {type(counted).__name__}, not Passes")
        stage = Stage(steps=steps, optimiser=rule, latent=latent)
        attack = replace(_tiny_attack(), access=access, stages=(stage,))
        charged = _check_charges(part, attack)
        require(charged == counted, part, f"counts {counted} for {steps} steps, but a run is charged {charged}")
        costs.append(charged.forward)
        if factor == 1:
            _check_budgets(part, attack)
    require(0 < costs[0] < costs[1], part, f"twice as many steps cost {costs[1]} passes, after {costs[0]}")


def check_latent(part: Latent) -> None:
    """Check a latent: members, the number of evaluated latents, and counted passes when Adam optimises it."""
    _check_members(part, Latent)
    start = _ground().prior.sample_latents(_PEOPLE * _CANDIDATES, generator(0, "start", device=_CPU))
    variable = part.variable(start.view(_PEOPLE, _CANDIDATES, -1))
    _check_members(variable, Variable, part)
    drawn, counted = len(variable.draw(generator(0, "draw", device=_CPU)).latents), part.count(_PEOPLE, _CANDIDATES)
    require(drawn == counted, part, f"count says {counted} latents in a step, but {drawn} are drawn")
    free = part.count(_PEOPLE, 2 * _CANDIDATES) == counted
    says = part.extra_budget_in_steps
    hint = f"says extra_budget_in_steps {says}, but more candidates cost {'nothing' if free else 'passes'}"
    require(says == free, part, hint)
    try:
        check_optimiser(Adam(), part)
    except InputError as error:
        raise InputError(f"{type(part).__name__}, optimised by {error}") from error


def check_init(part: Init) -> None:
    """Check an initialisation: members, starts, access, counted passes, and the number of samples that it needs."""
    _check_members(part, Init)
    needed = part.samples_needed(_CANDIDATES)
    require(_is_count(needed), part, f"samples_needed returns {needed!r}, not a count")
    ground, classes = _ground(), torch.arange(_CLASSES - _PEOPLE, _CLASSES)
    for samples in (_SAMPLES, needed):
        kept = PriorSamples(ground.samples.latents[:samples], ground.samples.images[:samples])
        own = replace(ground, samples=kept)
        starts, charged = _charged(part, own, classes, _CANDIDATES, 0)
        require(
            isinstance(starts, Tensor) and starts.shape == (_PEOPLE, _CANDIDATES, ground.prior.latent_dim),
            *(part, f"with {samples} samples, it does not return latents (people, candidates, latent_dim)"),
        )
        counted = Passes(part.passes(_PEOPLE, _CANDIDATES, len(kept.latents), False), 0)
        require(charged == counted, part, f"counts {counted} with {samples} samples, but is charged {charged}")
        again, _ = _charged(part, own, classes, _CANDIDATES, 0)
        require(torch.equal(starts, again), part, "does not repeat its starts with the same seed")
    attack = replace(_tiny_attack(), init=part)
    _check_charges(part, attack)
    _check_budgets(part, attack)


def check_selection(part: Selection) -> None:
    """Check that a selection has all members, gives a finite score to each image, and is charged the passes it counts.

    Telling it the erasing law may change neither its access nor that count. Raises InputError.
    """
    _check_members(part, Selection)
    images, labels = _images(), torch.arange(5) % _CLASSES
    for law in (None, _LAW):
        rule = part.known(law)
        _check_members(rule, Selection, part)
        same = (rule.access, rule.count) == (part.access, part.count)
        require(same, part, f"known({'law' if law else 'None'}) changes its access or count")
        score, charged = _charged(rule, images, labels, generator(0, "views", device=_CPU))
        finite = isinstance(score, Tensor) and score.shape == (5,) and bool(torch.isfinite(score).all())
        require(finite, part, "does not return one finite score for each image")
        counted = Passes(5 * part.count, 0)
        require(charged == counted, part, f"counts {counted} for 5 images, but is charged {charged}")
    attack = replace(_tiny_attack(), selection=part)
    _check_charges(part, attack)
    _check_budgets(part, attack)


def check_view(part: View) -> None:
    """Check a view: members, shape, seed, gradients of each image alone, and one pass per view and step."""
    _check_members(part, View)
    images = _images()
    for law in (None, _LAW):
        rule = part.known(law)
        _check_members(rule, View, part)
        leaf = images.clone().requires_grad_(True)
        seen = rule(leaf, generator(0, "views", device=_CPU))
        again = rule(leaf, generator(0, "views", device=_CPU))
        require(seen.shape == images.shape, part, f"returns shape {tuple(seen.shape)} for {tuple(images.shape)}")
        require(seen.dtype == images.dtype, part, f"returns {seen.dtype} for {images.dtype}")
        require(torch.equal(seen, again), part, "does not repeat its draws with the same seed")
        require(seen.requires_grad, part, "is not differentiable")
        for number in range(len(images)):
            (gradient,) = torch.autograd.grad(seen[number].sum(), leaf, retain_graph=True)
            reached = gradient.abs().flatten(1).sum(1) > 0
            require(bool(reached[number]), part, "lets no gradient through to an image")
            require(int(reached.sum()) == 1, part, "carries the gradient of one image to another")
    attack = replace(_tiny_attack(), views=(part, part))
    charged, steps = _check_charges(part, attack), _STEPS * _PEOPLE * _CANDIDATES
    require(charged == Passes(2 * steps, 2 * steps), part, f"two views cost {charged}, not one pass each per step")
    _check_budgets(part, attack)


def check_models(part: Models) -> None:
    """Check a set of models: members, access, the models that it makes, counted passes and training images."""
    _check_members(part, Models)
    public, samples = _PUBLIC, _SAMPLES
    lessons = part.lessons(public, samples)
    require(_is_count(lessons), part, f"lessons returns {lessons!r}, not a count")
    require((lessons > 0) == (part.trained > 0), part, f"says {part.trained} trained networks and {lessons} lessons")
    oracle = _oracle(part.access)
    members = part.members(oracle, _ground(), _CLASSES, 0)
    charged, counted = _passes_of(oracle), Passes(part.passes(public, samples), 0)
    require(charged == counted, part, f"counts {counted} before the optimisation, but is charged {charged}")
    ok = len(members) > 0 and all(isinstance(member, WhiteBox) for member in members)
    require(ok, part, "members must return a list of WhiteBox models")
    own = [member for member in members if member is not oracle]
    require(len(own) == part.trained, part, f"says {part.trained} trained networks, but returns {len(own)}")
    says = part.with_target
    require(says == (members[0] is oracle), part, f"says with_target {says}, but its first model says otherwise")
    for member in members:
        logits = member.logits(_images())
        require(logits.shape == (5, _CLASSES), part, f"a model returns logits of shape {tuple(logits.shape)}")
    attack = replace(_tiny_attack(), access=part.access, models=part)
    _check_charges(part, attack)
    _check_budgets(part, attack)


# ------------------------------------------------------------------------------------------------ what checks share


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _check_members(part: object, protocol: type, owner: object | None = None) -> None:
    """Raise InputError unless the part has every member of its protocol, with the type or parameters that it has there.

    owner: whose part it is, for the message.
    """
    named = owner or part
    members = {n: m for n, m in vars(protocol).items() if n == "__call__" or not n.startswith("_")}
    for name, member in members.items():
        where = f"{protocol.__name__}.{name}"
        # a function's own __call__ is no sign of a part: look at the class
        found = getattr(type(part) if name == "__call__" else part, name, None)
        require(found is not None, named, f"lacks {where}; see mi_tune.attacks.parts")
        if isinstance(member, property):
            wanted = get_type_hints(member.fget)["return"]
            right = type(found) is wanted if wanted in (bool, int) else isinstance(found, wanted)
            require(right, named, f"{where} is {found!r}, not of type {wanted.__name__}")
            if name == "access":
                require(found in ORACLES, named, f"{where} is '{found}'; choose from {', '.join(ORACLES)}")
            if wanted is int:
                require(_is_count(found), named, f"{where} is {found!r}, not a count")
        else:
            require(callable(found), named, f"{where} is not a method")
            parameters = list(inspect.signature(member).parameters)[name != "__call__" :]
            try:
                inspect.signature(found).bind(*parameters)  # type: ignore[arg-type]  # callable, as required above
            except TypeError:
                require(False, named, f"{where} must take ({', '.join(parameters)})")
    for name in inspect.get_annotations(protocol):
        require(hasattr(part, name), named, f"lacks {protocol.__name__}.{name}; see mi_tune.attacks.parts")


def _check_charges(part: object, attack: Attack) -> Passes:
    """Run the attack; the passes that its oracle is charged, which must be those that it counts."""
    oracle = _oracle(attack.access)
    result = attack.run(oracle, _ground(), torch.arange(_CLASSES - _PEOPLE, _CLASSES), 0)
    charged, counted = _passes_of(oracle), attack.passes(_PEOPLE, _SAMPLES, _PUBLIC)
    require(charged == counted, part, f"an attack with it counts {counted}, but is charged {charged}")
    students = attack.models.trained > 0 and attack.follows_gradients
    require(students == (result.surrogate_passes > 0), part, f"has {result.surrogate_passes} passes through students")
    return charged


def _check_budgets(part: object, attack: Attack) -> None:
    require(scaled(attack, 1, attack.budget) == attack, part, "changes at a budget of factor 1")
    one, four = (scaled(attack, k, "4x").passes(_PEOPLE, _SAMPLES, _PUBLIC).forward for k in (1, 4))
    if attack.models.with_target or not attack.follows_gradients:
        require(four > one, part, f"an attack with it costs {four} passes at 4 times its budget, after {one}")


class _AsksOracle(Protocol):
    @property
    def access(self) -> str: ...

    @property
    def __call__(self) -> Callable[..., Tensor]: ...


def _charged(part: _AsksOracle, *arguments: object) -> tuple[Tensor, Passes]:
    """What the part returns when it is given an oracle of its own access, and what the oracle is charged."""
    oracle = _oracle(part.access)
    try:
        answer = part(oracle, *arguments)
    except (AttributeError, InputError) as error:
        raise InputError(f"{type(part).__name__}: {part.access} access is not enough for it ({error})") from error
    return answer, _passes_of(oracle)


def _passes_of(oracle: HardLabel) -> Passes:
    return Passes(oracle.forward_passes, oracle.backward_passes)


def _oracle(access: str) -> HardLabel:
    return open_oracle(access, _target(), _CPU, _CLASSES)


def _target() -> nn.Module:
    """An untrained classifier that is never sure, and that never predicts its last class.

    So no search ends early, and rejection sampling uses all of its draws.
    """
    model = create_classifier("small_cnn", _CLASSES, 1, _SIZE, seed=0)
    head = head_of(model)
    with torch.no_grad():
        head.weight.mul_(0.1)
        head.bias[-1] -= 10
    return model


@cache
def _ground() -> Ground:
    public = torch.randint(256, (_PUBLIC, 1, _SIZE, _SIZE), generator=generator(0, "public", device=_CPU))
    images = public.to(torch.uint8).numpy()
    prior = fit_eigenfaces(images)
    return Ground(prior, render_samples(prior, _SAMPLES, 0, _CPU), images, "contracts", _LAW)


def _images() -> Tensor:
    return torch.rand(5, 1, _SIZE, _SIZE, generator=generator(0, "images", device=_CPU)) * 0.8 + 0.1


def _tiny_attack() -> Attack:
    return Attack(
        name="contract",
        budget="reduced",
        init=Normal(),
        identity_loss="cross_entropy",
        stages=(Stage(steps=_STEPS, optimiser=Adam()),),
        candidates=_CANDIDATES,
        keep=1,
        selection=Last(),
    )


def check_identity_loss(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check an identity loss: one finite value per image, of its own logits alone, that is lower where the target
    is sure of the attacked person, with finite gradients."""
    name = getattr(loss, "__name__", type(loss).__name__)
    random = generator(0, "loss contract", device=_CPU)
    logits = (3 * torch.randn(12, _CLASSES, generator=random)).requires_grad_()
    labels = torch.arange(12) % _CLASSES
    values = loss(logits, labels)
    if values.shape != (12,) or not torch.isfinite(values).all():
        raise InputError(f"{name}: gives {tuple(values.shape)} for 12 images, not one finite value each")
    alone = torch.cat([loss(logits[k : k + 1], labels[k : k + 1]) for k in range(12)])
    if not torch.allclose(values, alone, atol=1e-6):
        raise InputError(f"{name}: an image's value depends on the other images of its batch")
    (gradient,) = torch.autograd.grad(values.sum(), logits)
    surer = loss(logits + 20 * torch.nn.functional.one_hot(labels, _CLASSES), labels)
    if not torch.isfinite(gradient).all() or (surer >= values).any():
        raise InputError(f"{name}: is no lower where the target is sure of the attacked person")
