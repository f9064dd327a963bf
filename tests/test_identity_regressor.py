"""The trained regressor: how well it recovers people from their images, and that it is trained only once."""

from __future__ import annotations

import pytest
import torch
from drawn_people import people

from mi_tune.data.procedural import neutral, photograph, render
from mi_tune.judging import IdentityRegressor, RegressorRecipe, identity_errors, train_regressor
from mi_tune.runtime.seeds import generator

CPU = torch.device("cpu")
QUICK = RegressorRecipe(steps=350, batch_size=64, width=8)


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
