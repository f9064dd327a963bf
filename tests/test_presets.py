"""Every attack by name: it runs, costs what it says, and asks no more than it may."""

import json
from dataclasses import fields, is_dataclass, replace

import pytest
import torch
from conftest import make_bank
from torch import nn

from mi_tune.attacks import BUDGETS, PRESETS, Attack, Ground, Portfolio, Reconstructions, make_attack, open_oracle
from mi_tune.attacks.constraints import Clamp
from mi_tune.attacks.engine import Stage
from mi_tune.attacks.evolution import Genetic
from mi_tune.attacks.inits import BestOfSamples, Normal, RejectToLabel
from mi_tune.attacks.makers import InversionGan, PseudoLabelGan, TargetAssistedGan
from mi_tune.attacks.optimisers import Adam, Momentum
from mi_tune.attacks.repulsion import SphereRepulsion
from mi_tune.attacks.selection import ByConfidence, LabelOverViews, Last
from mi_tune.attacks.students import Students, TargetOnly, Untrained
from mi_tune.erasing import ErasingLaw
from mi_tune.nets import create_classifier
from mi_tune.nets.training import Recipe, Training
from mi_tune.priors import GanRecipe, fit_eigenfaces, render_samples, train_dcgan
from mi_tune.priors.base import Prior, to_uint8
from mi_tune.runtime.errors import InputError
from mi_tune.setup import make_setup
from mi_tune.trial.assets import check_names

CPU = torch.device("cpu")
CLASSES, SAMPLES = 4, 120
PUBLIC = make_bank(6, images=4, seed=2).images
LAW = ErasingLaw(1.0, area=(0.1, 0.4), fill="midre")
TINY_GAN = {"steps": 3, "batch_size": 8, "latent_dim": 8, "width": 8}


@pytest.fixture(scope="module")
def target() -> nn.Module:
    bank = make_bank(CLASSES, images=8)
    model = create_classifier("small_cnn", CLASSES, 1, 16, seed=0)
    run = Training(model, *bank.tensors(), torch.arange(len(bank)), Recipe(epochs=10), 0, CPU, LAW)
    while not run.finished:
        run.train_epoch()
    return model


def ground_of(prior: Prior) -> Ground:
    return Ground(prior, render_samples(prior, SAMPLES, 0, CPU), PUBLIC, "key", LAW)


@pytest.fixture(scope="module")
def faces() -> Ground:
    return ground_of(fit_eigenfaces(PUBLIC))


@pytest.fixture(scope="module")
def gan() -> Ground:
    recipe = GanRecipe(steps=5, batch_size=8, latent_dim=8, width=8)
    return ground_of(train_dcgan(PUBLIC, recipe, 0, CPU))


def tiny(attack: Attack | Portfolio, steps: int = 3) -> Attack | Portfolio:
    """The same parts, with little work for each."""
    if isinstance(attack, Portfolio):
        return replace(attack, members=tuple(tiny(m, steps) for m in attack.members))
    changes: dict = {"stages": tuple(replace(s, steps=min(s.steps, steps)) for s in attack.stages)}
    if attack.maker is not None:
        changes["maker"] = replace(attack.maker, recipe=replace(attack.maker.recipe, **TINY_GAN))
    if isinstance(attack.models, (Students, Untrained)):
        changes["models"] = replace(attack.models, recipe=replace(attack.models.recipe, epochs=1))
    if attack.tuning is not None:
        changes["tuning"] = replace(attack.tuning, steps=3)
    return replace(attack, **changes)


def made(attack: Attack | Portfolio) -> tuple[int, int]:
    """Passes that training the prior takes, forwards and backwards."""
    maker = getattr(attack, "maker", None)
    asked = TINY_GAN["steps"] * TINY_GAN["batch_size"]
    if isinstance(maker, InversionGan):
        return len(PUBLIC), 0
    if isinstance(maker, PseudoLabelGan):
        return len(PUBLIC) * (maker.views if maker.erase else 1) + asked, asked
    if isinstance(maker, TargetAssistedGan):
        return asked * maker.recipe.critic_updates, 0
    return 0, 0


def start(attack: Attack | Portfolio, target: nn.Module, ground: Ground, classes=None, seed=0) -> Reconstructions:
    oracle = open_oracle(attack.access, target, CPU, CLASSES)
    return attack.run(oracle, ground, torch.arange(CLASSES) if classes is None else classes, seed)


FEWER = {"ifgmi", "ppa_fast", "mirror_blackbox", "cmaes", "brepmi"}
"""Attacks that may be done before their steps are, need fewer draws to start, or have a block more than the prior."""


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_returns_what_it_promises_and_costs_what_it_says(name, target, gan):
    attack = tiny(make_attack(name, "reduced"))
    assert attack.name == name
    result = start(attack, target, gan)
    assert result.images.shape == result.start_images.shape == (CLASSES, attack.keep, 1, 16, 16)
    assert result.images.dtype == result.start_images.dtype == torch.uint8
    assert result.latents.shape[:2] == result.confidence.shape == (CLASSES, attack.keep)
    assert torch.isfinite(result.latents).all()
    assert (result.confidence.diff(dim=1) <= 0).all()
    assert result.confidence.min() >= 0
    assert result.confidence.max() <= 1
    assert 0 <= result.prepare_seconds <= result.seconds
    promised, extra = attack.passes(CLASSES, SAMPLES, len(PUBLIC)), made(attack)
    assert result.backward_passes <= promised.backward + extra[1]
    assert result.forward_passes <= promised.forward + extra[0]
    if name not in FEWER:
        assert (result.forward_passes, result.backward_passes) == (promised[0] + extra[0], promised[1] + extra[1])
    members = attack.members if isinstance(attack, Portfolio) else (attack,)
    assert (result.surrogate_passes > 0) == any(not isinstance(m.models, TargetOnly) for m in members)


@pytest.mark.parametrize("name", ["ppa", "plgmi", "lokt"])
def test_what_was_made_for_a_target_is_charged_again_when_it_is_found(name, target, gan):
    attack = tiny(make_attack(name, "reduced"))
    first, again = start(attack, target, gan), start(attack, target, gan)
    assert (first.forward_passes, first.backward_passes) == (again.forward_passes, again.backward_passes)
    assert torch.equal(first.images, again.images)


def parts_of(part) -> set[str]:
    if is_dataclass(part):
        return {type(part).__name__}.union(*(parts_of(getattr(part, f.name)) for f in fields(part)))
    return set().union(*map(parts_of, part)) if isinstance(part, tuple) else set()


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("name", PRESETS)
def test_a_description_names_every_part_in_plain_values(name, budget):
    attack = make_attack(name, budget)
    text = json.dumps(attack.describe())
    assert json.loads(text)["name"] == name
    assert json.loads(text)["budget"] == attack.budget == budget
    for part in parts_of(attack) - {"Attack", "Portfolio"}:
        assert f'"kind": "{part}"' in text
    for key in ("access", "keep", "selection"):
        assert f'"{key}"' in text


def work(attack: Attack | Portfolio) -> int:
    """Passes of the optimisation alone, were the target what is inverted."""
    if isinstance(attack, Portfolio):
        return sum(map(work, attack.members))
    gradient = any(isinstance(stage.optimiser, (Adam, Momentum)) for stage in attack.stages)
    access = "white-box" if gradient else attack.access
    bare = replace(attack, access=access, init=Normal(), selection=Last(), models=TargetOnly(), match=None)
    return bare.passes(CLASSES, SAMPLES).forward


@pytest.mark.parametrize("name", PRESETS)
def test_the_ladder_multiplies_the_work_and_nothing_else(name):
    base, four, sixteen = (make_attack(name, b) for b in ("reduced", "4x", "16x"))
    one, *more = (work(a) for a in (base, four, sixteen))
    assert more == [4 * one, 16 * one]
    assert base.keep == four.keep == sixteen.keep
    assert base.selection == four.selection == sixteen.selection


@pytest.mark.parametrize("name", PRESETS)
def test_the_full_budget_is_larger_than_the_reduced_one(name):
    assert work(make_attack(name, "full")) > work(make_attack(name, "reduced"))


@pytest.mark.parametrize("name", PRESETS)
def test_a_setup_is_refused_exactly_where_the_prior_lacks_what_the_attack_needs(name, faces):
    check_names(make_setup({}, "x", {"attack.preset": name, "prior.kind": "dcgan"}))
    plain = make_setup({}, "x", {"attack.preset": name, "prior.kind": "eigenface"})
    if name in ("gmi", "lomma"):
        with pytest.raises(InputError, match="discriminator"):
            check_names(plain)
        with pytest.raises(InputError, match="discriminator"):
            make_attack(name, "reduced").check(faces.prior, SAMPLES)
    else:
        check_names(plain)
        make_attack(name, "reduced").check(faces.prior, SAMPLES)


# ---------------------------------------------------------------------------------- parts that do not fit together


WRONG = [
    ("ppa", {"access": "soft-label"}, "models TargetOnly needs white-box"),
    ("ppa", {"access": "hard-label"}, "init BestOfSamples needs soft-label"),
    ("clean_student", {"access": "hard-label"}, "needs soft-label"),
    ("lokt", {"selection": ByConfidence()}, "selection ByConfidence needs soft-label"),
    ("lokt", {"models": Students(labels="soft")}, "models Students needs soft-label"),
    ("lokt", {"maker": PseudoLabelGan()}, "maker PseudoLabelGan needs white-box"),
    ("brepmi", {"access": "soft-label"}, "hard labels alone"),
    ("cmaes", {"identity_loss": "poincare"}, "needs logits"),
    ("plgmi", {"prior_weight": 1.0}, "no discriminator"),
    ("ppa", {"identity_loss": "marginn"}, "margin"),
    ("ppa", {"candidates": 3}, "keeps 4 of only 3"),
    ("ifgmi", {"stages": make_attack("ifgmi", "reduced").stages[::-1]}, "goes back"),
    ("mirror_blackbox", {"stages": (Stage(steps=1, optimiser=Genetic()), Stage(steps=1, optimiser=Adam()))}, "models"),
]


@pytest.mark.parametrize(("name", "changes", "hint"), WRONG)
def test_parts_that_do_not_fit_are_one_line_when_they_are_put_together(name, changes, hint):
    with pytest.raises(InputError, match=hint) as caught:
        replace(make_attack(name, "reduced"), **changes)
    assert "\n" not in str(caught.value)
    # an unknown loss is named by itself
    assert str(caught.value).startswith("unknown identity loss" if hint == "margin" else f"attack '{name}'")


def test_an_attack_is_not_given_another_access_than_its_own(target, faces):
    for access in ("hard-label", "white-box"):
        with pytest.raises(InputError, match="soft-label"):
            make_attack("cmaes", "reduced").run(open_oracle(access, target, CPU), faces, torch.arange(2), 0)


def test_members_of_a_portfolio_have_one_access():
    members = (make_attack("ppa", "reduced"), make_attack("cmaes", "reduced"))
    with pytest.raises(InputError, match="different access"):
        Portfolio(name="both", budget="reduced", members=members, selection=ByConfidence(), keep=1)


def test_too_few_samples_to_start_from_are_named(target, faces):
    few = replace(faces, samples=render_samples(faces.prior, 3, 0, CPU))
    with pytest.raises(InputError, match=r"prior\.samples"):
        start(make_attack("ppa", "reduced"), target, few)


# ------------------------------------------------------------------------------------------------------ portfolios


def test_a_portfolio_returns_for_each_class_what_the_target_scores_highest(target, faces):
    base = replace(tiny(make_attack("ppa", "reduced")), keep=2)
    members = tuple(replace(base, name=n, identity_loss=n) for n in ("cross_entropy", "poincare"))
    members += (replace(base, name="start", stages=(Stage(steps=1, optimiser=Adam(0.001)),)),)
    rule = Portfolio(name="both", budget="reduced", members=members, selection=ByConfidence(), keep=2)
    result = start(rule, target, faces)
    alone = [start(member, target, faces) for member in members]
    oracle = open_oracle("white-box", target, CPU)
    for k in range(CLASSES):
        pool = torch.cat([a.images[k] for a in alone])
        sure = oracle.confidence(pool)[:, k]
        torch.testing.assert_close(result.confidence[k], sure.sort(descending=True).values[:2])
        torch.testing.assert_close(oracle.confidence(result.images[k])[:, k], result.confidence[k])
    pooled = CLASSES * 2 * len(members)
    assert result.forward_passes == sum(a.forward_passes for a in alone) + pooled
    assert result.backward_passes == sum(a.backward_passes for a in alone)


def test_a_portfolio_gives_each_image_its_own_latents_whatever_their_size(target, gan):
    kedmi = tiny(make_attack("kedmi", "reduced"))
    kedmi = replace(kedmi, keep=2, maker=replace(kedmi.maker, recipe=replace(kedmi.maker.recipe, latent_dim=5)))
    ppa = replace(tiny(make_attack("ppa", "reduced")), keep=2)
    rule = Portfolio(name="both", budget="reduced", members=(kedmi, ppa), selection=Last(), keep=4)
    result = start(rule, target, gan)
    assert result.latents.shape == (CLASSES, 4, 8)
    assert torch.isnan(result.latents).sum(2).tolist() == [[3, 3, 0, 0]] * CLASSES
    own = result.latents[:, 2:].flatten(0, 1)
    assert torch.equal(to_uint8(gan.prior.decode(own)), result.images[:, 2:].flatten(0, 1))


# ------------------------------------------------------------------------------------------------------ edge cases


@pytest.mark.parametrize("name", ["ppa", "mirror_blackbox", "cmaes", "brepmi", "ppdg", "taa"])
def test_one_class_and_one_candidate_are_enough(name, target, faces):
    attack = replace(tiny(make_attack(name, "reduced")), candidates=1, keep=1)
    result = start(attack, target, faces, torch.tensor([2]))
    assert result.images.shape == result.start_images.shape == (1, 1, 1, 16, 16)


def test_the_classes_that_were_asked_for_are_attacked_in_their_order(target, faces):
    attack = replace(make_attack("ppa", "reduced"), selection=ByConfidence())
    result = start(attack, target, faces, torch.tensor([3, 1]))
    sure = open_oracle("white-box", target, CPU).confidence(result.images[:, 0])
    torch.testing.assert_close(torch.stack([sure[0, 3], sure[1, 1]]), result.confidence[:, 0], atol=0.05, rtol=0)
    assert sure.argmax(1).tolist() == [3, 1]


def test_the_best_stage_is_the_one_that_the_target_scores_highest_on_the_mean(target, gan):
    attack = tiny(make_attack("ifgmi", "reduced"))
    assert gan.prior.blocks == len(attack.stages) - 1
    result = start(attack, target, gan)
    ends = [
        start(replace(attack, stages=attack.stages[:n], best_stage=False, keep=8), target, gan)
        for n in range(1, gan.prior.blocks + 1)
    ]
    best = max(ends, key=lambda end: float(end.confidence.mean()))
    assert torch.equal(result.images, best.images[:, : attack.keep])


def test_stages_that_the_prior_has_no_block_for_are_left_out(target, faces):
    attack = tiny(make_attack("ifgmi", "reduced"))
    result = start(attack, target, faces)
    assert faces.prior.blocks == 2
    assert result.backward_passes == 2 * 3 * CLASSES * attack.candidates
    assert result.backward_passes < attack.passes(CLASSES, SAMPLES).backward
    with pytest.raises(InputError, match="block 2"):
        start(replace(attack, stages=attack.stages[2:]), target, faces)


def test_looking_on_changes_nothing(target, gan):
    attack = tiny(make_attack("kedmi", "reduced"))
    oracle = open_oracle("white-box", target, CPU)
    seen = []
    watched = attack.run_scored(oracle, gan, torch.arange(4), 0, lambda step, latents: seen.append((step, latents)))
    assert [step for step, _ in seen] == [1, 2, 3]
    assert all(latents.shape == (4 * 5, 8) for _, latents in seen)
    assert torch.equal(watched.images, start(attack, target, gan).images)


class Always(nn.Module):
    """A target that sees class 0 in everything."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(256, CLASSES)
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, 0.0)
        self.head.bias.data[0] = 20.0

    def forward(self, images):
        return self.head(images.flatten(1))


def test_a_search_ends_once_every_class_is_solved(faces):
    attack = make_attack("mirror_blackbox", "reduced")
    result = start(attack, Always(), faces, torch.tensor([0]))
    assert result.forward_passes == 2 * SAMPLES + 40 + attack.candidates
    assert result.confidence.min() > 0.99


def test_a_class_that_no_sample_reaches_starts_anywhere_and_is_returned_unsolved(faces):
    attack = tiny(make_attack("brepmi", "reduced"))
    result = start(attack, Always(), faces, torch.tensor([0, 3]))
    assert result.confidence[0].tolist() == [1.0] * 4
    assert result.confidence[1].tolist() == [0.0] * 4
    assert result.forward_passes == attack.passes(2, SAMPLES).forward


def test_rejection_starts_in_the_class_and_repeats_what_it_has(target, faces):
    oracle = open_oracle("hard-label", target, CPU)
    classes = torch.arange(CLASSES)
    found = RejectToLabel()(oracle, faces, classes, 3, seed=0)
    labels = oracle.labels(to_uint8(faces.prior.decode(found.flatten(0, 1)))).view(CLASSES, 3)
    reached = oracle.labels(torch.from_numpy(faces.samples.images)).unique()
    assert len(reached) >= 2
    assert (labels[reached] == reached[:, None]).all()
    hits = int((oracle.labels(torch.from_numpy(faces.samples.images)) == reached[0]).sum())
    many = RejectToLabel(draws=0)(oracle, faces, reached[:1], hits + 2, seed=0)[0]
    assert torch.equal(many[hits:], many[:2])
    assert len(many[:hits].unique(dim=0)) == hits


def test_best_of_samples_for_a_conditional_prior_ranks_each_classs_own_images(target, gan):
    oracle = open_oracle("soft-label", target, CPU, CLASSES)
    maker = TargetAssistedGan(replace(TargetAssistedGan().recipe, **TINY_GAN))
    own = maker.make(oracle, gan, CLASSES, 0)
    rule = BestOfSamples(per_class=20)
    classes, before = torch.tensor([3, 1]), oracle.forward_passes
    found = rule(oracle, own, classes, 4, seed=0)
    assert oracle.forward_passes - before == rule.passes(2, 4, SAMPLES, conditional=True) == 2 * 2 * 20
    everything = rule(oracle, own, classes, 20, seed=0)
    assert torch.equal(found, everything[:, :4])
    labels = classes.repeat_interleave(20)
    images = to_uint8(own.prior.decode(everything.flatten(0, 1), labels))
    score = (oracle.confidence(images) + oracle.confidence(images.flip(3))).gather(1, labels[:, None]).view(2, 20)
    assert (score.diff(dim=1) <= 1e-6).all()


def test_hard_labels_over_views_are_the_share_of_views_in_the_class(target, faces):
    oracle, rule = open_oracle("hard-label", target, CPU), LabelOverViews(count=5)
    images, labels = torch.from_numpy(faces.samples.images[:9]).float() / 255, torch.arange(9) % CLASSES
    got = rule(oracle, images, labels, torch.Generator().manual_seed(0))
    random = torch.Generator().manual_seed(0)
    share = sum((oracle.labels(rule.view(images, random)) == labels).float() for _ in range(5)) / 5
    torch.testing.assert_close(got, share)


def test_spheres_find_a_class_on_hard_labels_alone(target, faces):
    """End to end on a real target: what is returned is recognised in more views than where it started."""
    rule = SphereRepulsion(points=16, radius=0.5, patience=10)
    attack = replace(make_attack("brepmi", "reduced"), stages=(Stage(steps=25, optimiser=rule, constraint=Clamp(3.0)),))
    result = start(attack, target, faces)
    oracle = open_oracle("hard-label", target, CPU)
    own = torch.arange(CLASSES).repeat_interleave(4)
    score = lambda images: attack.selection(  # noqa: E731
        oracle, images.flatten(0, 1).float() / 255, own, torch.Generator().manual_seed(1)
    ).mean()
    assert score(result.images) > score(result.start_images) + 0.05
