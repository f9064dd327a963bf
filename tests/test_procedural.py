"""Drawn faces: the drawing, the people in a bank, the prior that is the drawing, and the error without a judge."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from conftest import make_bank, write_image_folder
from synthetic_study import write_study
from torch import Tensor, nn

from analysis import load_study
from mi_tune import assets
from mi_tune.assets import check_names, load_data
from mi_tune.data import procedural_banks
from mi_tune.data.procedural import IDENTITY, NUISANCE, draw_identities, neutral, photograph, render
from mi_tune.erasing import NO_DEFENCE
from mi_tune.errors import InputError
from mi_tune.evaluation import LawEvaluation
from mi_tune.judging import IdentityRegressor, RegressorRecipe, identity_errors, train_regressor
from mi_tune.priors import ProceduralPrior
from mi_tune.seeds import generator
from mi_tune.setup import make_setup
from mi_tune.study.table import ADDED

CPU = torch.device("cpu")
TINY = {
    "data": {"source": "procedural", "private_identities": 4, "public_identities": 6, "resolution": 16},
    "target": {"epochs": 2, "report_every": 1, "replicates": 2},
    "judge": {"epochs": 2, "regressor_steps": 3},
    "prior": {"kind": "procedural", "samples": 40},
}
QUICK = RegressorRecipe(steps=350, batch_size=64, width=8)


def people(n: int, seed: int = 0) -> Tensor:
    return draw_identities(n, generator(seed, "test"))


def with_nuisance(n: int, **values: float) -> Tensor:
    nuisance = neutral(n)
    for name, value in values.items():
        nuisance[:, list(NUISANCE).index(name)] = value
    return nuisance


# --------------------------------------------------------------------------------------------------- the drawing


@pytest.mark.parametrize("resolution", [16, 32, 50])
def test_faces_fill_the_range_of_grey_but_never_leave_it(resolution):
    images = render(people(20), torch.rand(20, len(NUISANCE), generator=generator(1, "test")), resolution)
    assert images.shape == (20, 1, resolution, resolution)
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.std((1, 2, 3)).min() > 0.08


def test_gradients_agree_with_finite_differences():
    identity = (0.1 + 0.8 * people(2)).double().requires_grad_(True)
    nuisance = torch.rand(2, len(NUISANCE), generator=generator(1, "test")).double().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda i, v: render(i, v, 12), (identity, nuisance), eps=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", list(IDENTITY))
def test_every_identity_parameter_shows_at_32_px(name):
    ends = people(50).repeat(2, 1)
    ends[:, list(IDENTITY).index(name)] = torch.tensor([0.0, 1.0]).repeat_interleave(50)
    low, high = render(ends, neutral(100), 32).chunk(2)
    changed = (low - high).abs().amax((1, 2, 3))
    # in nearly all people, by much more than the rounding of a pixel
    assert changed.quantile(0.1) > 15 / 255


@pytest.mark.parametrize("name", list(NUISANCE))
def test_every_nuisance_changes_the_photograph_both_ways(name):
    identity = people(10)
    plain = render(identity, neutral(10), 32)
    ways = [render(identity, with_nuisance(10, **{name: value}), 32) - plain for value in (0.0, 1.0)]
    for way in ways:
        assert (way.abs().amax((1, 2, 3)) > 10 / 255).all()
    assert ((ways[0] - ways[1]).abs().amax((1, 2, 3)) > 10 / 255).all()


def test_a_neutral_face_is_its_own_mirror_image():
    images = render(people(10), neutral(10), 32)
    torch.testing.assert_close(images, images.flip(3), atol=1e-5, rtol=0)


def test_a_mirrored_nuisance_gives_the_mirror_image():
    sideways = [list(NUISANCE).index(name) for name in ("shift_x", "rotation", "turn", "light_x")]
    nuisance = torch.rand(10, len(NUISANCE), generator=generator(2, "test"))
    mirrored = nuisance.clone()
    mirrored[:, sideways] = 1 - mirrored[:, sideways]
    images = render(people(10), nuisance, 32)
    torch.testing.assert_close(render(people(10), mirrored, 32), images.flip(3), atol=1e-4, rtol=0)


def test_a_shift_of_one_pixel_moves_every_pixel_by_one():
    value = 0.5 + (2 / 32) / (2 * NUISANCE["shift_x"])
    moved = render(people(5), with_nuisance(5, shift_x=value), 32)
    torch.testing.assert_close(moved[..., 1:], render(people(5), neutral(5), 32)[..., :-1], atol=1e-4, rtol=0)


def test_brightness_multiplies_every_pixel():
    plain = render(people(5), neutral(5), 32)
    lit = render(people(5), with_nuisance(5, brightness=0.75), 32)
    torch.testing.assert_close(lit, (plain * (1 + NUISANCE["brightness"] / 2)).clamp(max=1))


def test_an_image_depends_on_its_own_row_alone():
    identity, nuisance = people(6), torch.rand(6, len(NUISANCE), generator=generator(3, "test"))
    together = render(identity, nuisance, 24)
    assert torch.equal(render(identity[2:3], nuisance[2:3], 24), together[2:3])


def test_a_face_is_the_same_at_another_resolution_but_for_its_edges():
    fine = torch.nn.functional.avg_pool2d(render(people(10), neutral(10), 64), 2)
    assert (fine - render(people(10), neutral(10), 32)).abs().mean() < 0.03


# ------------------------------------------------------------------------------------------------------ the bank


def test_a_bank_has_the_people_and_photographs_that_were_asked_for():
    private, public, parameters = procedural_banks(5, 7, 4, 16, 0)
    assert np.bincount(private.labels).tolist() == [4] * 5
    assert np.bincount(public.labels).tolist() == [4] * 7
    assert private.images.dtype == np.uint8
    assert private.images.shape == (20, 1, 16, 16)
    assert parameters.shape == (5, len(IDENTITY))
    assert parameters.dtype == np.float32


def test_nobody_is_private_and_public():
    private, public, parameters = procedural_banks(20, 20, 3, 16, 0)
    assert not set(private.names) & set(public.names)
    # the public people as they would be if they were drawn from the private stream
    same = procedural_banks(20, 20, 3, 16, 0)[2]
    assert np.array_equal(parameters, same)
    average = lambda bank: bank.images.reshape(20, 3, -1).mean(1)  # noqa: E731
    apart = np.abs(average(private)[:, None] - average(public)[None]).mean(2)
    assert apart.min() > 4


def test_a_seed_gives_the_same_images_and_another_one_other_people():
    before = torch.get_rng_state()
    once, again, other = (procedural_banks(4, 4, 3, 16, seed) for seed in (0, 0, 1))
    assert once[0].fingerprint() == again[0].fingerprint()
    assert once[1].fingerprint() == again[1].fingerprint()
    assert not np.isclose(once[2], other[2]).any(1).all()
    assert np.abs(once[2] - other[2]).max(1).min() > 0.1
    assert torch.equal(before, torch.get_rng_state())


def test_the_first_people_do_not_change_with_how_many_there_are():
    few, many = procedural_banks(3, 3, 3, 16, 0)[2], procedural_banks(50, 3, 3, 16, 0)[2]
    assert np.array_equal(few, many[:3])


def test_people_are_uniform_in_every_parameter():
    parameters = procedural_banks(4000, 2, 1, 16, 0)[2]
    assert np.abs(parameters.mean(0) - 0.5).max() < 0.03
    assert np.abs(parameters.var(0) - 1 / 12).max() < 0.01
    assert np.abs(np.corrcoef(parameters.T) - np.eye(len(IDENTITY))).max() < 0.07


def test_the_parameters_are_those_of_the_people_in_the_images():
    private, _, parameters = procedural_banks(10, 2, 20, 32, 0)
    centred = lambda x: x - x.mean(1, keepdims=True)  # noqa: E731
    seen = centred(private.images.reshape(10, 20, -1).mean(1))
    others = photograph(torch.from_numpy(parameters).repeat_interleave(20, 0), 32, generator(9, "test"))
    drawn = centred(others.numpy().reshape(10, 20, -1).mean(1) * 255)
    gap = np.abs(seen[:, None] - drawn[None]).mean(2)
    assert gap.argmin(1).tolist() == list(range(10))


def test_photographs_of_a_person_differ():
    images = photograph(people(1).repeat(8, 1), 32, generator(0, "test"))
    gap = (images[:, None] - images[None]).abs().mean((2, 3, 4))
    assert gap[~torch.eye(8, dtype=torch.bool)].min() > 0.03


def test_the_noise_of_a_photograph_is_as_strong_as_it_says():
    dull = torch.full((1, len(IDENTITY)), 0.5).repeat(400, 1)
    noisy, clean = (photograph(dull, 16, generator(0, "test"), level) for level in (0.04, 0.0))
    inside = (clean > 0.2) & (clean < 0.8)
    assert float((noisy - clean)[inside].std()) == pytest.approx(0.04, rel=0.03)


# ----------------------------------------------------------------------------------------------------- the setup


def test_a_setup_of_drawn_faces_brings_the_parameters_of_its_private_people():
    data = load_data(make_setup(TINY, "test"), 3)
    assert (data.private.identities, data.public.identities) == (4, 6)
    assert np.array_equal(data.identity_parameters, procedural_banks(4, 6, 10, 16, 3)[2])
    parts = [data.split.train, data.split.val, data.split.test]
    assert sorted(np.concatenate(parts).tolist()) == list(range(40))


def test_photographs_have_no_parameters(tmp_path):
    folder = write_image_folder(make_bank(4, size=16), tmp_path / "people")
    setup = make_setup({"data": {"source": "folder", "private": str(folder), "resolution": 16}}, "test")
    assert load_data(setup, 0).identity_parameters is None


WRONG = [
    ({"source": "procedural", "private": "/x"}, "take no folders"),
    ({"source": "procedural", "public": "/x"}, "take no folders"),
    ({"source": "procedural", "channels": 3}, "are grey"),
    ({"source": "procedural", "resolution": 200}, "128"),
    ({"source": "procedural", "images_per_identity": 2}, "data.images_per_identity"),
    ({"source": "procedural", "public_identities": 1}, "data.public_identities"),
    ({"source": "orl", "public_identities": 10}, "public_identities belongs to source 'procedural'"),
    ({"source": "orl", "images_per_identity": 10}, "images_per_identity belongs to source 'procedural'"),
    ({"source": "folder", "private": "/x", "images_per_identity": 5}, "images_per_identity belongs to"),
]


@pytest.mark.parametrize(("data", "hint"), WRONG, ids=[f"{d['source']}: {hint}" for d, hint in WRONG])
def test_what_does_not_fit_drawn_faces_is_named(data, hint):
    with pytest.raises(InputError, match=hint) as caught:
        make_setup({"data": data}, "my.yaml")
    assert "\n" not in str(caught.value)


def test_drawn_faces_may_be_said_to_be_grey():
    assert make_setup({"data": {"source": "procedural", "channels": 1}}, "x").data.channels == 1


def test_the_drawing_is_no_prior_for_other_faces():
    with pytest.raises(InputError, match=r"'procedural'.*'orl'") as caught:
        check_names(make_setup({}, "my.yaml", {"prior.kind": "procedural"}))
    assert "\n" not in str(caught.value)


# ----------------------------------------------------------------------------------------------------- the prior


def test_the_prior_draws_the_people_that_its_latents_stand_for():
    prior = ProceduralPrior(32)
    latents = prior.sample_latents(6, generator(0, "test"))
    expected = render(prior.identity(latents), neutral(6), 32)
    assert torch.equal(prior.decode(latents), expected)
    assert torch.equal(prior.decode(latents, torch.arange(6)), expected)
    assert (prior.channels, prior.resolution, prior.conditional) == (1, 32, False)


def test_samples_of_the_prior_have_the_distribution_of_the_people():
    prior = ProceduralPrior(16)
    identity = prior.identity(prior.sample_latents(5000, generator(0, "test")))
    quartiles = identity.quantile(torch.tensor([0.25, 0.5, 0.75]), dim=0)
    assert (quartiles - torch.tensor([[0.25], [0.5], [0.75]])).abs().max() < 0.03


def test_every_private_person_has_a_latent():
    parameters = torch.from_numpy(procedural_banks(20, 2, 1, 16, 0)[2])
    latents = torch.special.ndtri(parameters)
    torch.testing.assert_close(ProceduralPrior(16).identity(latents), parameters)


def test_following_the_prior_s_gradient_finds_a_person_from_the_image_alone():
    prior, true = ProceduralPrior(24), people(4, seed=5)
    wanted = render(true, neutral(4), 24)
    latents = torch.zeros(4, prior.latent_dim, requires_grad=True)
    adam = torch.optim.Adam([latents], lr=0.1)
    for _ in range(200):
        loss = (prior.decode(latents) - wanted).square().sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
    error = (prior.identity(latents.detach()) - true).square().mean().sqrt()
    assert error < 0.35 * (0.5 - true).square().mean().sqrt()


def test_an_attacker_with_the_drawing_is_made_without_training_and_keyed():
    setup = make_setup(TINY, "test")
    data = load_data(setup, 0)
    ground = assets.prepare_ground(setup, data, 0, CPU)
    assert ground.prior.name == "procedural"
    assert ground.samples.images.shape == (40, 1, 16, 16)
    other = make_setup(TINY, "test", {"prior.kind": "eigenface"})
    assert assets.prepare_ground(other, data, 0, CPU).key != ground.key


# ------------------------------------------------------------------------------------------ error without a judge


class ReadsPixels(nn.Module):
    """A perfect instrument for images whose first pixels are the parameters."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, : len(IDENTITY)]


def written(identity: Tensor) -> Tensor:
    images = torch.zeros(*identity.shape[:-1], 16 * 16)
    images[..., : len(IDENTITY)] = identity
    return images.view(*identity.shape[:-1], 1, 16, 16)


def perfect_regressor(share: np.ndarray | None = None) -> IdentityRegressor:
    share = np.ones(len(IDENTITY), dtype=np.float32) if share is None else share
    first, second = people(4000, seed=8), people(4000, seed=9)
    scale = float((first - second).square().mean(1).sqrt().mean())
    return IdentityRegressor(ReadsPixels(), share, scale, 0.0, 0.0, "perfect")


def errors_of(shown: Tensor, parameters: Tensor, **more):
    """Errors of images (classes, kept) that show the people `shown`."""
    classes = torch.arange(len(parameters))
    return identity_errors(perfect_regressor(), written(shown), parameters.numpy(), classes, CPU, **more)


def test_the_very_person_has_error_0_and_is_identified():
    true = people(12)
    found = errors_of(true[:, None].expand(-1, 3, -1), true)
    assert found.error.shape == found.rank.shape == (12, 3)
    assert np.abs(found.error).max() < 1e-6
    assert (found.rank == 0).all()
    assert (found.identified == 1).all()


def test_random_people_have_error_1_and_are_identified_by_chance():
    true = people(200)
    found = errors_of(people(200 * 20, seed=1).view(200, 20, -1), true)
    assert found.summary().value == pytest.approx(1, abs=0.02)
    assert found.summary().low < 1 < found.summary().high
    assert found.identified.mean() < 0.02


def test_the_mean_face_is_nearer_to_everybody_than_a_random_person_is():
    # uniform parameters: variance 1/12 about the mean, 1/6 about one another
    true = people(500)
    found = errors_of(torch.full((500, 1, len(IDENTITY)), 0.5), true)
    assert found.error.mean() == pytest.approx(np.sqrt(0.5), abs=0.02)


def test_errors_grow_with_the_distance_from_the_person():
    true, other = people(30), people(30, seed=1)
    steps = [errors_of(torch.lerp(true, other, w)[:, None], true).error for w in (0.0, 0.25, 0.5, 1.0)]
    assert all((b > a).all() for a, b in itertools.pairwise(steps))
    assert np.allclose(steps[2], 2 * steps[1], rtol=1e-3)


def test_the_rank_counts_who_is_nearer():
    true = torch.linspace(0, 1, 6)[:, None].expand(6, len(IDENTITY))
    shown = true[[0, 0, 0, 0, 0, 0]][:, None]
    assert errors_of(shown, true).rank[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    gallery = torch.tensor([[0.1] * len(IDENTITY), [0.9] * len(IDENTITY)]).numpy()
    # one more is nearer to the first person than all but himself, the other than the last alone
    assert errors_of(shown, true, gallery=gallery).rank[:, 0].tolist() == [0, 2, 3, 4, 5, 7]


def test_attacked_classes_need_not_be_all_private_people():
    true = people(9)
    found = identity_errors(
        perfect_regressor(), written(true[[7, 2]][:, None]), true.numpy(), torch.tensor([7, 2]), CPU
    )
    assert (found.rank == 0).all()


def test_a_parameter_that_cannot_be_recovered_does_not_count():
    share = np.ones(len(IDENTITY), dtype=np.float32)
    share[3] = 0
    instrument = perfect_regressor(share)
    first, second = people(5), people(5)
    second[:, 3] = 1 - second[:, 3]
    assert instrument.error(first, second).abs().max() == 0
    second[:, 4] += 0.1
    assert (instrument.error(first, second) > 0).all()


@pytest.fixture(scope="module")
def regressor(tmp_path_factory) -> IdentityRegressor:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MI_TUNE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return train_regressor(16, QUICK, CPU)


def test_the_regressor_recovers_fresh_people_much_better_than_chance(regressor):
    identity = people(500, seed=12)
    recovered = regressor.recover(photograph(identity, 16, generator(13, "test")), CPU)
    squared = (recovered - identity).square().mean(0)
    assert (squared < 0.5 / 12).sum() >= 5  # parameters of whose variance more than half is recovered
    own = regressor.error(recovered, identity).mean()
    assert own < 0.75 * regressor.error(recovered, identity.roll(1, 0)).mean()
    # as the regressor says of itself
    assert float(own) == pytest.approx(regressor.photograph_error, rel=0.05)
    assert regressor.recovered_share == pytest.approx((1 - 12 * squared).clamp(min=0).numpy(), abs=0.12)


def test_one_s_own_rendering_is_near_and_a_random_person_s_is_at_1(regressor):
    true = people(300, seed=14)
    shown = render(torch.cat([true, people(300, seed=15)]), neutral(600), 16)[:, None]
    ours, theirs = (
        identity_errors(regressor, images, true.numpy(), torch.arange(300), CPU) for images in shown.chunk(2)
    )
    assert ours.summary().value == pytest.approx(regressor.neutral_error, rel=0.1)
    assert theirs.summary().value == pytest.approx(1, abs=0.03)
    assert ours.summary().value < 0.6
    assert ours.identified.mean() > 20 / 300 > theirs.identified.mean()


def test_the_regressor_is_trained_once_and_another_recipe_is_another_one(monkeypatch):
    recipe = RegressorRecipe(steps=2, batch_size=8, width=8)
    first = train_regressor(16, recipe, CPU)
    monkeypatch.setattr("mi_tune.judging.regressor.fit_regressor", lambda *a: pytest.fail("trained again"))
    again = train_regressor(16, recipe, CPU)
    images = render(people(3), neutral(3), 16)
    torch.testing.assert_close(first.recover(images, CPU), again.recover(images, CPU))
    assert (again.key, again.random_distance) == (first.key, first.random_distance)
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        train_regressor(16, RegressorRecipe(steps=3, batch_size=8, width=8), CPU)


# ------------------------------------------------------------------------------------------------------ in a trial


def evaluated(setup, data) -> LawEvaluation:
    evaluation = LawEvaluation(setup, data, NO_DEFENCE, 0, CPU)
    while not evaluation.trained:
        evaluation.train_block()
    judge, attacker = assets.prepare_judge(setup, data, 0, CPU), assets.prepare_attacker(setup, data, 0, CPU)
    while not evaluation.finished:
        evaluation.attack_next(attacker, judge)
    return evaluation


def test_a_trial_on_drawn_faces_says_how_far_it_came_without_a_judge(tmp_path):
    setup = make_setup(TINY, "test")
    data = load_data(setup, 0)
    evaluation = evaluated(setup, data)
    record = evaluation.attack_record()
    assert {name for name in ADDED if "identi" in name} <= set(record)
    assert record["identity_error_low"] <= record["identity_error"] <= record["identity_error_high"]
    assert record["start_identity_error"] > 0
    assert 0 <= record["identification_rate"] <= 1

    # by hand, from the reconstructions of the first replicate
    regressor = assets.prepare_judge(setup, data, 0, CPU).regressor
    recovered = regressor.recover(evaluation.first[0].images.flatten(0, 1), CPU).view(4, -1, len(IDENTITY))
    away = recovered - torch.from_numpy(data.identity_parameters)[:, None]
    weights = regressor.recovered_share / regressor.recovered_share.sum()
    by_hand = np.sqrt((away.numpy() ** 2 * weights).sum(2)).mean(1) / regressor.random_distance
    assert evaluation.attacked[0]["per_class_error"] == pytest.approx(by_hand.tolist(), rel=1e-4)
    evaluation.write_artefacts(tmp_path)
    assert "identity_error" in (tmp_path / "per_class.csv").read_text().splitlines()[0]


def test_a_trial_on_photographs_says_nothing_of_the_kind(tmp_path):
    folders = {
        "data.private": str(write_image_folder(make_bank(4, size=16), tmp_path / "private")),
        "data.public": str(write_image_folder(make_bank(6, size=16, seed=1), tmp_path / "public")),
    }
    values = {**TINY, "data": {"source": "folder", "resolution": 16}, "prior": {"samples": 40}}
    setup = make_setup(values, "test", folders)
    assert not set(ADDED) & set(evaluated(setup, load_data(setup, 0)).attack_record())


def test_studies_from_before_there_were_drawn_faces_can_still_be_read(tmp_path):
    folder = write_study(tmp_path / "old")
    import pandas as pd

    table = pd.read_parquet(folder / "trials.parquet")
    table.drop(columns=list(ADDED)).to_parquet(folder / "trials.parquet", index=False)
    study = load_study(folder)
    assert study.trials[list(ADDED)].isna().all(axis=None)
    assert study.trials.attack_accuracy.equals(load_study(write_study(tmp_path / "new")).trials.attack_accuracy)
