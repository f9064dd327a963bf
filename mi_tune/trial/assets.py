"""What all trials of a study share: data, the attacker's prior and samples, and judges. Made once and cached."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch

from mi_tune.attacks import Attack, Ground, Portfolio, make_attack
from mi_tune.data import (
    Bank,
    Split,
    augment,
    drop_copies,
    orl_bank,
    own_bank,
    procedural,
    procedural_banks,
    split_each_identity,
    split_identities,
)
from mi_tune.erasing import fills, law
from mi_tune.nets import check_architecture, gan
from mi_tune.nets.published import sized
from mi_tune.nets.sizes import check_size
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
        identity_parameters: for drawn people, the parameters in [0, 1] of each private identity, float32 (classes,
            parameters); None for photographs.
    """

    private: Bank
    public: Bank
    split: Split
    copies_dropped: int
    identity_parameters: np.ndarray | None = None


@dataclass(frozen=True)
class Attacker:
    """An attack, and the ground that it uses: the prior with its samples, and the public images.

    The attack is made from its name where it is needed, because other processes cannot find classes from a user's file
    by name.
    """

    preset: str
    budget: str
    ground: Ground

    @property
    def attack(self) -> Attack | Portfolio:
        return make_attack(self.preset, self.budget)


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
        private, public = _own_folders(setup, seed)
    split = split_each_identity(private, data.split, seed)
    public, dropped = drop_copies(public, private)
    if len(public) < 2:
        raise InputError("no public image is left after dropping copies of private images; give other public people")
    return StudyData(private, public, split, dropped)


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
    return StudyData(private, public, split_each_identity(private, data.split, seed), 0, parameters)


def _own_folders(setup: Setup, seed: int) -> tuple[Bank, Bank]:
    data = setup.data
    assert data.private is not None  # checked by DataSetup
    private = own_bank(data.private, data.resolution, data.channels, data.fit, minimum_images=3)
    if data.public is None:
        if private.identities < 4:
            raise InputError(
                f"{data.private}: {private.identities} identities cannot be split into private and public people; "
                "give --public DIR"
            )
        return split_identities(private, data.private_identities or round(private.identities * 0.6), seed)
    public = own_bank(data.public, data.resolution, data.channels or private.channels, data.fit)
    shared = sorted(set(private.names) & set(public.names))
    if shared:
        raise InputError(
            f"identity '{shared[0]}' is in both {data.private} and {data.public}"
            f"{f' (and {len(shared) - 1} more)' if len(shared) > 1 else ''}; the attacker may not know private people: "
            "move it to one side, or rename it if it is another person"
        )
    wanted = data.private_identities
    if wanted is not None and wanted > private.identities:
        raise InputError(f"{data.private}: {private.identities} identities, fewer than private_identities {wanted}")
    if wanted is not None and wanted < private.identities:
        private = _draw_identities(private, wanted, seed)
    return private, public


def _draw_identities(bank: Bank, identities: int, seed: int) -> Bank:
    order = np.random.default_rng(derive_seed(seed, "identities")).permutation(bank.identities)
    return bank.only(np.sort(order[:identities]))


def target_recipe(setup: Setup) -> Recipe:
    """The setup's training recipe of a target, without its erasing law."""
    target = setup.target
    return Recipe(
        epochs=target.epochs,
        batch_size=target.batch_size,
        optimiser=target.optimiser,
        learning_rate=target.learning_rate,
        weight_decay=target.weight_decay,
        shift=target.shift,
        flip=target.flip,
    )


def prepare_attacker(setup: Setup, data: StudyData, seed: int, device: torch.device) -> Attacker:
    """Make the setup's attack and its ground. Raises InputError if the attack does not fit the prior."""
    attack = make_attack(setup.attack.preset, setup.attack.budget)
    ground = prepare_ground(setup, data, seed, device)
    attack.check(ground.prior, setup.prior.samples)
    return Attacker(setup.attack.preset, setup.attack.budget, ground)


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
    attack = make_attack(setup.attack.preset, setup.attack.budget)
    if attack.needs_discriminator and setup.prior.kind not in ("dcgan", "wgan", "import"):
        raise InputError(f"attack '{attack.name}' needs a prior with a discriminator; choose --prior dcgan or wgan")
    if setup.prior.kind == "procedural" and setup.data.source != "procedural":
        raise InputError(
            f"prior 'procedural' only fits data source 'procedural', not '{setup.data.source}'; "
            "choose --prior eigenface or dcgan"
        )
    if setup.prior.generator is not None:
        GeneratorSource(setup.prior.generator, setup.prior.weights).check()
    if setup.prior.samples < attack.candidates:
        raise InputError(
            f"prior.samples {setup.prior.samples} is fewer than the attack's {attack.candidates} candidates"
        )
    side = setup.data.resolution
    judge, target = (sized(name) for name in (setup.judge.architecture, setup.target.architecture))
    if (judge[0], judge[1] or side) == (target[0], target[1] or side):
        raise InputError(
            f"the judge has the target's architecture '{setup.judge.architecture}', but needs another one; "
            "change judge.architecture"
        )
