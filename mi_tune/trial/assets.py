"""What all trials of a study share: data, the attacker's prior and samples, and judges. Made once and cached."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch

from mi_tune.attacks import Attack, Ground, Portfolio, make_attack, split_budget
from mi_tune.data import (
    Bank,
    Split,
    augment,
    drop_copies,
    orl_bank,
    own_sides,
    procedural,
    procedural_banks,
    published_split,
    split_each_identity,
    split_identities,
)
from mi_tune.erasing import fills, law
from mi_tune.judging.own import check_own_judge
from mi_tune.nets import Classifier, blocks, check_architecture, checkpoints, create_classifier, gan, starting, trainers
from mi_tune.nets.blocks import freeze
from mi_tune.nets.published import sized
from mi_tune.nets.sizes import check_size
from mi_tune.nets.starting import Start, start_from
from mi_tune.nets.trainers import TrainerSource
from mi_tune.nets.training import Recipe
from mi_tune.priors import (
    DCGANPrior,
    EigenfacePrior,
    GanRecipe,
    GeneratorSource,
    ImportedPrior,
    Prior,
    ProceduralPrior,
    StylePrior,
    UserPrior,
    base,
    check_prior,
    dcgan,
    diff_augment,
    eigenface,
    fit_eigenfaces,
    gan_training,
    imported,
    render_samples,
    small_moves,
    source,
    style,
    train_dcgan,
    user,
    wgan_recipe,
)
from mi_tune.priors import procedural as oracle
from mi_tune.runtime import imported as runtime_imported
from mi_tune.runtime.cache import cached, content_key
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed
from mi_tune.setup import Setup

# The code that decides each kind of prior. It is part of the prior's cache key, so that a change makes a new prior.
EIGENFACE_CODE = (eigenface, small_moves, base)
GAN_CODE = (dcgan, gan_training, diff_augment, gan, augment, fills, law, base)
PROCEDURAL_CODE = (oracle, procedural, base)
OWN_CODE = (imported, style, user, source, runtime_imported, base)


@dataclass(frozen=True)
class StudyData:
    """The images of a study.

    Args:
        private: the private images. split: their division into train, val and test. public: the public images.
        copies_dropped: number of public images that were dropped as copies of private ones.
        notes: lines about what was left out of the images, and how much of a data set by name is there.
        identity_parameters: for drawn people, the parameters in [0, 1] of each private identity, float32 (classes,
            parameters); None for photographs.
    """

    private: Bank
    public: Bank
    split: Split
    copies_dropped: int
    identity_parameters: np.ndarray | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attacker:
    """An attack, and the ground that it uses: the prior with its samples, and the public images.

    `others`: more attacks of a trial, as `name:budget`, on the same ground.

    The attack is made from its name where it is needed, because other processes cannot find classes from a user's file
    by name.
    """

    preset: str
    budget: str
    ground: Ground
    others: tuple[str, ...] = ()

    @property
    def attack(self) -> Attack | Portfolio:
        return make_attack(self.preset, self.budget)

    @property
    def name(self) -> str:
        """What tables and reports call it."""
        names = [attack.name for attack in self.attacks]
        return names[0] if len(names) == 1 else f"strongest of {', '.join(names)}"

    @property
    def attacks(self) -> tuple[Attack | Portfolio, ...]:
        """The attack, and the others that a trial runs as well."""
        return _made(self.preset, self.budget, self.others)


def attacks_of(setup: Setup) -> tuple[Attack | Portfolio, ...]:
    """The attacks on every target of a study. Raises InputError for an unknown name or budget."""
    return _made(setup.attack.preset, setup.attack.budget, setup.attack.others or ())


def _made(preset: str, budget: str, others: tuple[str, ...]) -> tuple[Attack | Portfolio, ...]:
    return (make_attack(preset, budget), *(make_attack(*split_budget(name)) for name in others))


def load_data(setup: Setup, seed: int) -> StudyData:
    """Read, check and split the images of a setup.

    Raises:
        InputError: from the sources and splits of images; an identity is in both folders; channels differ; or all
            public images are copies of private ones.
    """
    data = setup.data
    if data.source == "procedural":
        return _drawn_people(setup, seed)
    if data.source == "orl":
        private, public = split_identities(orl_bank(data.resolution), data.private_identities or 30, seed)
    else:
        return _own_people(setup, seed)
    return _study_data(setup, private, public, seed)


def _study_data(setup: Setup, private: Bank, public: Bank, seed: int, notes: tuple[str, ...] = ()) -> StudyData:
    public, dropped = drop_copies(public, private)
    if len(public) < 2:
        raise InputError("no public image is left after dropping copies of private images; give other public people")
    return StudyData(private, public, split_of(setup, private, seed), dropped, notes=notes)


def split_of(setup: Setup, private: Bank, seed: int) -> Split:
    """The setup's division of the private images. Raises InputError if an identity has too few photographs."""
    shares = setup.data.split
    return published_split(private, seed) if shares == "published" else split_each_identity(private, shares, seed)


def _drawn_people(setup: Setup, seed: int) -> StudyData:
    data = setup.data
    private, public, parameters = procedural_banks(
        data.private_identities or 30,
        data.public_identities or 60,
        data.images_per_identity or 10,
        data.resolution,
        seed,
    )
    # No search for copies: private and public people are drawn separately, and two who look alike are still two people.
    return StudyData(private, public, split_of(setup, private, seed), 0, parameters)


def _own_people(setup: Setup, seed: int) -> StudyData:
    data = setup.data
    assert data.private is not None  # checked by DataSetup
    ours, theirs, notes = own_sides(data.private, data.public, data.private_identities, seed, data.root)
    private = ours.read(data.resolution, data.channels, data.fit)
    public = theirs.read(data.resolution, data.channels or private.channels, data.fit)
    return _study_data(setup, private, public, seed, notes)


def target_recipe(setup: Setup) -> Recipe:
    """The setup's training recipe of a target, without its erasing law."""
    target = setup.target
    own = TrainerSource(target.trainer) if target.trainer is not None else None
    shared = {field.name for field in dataclasses.fields(Recipe)} & set(type(target).model_fields)
    return Recipe(
        own="" if own is None else f"{own.factory} {content_key(modules=(own.module(), trainers))}",
        **{name: getattr(target, name) for name in sorted(shared)},
    )


def target_start(setup: Setup) -> Start | None:
    """The weights that the setup's targets start from, before any training of this project; None for random ones."""
    target = setup.target
    if target.pretrained is None and target.start_from is None:
        return None
    normalisation = (target.mean, target.std) if target.mean is not None and target.std is not None else None
    return Start(target.pretrained, target.start_from, normalisation)


def create_target(setup: Setup, bank: Bank, seed: int, frozen: bool = True) -> Classifier:
    """Create a target of the setup that tells the people of `bank` apart, with the weights that it starts from.

    Args:
        seed: of all weights that are not started from. frozen: whether the first blocks are frozen that the setup
            wants frozen.

    Raises:
        InputError: see `create_classifier`, `start_from` and `freeze`.
    """
    target, start = setup.target, target_start(setup)
    model = create_classifier(target.architecture, bank.identities, bank.channels, bank.resolution, seed)
    if start is not None:
        start_from(model, start, target.architecture, bank.resolution)
    if frozen:
        freeze(model, target.freeze)
    return model


def start_key(setup: Setup) -> str | None:
    """Hash of the weights that targets start from and of what is frozen; None if they start from random weights."""
    start, target = target_start(setup), setup.target
    if start is None and not target.freeze:
        return None
    weights = None if start is None else start.key(target.architecture, setup.data.resolution)
    return content_key(weights, target.freeze, modules=(starting, blocks, checkpoints))


def start_sentence(setup: Setup, bank: Bank) -> str:
    """What the setup's targets start from, and what of it is frozen, in a sentence; empty for random weights.

    Raises InputError as `create_target` does.
    """
    target, start = setup.target, target_start(setup)
    model = create_classifier(target.architecture, bank.identities, bank.channels, bank.resolution, 0)
    said = [] if start is None else [start_from(model, start, target.architecture, bank.resolution)]
    if target.freeze:
        said.append(f"frozen: {', '.join(freeze(model, target.freeze))}")
    return "; ".join(said)


def prepare_attacker(setup: Setup, data: StudyData, seed: int, device: torch.device) -> Attacker:
    """Make the setup's attack and its ground. Raises InputError if the attack does not fit the prior."""
    ground = prepare_ground(setup, data, seed, device)
    attacker = Attacker(setup.attack.preset, setup.attack.budget, ground, setup.attack.others or ())
    for attack in attacker.attacks:
        attack.check(ground.prior, setup.prior.samples)
    return attacker


CHEAP_ATTACK = ("ppa_fast", "reduced")
"""Preset and budget of the attack on half-trained targets."""


def cheap_attacker(attacker: Attacker, setup: Setup) -> Attacker:
    """The attacker of half-trained targets: the same ground, with at most a tenth of the usual steps.

    Raises InputError if the attack does not fit the prior.
    """
    attack = make_attack(*CHEAP_ATTACK)
    attack.check(attacker.ground.prior, setup.prior.samples)
    return Attacker(*CHEAP_ATTACK, attacker.ground)


def prepare_ground(setup: Setup, data: StudyData, seed: int, device: torch.device) -> Ground:
    """Make the prior from the public images, or load it from the cache, and render its samples.

    Raises InputError if the prior does not fit the images.
    """
    prior, key = _prior(setup, data.public, derive_seed(seed, "prior"), device)
    check_prior(prior.to(device), data.private.channels, data.private.resolution, device)
    samples = render_samples(prior, setup.prior.samples, seed, device)
    key = content_key(key, data.public.fingerprint(), setup.prior.samples, seed)
    return Ground(prior, samples, data.public.images, key)


def _prior(setup: Setup, public: Bank, seed: int, device: torch.device) -> tuple[Prior, str]:
    """Make the prior, or load it from the cache; with its content key."""
    if setup.prior.kind == "eigenface":
        return _eigenfaces(setup, public, device)
    if setup.prior.kind == "procedural":
        return ProceduralPrior(public.resolution), content_key(public.resolution, modules=PROCEDURAL_CODE)
    if setup.prior.generator is not None:
        own = own_generator(setup, public).load(seed, device)
        return own, content_key(own.key(), seed, modules=OWN_CODE + own.code())
    recipe = gan_recipe(setup)

    def make() -> dict:
        prior = train_dcgan(public.images, recipe, seed, device).cpu()
        return {"config": prior.config, "state": prior.state_dict()}

    key = content_key(public.fingerprint(), dataclasses.asdict(recipe), seed, modules=GAN_CODE)
    stored = cached(setup.prior.kind, key, make)
    prior = DCGANPrior(**stored["config"])
    prior.load_state_dict(stored["state"])
    return prior, key


def _eigenfaces(setup: Setup, public: Bank, device: torch.device) -> tuple[Prior, str]:
    components = setup.prior.components
    key = content_key(public.fingerprint(), components, modules=EIGENFACE_CODE)

    def make() -> dict:
        return fit_eigenfaces(public.images, public.labels, components, device).state_dict()

    stored = cached("eigenface", key, make)
    return EigenfacePrior(stored["mean"], stored["basis"], stored["scale"]), key


def own_generator(setup: Setup, public: Bank) -> UserPrior:
    """The prior of the user's own generator, before its weights are read. Raises InputError."""
    prior = setup.prior
    assert prior.generator is not None  # checked by PriorSetup
    fields = {name: getattr(prior, name) for name in ("output_range", "latent_dim", "truncation", "batch", "crop")}
    given = {name: value for name, value in fields.items() if value is not None}
    kind = StylePrior if prior.kind == "style" else ImportedPrior
    return kind(GeneratorSource(prior.generator, prior.weights), public.channels, public.resolution, **given)


def check_own_generator(setup: Setup, data: StudyData, seed: int, device: torch.device) -> None:
    """Raise InputError if the setup names a generator of the user's that cannot serve as the prior."""
    if setup.prior.generator is not None:
        prior, _ = _prior(setup, data.public, derive_seed(seed, "prior"), device)
        check_prior(prior, data.private.channels, data.private.resolution, device)


def gan_recipe(setup: Setup) -> GanRecipe:
    """The setup's recipe of a GAN prior."""
    recipe = wgan_recipe() if setup.prior.kind == "wgan" else GanRecipe()
    return recipe if setup.prior.gan_steps is None else dataclasses.replace(recipe, steps=setup.prior.gan_steps)


def check_names(setup: Setup) -> None:
    """Raise InputError for unknown names or choices that do not fit together, before anything is read or computed."""
    check_architecture(setup.target.architecture)
    check_architecture(setup.judge.architecture)
    for architecture in (setup.target.architecture, setup.judge.architecture):
        check_size(architecture, setup.data.resolution)
    if setup.target.trainer is not None:
        TrainerSource(setup.target.trainer).find()
    start = target_start(setup)
    if start is not None:
        start.check(setup.target.architecture)
    for attack in attacks_of(setup):
        if attack.needs_discriminator and setup.prior.kind not in ("dcgan", "wgan", "import"):
            raise InputError(f"attack '{attack.name}' needs a prior with a discriminator; choose --prior dcgan or wgan")
        if setup.prior.samples < attack.candidates:
            raise InputError(
                f"prior.samples {setup.prior.samples} is fewer than the {attack.candidates} candidates of attack "
                f"'{attack.name}'"
            )
    if setup.prior.kind == "procedural" and setup.data.source != "procedural":
        raise InputError(
            f"prior 'procedural' only fits data source 'procedural', not '{setup.data.source}'; "
            "choose --prior eigenface or dcgan"
        )
    if setup.prior.generator is not None:
        GeneratorSource(setup.prior.generator, setup.prior.weights).check()
    if ":" in setup.judge.kind:
        check_own_judge(setup.judge.kind, setup.judge.weights)
    side = setup.data.resolution
    judge, target = (sized(name) for name in (setup.judge.architecture, setup.target.architecture))
    if (judge[0], judge[1] or side) == (target[0], target[1] or side):
        raise InputError(
            f"the judge has the target's architecture '{setup.judge.architecture}', but needs another one; "
            "change judge.architecture"
        )
