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
    folder_bank,
    orl_bank,
    procedural,
    procedural_banks,
    split_each_identity,
    split_identities,
)
from mi_tune.erasing import fills, law
from mi_tune.judging import (
    Gallery,
    Judge,
    JudgeRecipe,
    RegressorRecipe,
    VerifierRecipe,
    enrol,
    train_judge,
    train_regressor,
    train_verifier,
)
from mi_tune.judging.faces import NAME as FACES
from mi_tune.judging.faces import faces_installed
from mi_tune.judging.gallery import GalleryClassifier, check_gallery
from mi_tune.judging.panel import ClassifierJudge, GalleryJudge, Panel, PanelJudge
from mi_tune.judging.recogniser import check_recogniser, load_recogniser
from mi_tune.nets import check_architecture, gan
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

SECOND_JUDGES = ("conv_attention", "residual_gn", "small_cnn")
"""Candidate architectures of a confirmation's second judge: the first that neither targets nor first judge use."""


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
    """An attack, and the ground that it uses: the prior with its samples, and the public images."""

    attack: Attack | Portfolio
    ground: Ground


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
    private = folder_bank(data.private, data.resolution, data.channels, data.fit, minimum_images=3)
    if data.public is None:
        if private.identities < 4:
            raise InputError(
                f"{data.private}: {private.identities} identities cannot be split into private and public people; "
                "give --public DIR"
            )
        return split_identities(private, data.private_identities or round(private.identities * 0.6), seed)
    public = folder_bank(data.public, data.resolution, data.channels or private.channels, data.fit)
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


def judge_recipe(setup: Setup) -> JudgeRecipe:
    """The setup's recipe of the first judge."""
    return JudgeRecipe(setup.judge.architecture, dataclasses.replace(JudgeRecipe().training, epochs=setup.judge.epochs))


def prepare_judge(setup: Setup, data: StudyData, seed: int, device: torch.device) -> Judge:
    """Train the judge, or load it from the cache; for drawn people together with the identity regressor.

    Where the recogniser is the judge, it is trained on nothing of the study. Raises InputError if there is none.
    """
    if setup.judge.kind == "recogniser":
        gallery = prepare_recogniser(setup, data, device)
        if gallery is None:
            raise InputError(
                "judge.kind recogniser: these images have no recogniser; give one (judge.recogniser: faces, or "
                "path/to/file.py:factory)"
            )
        model = GalleryClassifier(gallery)
        return Judge(gallery.name, model, gallery.held_out_rank1, gallery.key, gallery.rank1, saw_private=False)
    judge = train_judge(data.private, data.split, judge_recipe(setup), derive_seed(seed, "judge"), device)
    if data.identity_parameters is None:
        return judge
    return dataclasses.replace(
        judge, regressor=train_regressor(data.private.resolution, regressor_recipe(setup), device)
    )


def prepare_panel(setup: Setup, data: StudyData, seed: int, device: torch.device) -> Panel:
    """The panel of a confirmation: the search's judge, a second of another architecture, verifier and recogniser.

    The verifier counts as two judges, one per answer, and the recogniser as three. The verifier is trained on the
    public people, so there is none if the public images have a single identity, or none that is known.
    """
    recogniser = prepare_recogniser(setup, data, device)
    # a recogniser that judged the study is on the panel with all its answers
    first = None if setup.judge.kind == "recogniser" else prepare_judge(setup, data, seed, device)
    second = train_judge(
        data.private, data.split, second_judge_recipe(setup), derive_seed(seed, "second judge"), device
    )
    judges: list[PanelJudge] = [] if first is None else [ClassifierJudge(first.name, first, in_search=True)]
    judges.append(ClassifierJudge(second.name, second, in_search=False))
    if data.public.identities > 1:
        verifier = prepare_verifier(setup, data, seed, device)
        judges += [GalleryJudge(verifier, "rank-1", outside=False), GalleryJudge(verifier, "TAR", outside=False)]
    if recogniser is not None:
        judges.append(GalleryJudge(recogniser, "rank-1", outside=True, in_search=first is None))
        judges += [GalleryJudge(recogniser, "rank-5", outside=True), GalleryJudge(recogniser, "TAR", outside=True)]
    return Panel(tuple(judges))


def with_recogniser(setup: Setup) -> Setup:
    """The setup with its recogniser decided: where none is asked for, the built-in faces get the face recogniser if it
    is installed, and other images none. Raises InputError if one is asked for that is not installed."""
    name = setup.judge.recogniser
    if name == "auto":
        name = FACES if setup.data.source == "orl" and faces_installed() else "none"
    setup = setup.model_copy(update={"judge": setup.judge.model_copy(update={"recogniser": name})})
    check_recogniser(setup.judge)
    return setup


def prepare_recogniser(setup: Setup, data: StudyData, device: torch.device) -> Gallery | None:
    """The private people, enrolled with the setup's recogniser; None if it has none.

    Raises InputError if the recogniser is not installed, or cannot tell the real people apart.
    """
    setup = with_recogniser(setup)
    if setup.judge.recogniser == "none":
        return None
    bank = data.private
    gallery = enrol(load_recogniser(setup.judge, bank.channels, bank.resolution), bank, data.split, device)
    check_gallery(gallery)
    return gallery


def second_judge_recipe(setup: Setup) -> JudgeRecipe:
    """The first judge's recipe with an architecture that neither the first judge nor the targets use."""
    used = (setup.judge.architecture, setup.target.architecture)
    architecture = next(name for name in SECOND_JUDGES if name not in used)
    return dataclasses.replace(judge_recipe(setup), architecture=architecture)


def prepare_verifier(setup: Setup, data: StudyData, seed: int, device: torch.device) -> Gallery:
    """Train the verifier on the public people, or load it from the cache. Raises InputError if there is only one."""
    views = setup.judge.verifier_views
    recipe = VerifierRecipe() if views is None else VerifierRecipe(views=views)
    return train_verifier(data.public, data.private, data.split, recipe, derive_seed(seed, "verifier"), device)


def regressor_recipe(setup: Setup) -> RegressorRecipe:
    """The setup's recipe of the identity regressor."""
    steps = setup.judge.regressor_steps
    return RegressorRecipe() if steps is None else RegressorRecipe(steps=steps)


def prepare_attacker(setup: Setup, data: StudyData, seed: int, device: torch.device) -> Attacker:
    """Make the setup's attack and its ground. Raises InputError if the attack does not fit the prior."""
    attack = make_attack(setup.attack.preset, setup.attack.budget)
    ground = prepare_ground(setup, data, seed, device)
    attack.check(ground.prior, setup.prior.samples)
    return Attacker(attack, ground)


CHEAP_ATTACK = ("ppa_fast", "reduced")
"""Preset and budget of the attack on half-trained targets."""


def cheap_attacker(attacker: Attacker, setup: Setup) -> Attacker:
    """The attacker of half-trained targets: the same ground, with at most a tenth of the usual steps.

    Raises InputError if the attack does not fit the prior.
    """
    attack = make_attack(*CHEAP_ATTACK)
    attack.check(attacker.ground.prior, setup.prior.samples)
    return Attacker(attack, attacker.ground)


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
    fields = {name: getattr(prior, name) for name in ("output_range", "latent_dim", "truncation", "batch")}
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
    attack = make_attack(setup.attack.preset, setup.attack.budget)
    if attack.needs_discriminator and setup.prior.kind not in ("dcgan", "wgan"):
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
    if setup.judge.architecture == setup.target.architecture:
        raise InputError(
            f"the judge has the target's architecture '{setup.judge.architecture}', but needs another one; "
            "change judge.architecture"
        )
