"""Identity losses against NumPy, and how an objective puts them together."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from mi_tune.attacks.losses import LOSSES, check_loss, cross_entropy, logit, margin, poincare
from mi_tune.attacks.objective import FeatureMatch, GradientObjective, HardLabelObjective, SoftLabelObjective
from mi_tune.attacks.oracle import HardLabel, SoftLabel, WhiteBox
from mi_tune.attacks.views import Flip, GaussianNoise, Identity, RandomCrop
from mi_tune.nets import create_classifier
from mi_tune.priors.base import Prior
from mi_tune.runtime.errors import InputError

CPU = torch.device("cpu")
LOGITS = np.array([[2.0, -1.0, 0.5], [0.1, 3.0, -2.0], [-4.0, -4.5, 1.0]])
LABELS = np.array([0, 2, 1])


def of(loss) -> np.ndarray:
    return loss(torch.tensor(LOGITS), torch.tensor(LABELS)).numpy()


def test_cross_entropy_is_minus_the_logarithm_of_the_softmax():
    expected = [-math.log(math.exp(r[y]) / np.exp(r).sum()) for r, y in zip(LOGITS, LABELS, strict=True)]
    np.testing.assert_allclose(of(cross_entropy), expected)


def test_logit_is_minus_the_logit_of_the_label():
    np.testing.assert_allclose(of(logit), [-2.0, 2.0, 4.5])


def test_margin_is_the_best_other_logit_minus_the_labels():
    np.testing.assert_allclose(of(margin), [0.5 - 2.0, 3.0 + 2.0, 1.0 + 4.5])


def test_poincare_equals_the_hyperbolic_distance_written_out_in_numpy():
    for row, label, value in zip(LOGITS, LABELS, of(poincare), strict=True):
        u = row / np.abs(row).sum()
        v = np.zeros(3)
        v[label] = 0.9999
        ratio = ((u - v) ** 2).sum() / ((1 - (u**2).sum()) * (1 - (v**2).sum()))
        assert value == pytest.approx(math.acosh(1 + 2 * ratio), rel=1e-6)


def test_poincare_still_pulls_where_cross_entropy_has_stopped():
    logits = torch.tensor([[40.0, 0.0, -5.0]], requires_grad=True)
    label = torch.tensor([0])
    (flat,) = torch.autograd.grad(cross_entropy(logits, label).sum(), logits)
    (pull,) = torch.autograd.grad(poincare(logits, label).sum(), logits)
    assert flat.abs().max() < 1e-6 < 1e-3 < pull.abs().max()


@pytest.mark.parametrize("logits", [[[0.0, 0.0, 0.0]], [[1e4, 0.0, 0.0]], [[-1e4, 0.0, 0.0]]])
@pytest.mark.parametrize("name", LOSSES)
def test_extreme_logits_have_finite_losses_and_gradients(name, logits):
    x = torch.tensor(logits, requires_grad=True)
    loss = LOSSES[name](x, torch.tensor([0])).sum()
    (gradient,) = torch.autograd.grad(loss, x)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()


def test_an_unknown_loss_is_one_line_with_near_names():
    with pytest.raises(InputError, match="margin") as caught:
        check_loss("margn")
    assert "\n" not in str(caught.value)


# -------------------------------------------------------------------------------------------------- objectives


class Plain(Prior):
    """Of a prior an objective asks its realism alone."""

    name = "plain"


def member(seed: int = 0) -> WhiteBox:
    return WhiteBox(create_classifier("small_cnn", 3, 1, 16, seed).eval(), CPU)


def images(n: int = 4) -> torch.Tensor:
    return torch.rand(n, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def random() -> torch.Generator:
    return torch.Generator().manual_seed(5)


Y, WHOLE = torch.tensor([0, 1, 2, 1]), (Identity(),)


def objective(members=None, views=WHOLE, worst=1.0, loss="logit", weight=1.0, match=None, mean=None, prior=None):
    return GradientObjective(
        members or [member()], prior or Plain(), loss, weight, views, worst, 1.0 if prior else 0.0, match, mean
    )


def test_several_models_count_as_the_mean_of_their_losses():
    models = [member(k) for k in range(3)]
    got = objective(models, loss="cross_entropy")(images(), Y, random())
    expected = np.mean([cross_entropy(m.logits(images()), Y).numpy() for m in models], axis=0)
    np.testing.assert_allclose(got.loss, expected, rtol=1e-5)
    torch.testing.assert_close(got.confidence, models[0].confidence(images()).gather(1, Y[:, None])[:, 0])


def test_several_views_count_as_the_mean_of_single_views_with_the_same_draws():
    views = (RandomCrop((0.5, 0.9)), Flip(), GaussianNoise(0.1))
    model, stream = member(), random()
    each = [objective([model], (view,))(images(), Y, stream) for view in views]
    got = objective([model], views)(images(), Y, random())
    torch.testing.assert_close(got.loss, torch.stack([e.loss for e in each]).mean(0))
    torch.testing.assert_close(got.confidence, torch.stack([e.confidence for e in each]).mean(0))


@pytest.mark.parametrize(("worst", "kept"), [(0.25, 1), (0.5, 2), (0.75, 3), (0.01, 1)])
def test_the_worst_share_averages_exactly_the_highest_losses_of_each_candidate(worst, kept):
    views = (GaussianNoise(0.5),) * 4
    model, stream = member(), random()
    each = np.stack([objective([model], (view,))(images(), Y, stream).loss.numpy() for view in views])
    got = objective([model], views, worst)(images(), Y, random()).loss.numpy()
    np.testing.assert_allclose(got, np.sort(each, axis=0)[::-1][:kept].mean(0), rtol=1e-5)


def test_the_identity_weight_multiplies_and_the_prior_loss_is_minus_the_realism():
    class Bright(nn.Module):
        def forward(self, x):
            return x.mean((1, 2, 3))

    prior = Plain()
    prior.realism = Bright()
    plain = objective()(images(), Y, random()).loss
    got = objective(weight=7.0, prior=prior)(images(), Y, random()).loss
    torch.testing.assert_close(got, 7 * plain - images().mean((1, 2, 3)))


def test_feature_matching_is_part_of_the_first_models_identity_loss():
    models = [member(0), member(1)]
    mean = models[0].answer(images(7), features=True).features.mean(0)
    features = models[0].answer(images(), features=True).features
    away = ((features - mean) ** 2).mean(1)
    plain = objective(models, weight=10.0)(images(), Y, random()).loss
    got = objective(models, weight=10.0, match=FeatureMatch(3.0), mean=mean)(images(), Y, random()).loss
    torch.testing.assert_close(got, plain + 10 * 3 * away / 2)


def test_the_gradient_of_feature_matching_points_away_from_the_public_mean():
    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(256, 3)
            nn.init.zeros_(self.head.weight)

        def forward(self, x):
            return self.head(x.flatten(1))

    mean, x = torch.rand(256), images().requires_grad_(True)
    worth = objective([WhiteBox(Linear(), CPU)], match=FeatureMatch(2.0), mean=mean)(x, Y, random())
    (gradient,) = torch.autograd.grad(worth.loss.sum(), x)
    # the features are the pixels and the logits do not move: d/dx 2 * mean((x - mu)^2) = 4 (x - mu) / 256
    torch.testing.assert_close(gradient.flatten(1), 4 * (x.detach().flatten(1) - mean) / 256)


@pytest.mark.parametrize("loss", [cross_entropy, margin])
def test_soft_labels_give_the_losses_that_do_not_feel_a_constant_in_the_logits(loss):
    model = member()
    soft = SoftLabelObjective(SoftLabel(model.copy(), CPU), loss.__name__, (Identity(),))
    got = soft(images(), Y, random())
    torch.testing.assert_close(got.loss, loss(model.logits(images()), Y), atol=1e-4, rtol=1e-4)


def test_on_hard_labels_the_loss_is_the_share_of_views_that_leave_the_class():
    oracle = HardLabel(member().copy(), CPU)
    views = (Identity(), GaussianNoise(3.0), GaussianNoise(3.0), GaussianNoise(3.0))
    got = HardLabelObjective(oracle, views)(images(), Y, random())
    stream = random()
    left = [(oracle.labels(view(images(), stream)) != Y).numpy() for view in views]
    np.testing.assert_allclose(got.loss, np.mean(left, axis=0))
    np.testing.assert_allclose(got.confidence, 1 - np.mean(left, axis=0))
    assert 0 < got.loss.mean() < 1
