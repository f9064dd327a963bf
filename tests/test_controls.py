"""Controls do what their papers say to images and labels, as much of it as asked, and nothing else."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from mi_tune.defences.controls import (
    CONTROLS,
    Control,
    CutMix,
    GaussianNoise,
    GridMask,
    Hiding,
    Mixup,
    PixelDropout,
    cutout,
)
from mi_tune.erasing import NO_DEFENCE
from mi_tune.runtime.errors import InputError

KINDS = list(CONTROLS.values())
HIDING = [GridMask, PixelDropout]
MIXING = [CutMix, Mixup]
GREY = (0.4, 0.5, 0.6)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(n: int = 12, height: int = 16, width: int = 16, channels: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random images, each a class of its own, as probabilities."""
    return torch.rand(n, channels, height, width, generator=stream(seed)), torch.eye(n)


def ready(kind: type[Control], strength: float | None = None) -> Control:
    return kind(kind.steps[1] if strength is None else strength).resolved(GREY)


# All controls


@pytest.mark.parametrize("kind", KINDS)
def test_strength_zero_changes_nothing(kind):
    images, labels = batch()
    after, targets = ready(kind, 0.0)(images, labels, stream(1))
    assert torch.equal(after, images)
    assert torch.equal(targets, labels)


@pytest.mark.parametrize("kind", KINDS)
def test_the_stream_decides_and_neither_the_input_nor_the_global_stream_is_touched(kind):
    images, labels = batch()
    before = images.clone(), labels.clone(), torch.get_rng_state()
    first, second, other = (ready(kind)(images, labels, stream(seed)) for seed in (3, 3, 4))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])
    for value, untouched in zip((images, labels, torch.get_rng_state()), before, strict=True):
        assert torch.equal(value, untouched)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "height", "width"), [(1, 16, 16), (7, 12, 20), (8, 20, 12)])
def test_images_stay_images_of_the_same_shape(kind, n, height, width):
    images, labels = batch(n, height, width)
    after, targets = ready(kind, kind.steps[2])(images, labels, stream())
    assert after.shape == images.shape and after.dtype == images.dtype
    assert after.min() >= 0 and after.max() <= 1
    assert targets.shape == labels.shape
    torch.testing.assert_close(targets.sum(1), torch.ones(n))


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_made_on_the_device_of_the_images(kind):
    images, labels = batch()
    control, random = ready(kind), stream(3)
    expected = control(images, labels, stream(3))
    # a tensor that is made without saying where would land there, and could not meet the others
    with torch.device("meta"):
        found = control(images, labels, random)
    assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", KINDS)
def test_a_control_runs_on_a_gpu(kind):
    images, labels = (value.cuda() for value in batch())
    after, targets = ready(kind)(images, labels, torch.Generator("cuda").manual_seed(0))
    assert after.is_cuda and targets.is_cuda and not torch.equal(after, images)


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_control_that_mixes_labels_changes_labels(kind):
    images, labels = batch()
    targets = ready(kind, kind.steps[2])(images, labels, stream())[1]
    assert torch.equal(targets, labels) != kind.mixes_labels
    if not kind.mixes_labels:
        classes = torch.arange(12)
        assert ready(kind)(images, classes, stream())[1] is classes


@pytest.mark.parametrize("kind", KINDS)
def test_a_control_survives_the_way_through_plain_values(kind):
    for control in (kind(kind.steps[0]), ready(kind)):
        values = control.to_dict()
        assert all(v is None or isinstance(v, (float, str, list)) for v in values.values())
        assert Control.from_dict(values) == control


@pytest.mark.parametrize("kind", KINDS)
def test_three_strengths_grow_within_the_limits_and_are_told_in_the_name(kind):
    assert kind.limits[0] == 0 < kind.steps[0] < kind.steps[1] < kind.steps[2] <= kind.limits[1]
    assert len({kind(strength).name for strength in kind.steps}) == 3
    assert kind(kind.steps[0]).name == f"{kind.title} {kind.steps[0]:g}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strength", [-0.1, 33.0, math.nan, "much"])
def test_a_strength_out_of_range_is_named(kind, strength):
    with pytest.raises(InputError, match=f"{kind.title}: strength {strength!r}"):
        kind(strength)


@pytest.mark.parametrize(
    ("values", "culprit"),
    [
        ({"control": "blur", "strength": 0.5}, "unknown control 'blur'; choose from gridmask"),
        ({"strength": 0.5}, "unknown control None"),
        ({"control": "mixup", "strength": 0.5, "fill": [0.5]}, "'mixup': unknown parameter fill"),
        ({"control": "mixup"}, "'mixup': give a strength"),
        ({"control": "gridmask", "strength": 0.5, "period": [0.8, 0.4]}, "period"),
    ],
    ids=str,
)
def test_values_that_are_no_control_are_named(values, culprit):
    with pytest.raises(InputError, match=culprit):
        Control.from_dict(values)


# Hidden pixels


@pytest.mark.parametrize("kind", HIDING)
def test_hidden_pixels_have_the_fill_and_all_others_are_as_they_were(kind):
    images, labels = batch()
    control = ready(kind)
    assert isinstance(control, Hiding)
    after = control(images, labels, stream(5))[0]
    mask = control.mask(12, 16, 16, stream(5))
    assert 0 < mask.float().mean() < 1
    for image in range(12):
        for channel, value in enumerate(GREY):
            assert torch.equal(after[image, channel][~mask[image]], images[image, channel][~mask[image]])
            assert (after[image, channel][mask[image]] == torch.tensor(value)).all()


@pytest.mark.parametrize("kind", HIDING)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.83, 1.0])
def test_every_pixel_is_hidden_as_often_as_asked(kind, share):
    draws = 8000
    often = ready(kind, share).mask(draws, 20, 17, stream(6)).double().mean(0)
    assert float(often.mean()) == pytest.approx(share, abs=0.005)
    spread = math.sqrt(share * (1 - share) / draws)
    assert float((often - share).abs().max()) <= 4.5 * spread + 1e-9


def test_a_grid_is_one_of_squares_at_equal_distances():
    n, height, width, share, period = 30, 24, 31, 0.3, (0.3, 0.7)
    mask = GridMask(share, GREY, period).mask(n, height, width, stream(7))
    draws = torch.rand(3, n, 1, generator=stream(7)).double().numpy()
    for image in range(n):
        apart = (period[0] + (period[1] - period[0]) * draws[0, image, 0]) * min(height, width)
        side = apart * math.sqrt(share)
        for row in range(height):
            for col in range(width):
                below = math.fmod(row + draws[1, image, 0] * apart, apart) < side
                right = math.fmod(col + draws[2, image, 0] * apart, apart) < side
                assert bool(mask[image, row, col]) == (below and right)


def test_grids_differ_in_period_and_offset():
    mask = ready(GridMask).mask(200, 32, 32, stream())
    assert len(mask.flatten(1).unique(dim=0)) > 190


def test_dropped_pixels_are_independent_of_their_neighbours():
    mask = ready(PixelDropout, 0.5).mask(400, 16, 16, stream(8)).double()
    for a, b in ((mask[..., 1:], mask[..., :-1]), (mask[:, 1:], mask[:, :-1]), (mask[1:], mask[:-1])):
        assert abs(np.corrcoef(a.flatten(), b.flatten())[0, 1]) < 4 / math.sqrt(a.numel())


@pytest.mark.parametrize("kind", HIDING)
def test_the_mean_must_be_known_and_have_a_value_for_each_channel(kind):
    images, labels = batch()
    with pytest.raises(InputError, match=r"resolved\(mean\)"):
        kind(0.5)(images, labels, stream())
    with pytest.raises(InputError, match="each of 3 channels"):
        kind(0.5, fill=(0.5,))(images, labels, stream())
    assert kind(0.5, fill=(0.1, 0.2, 0.3)).resolved(GREY).fill == (0.1, 0.2, 0.3)


def test_cutout_erases_one_square_of_fixed_size_that_the_border_may_cut():
    law = cutout(0.25)
    rect = law.sample(500, 32, 32, stream())
    assert (rect.height == 16).all() and (rect.width == 16).all() and rect.height.shape == (500, 1)
    assert (rect.top < 0).any() and (rect.left + rect.width > 32).any()
    assert law.mask(500, 32, 32, stream()).flatten(1).any(1).all()
    assert law.resolved((0.3,)).fill == (0.3,)
    assert not cutout(0).mask(50, 32, 32, stream()).any() and cutout(0).probability == NO_DEFENCE.probability
    with pytest.raises(InputError, match=r"Cutout: strength 1\.5"):
        cutout(1.5)


# Noise


def test_noise_is_normal_independent_and_of_the_asked_width():
    images = torch.full((50, 3, 16, 16), 0.5)
    noise = (GaussianNoise(0.1)(images, torch.eye(50), stream(9))[0] - 0.5).double()
    assert stats.kstest(noise.flatten().numpy(), stats.norm(0, 0.1).cdf).pvalue > 0.001
    for a, b in ((noise[..., 1:], noise[..., :-1]), (noise[:, 1:], noise[:, :-1]), (noise[1:], noise[:-1])):
        assert abs(np.corrcoef(a.flatten(), b.flatten())[0, 1]) < 4 / math.sqrt(a.numel())


def test_noise_is_cut_where_it_leaves_the_range_and_nowhere_else():
    images, labels = batch()
    strong = GaussianNoise(1.0)(images, labels, stream(2))[0]
    expected = (images.numpy() + torch.randn(images.shape, generator=stream(2)).numpy()).clip(0, 1)
    np.testing.assert_allclose(strong.numpy(), expected, atol=1e-6)
    assert (strong == 0).any() and (strong == 1).any()


# Mixed images


def test_cutmix_pastes_one_box_of_one_other_image_and_counts_pixels_for_the_label():
    n, height, width = 60, 12, 15
    images, labels = batch(n, height, width)
    after, targets = CutMix(1.0)(images, labels, stream(10))
    partners = []
    for image in range(n):
        # every pixel is at once one of this image or of one other image at the same place
        source = np.full((height, width), -1)
        for other in range(n):
            source[(after[image] == images[other]).all(0).numpy()] = other
        assert (source >= 0).all()
        for other in range(n):
            assert targets[image, other] == pytest.approx((source == other).mean(), abs=1e-6)
        strange = source != image
        if strange.any():
            (partner,) = np.unique(source[strange])
            rows, cols = np.flatnonzero(strange.any(1)), np.flatnonzero(strange.any(0))
            assert strange[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1].all()
            partners.append(partner)
    assert len(partners) > 50 and len(set(partners)) == len(partners)


def reference_cutmix_shares(draws: int, size: int) -> np.ndarray:
    """Pasted share of the pixels as in Yun et al., algorithm A1, with alpha 1."""
    rng = np.random.default_rng(0)
    shares = []
    for kept in rng.beta(1, 1, draws):
        side = size * math.sqrt(1 - kept)
        row, col = rng.integers(size, size=2)
        top, bottom = max(row - side / 2, 0), min(row + side / 2, size)
        left, right = max(col - side / 2, 0), min(col + side / 2, size)
        shares.append((bottom - top) * (right - left) / size**2)
    return np.array(shares)


def test_the_pasted_share_is_distributed_as_in_the_paper():
    n = 3000
    targets = CutMix(1.0)(torch.zeros(n, 1, 64, 64), torch.eye(n), stream(11))[1]
    ours = 1 - targets.diagonal().numpy()
    assert stats.ks_2samp(ours, reference_cutmix_shares(3000, 64)).pvalue > 0.001


@pytest.mark.parametrize("probability", [0.25, 0.6])
def test_cutmix_mixes_the_asked_share_of_the_images(probability):
    n = 3000
    targets = CutMix(probability)(torch.zeros(n, 1, 16, 16), torch.eye(n), stream(12))[1]
    mixed = int((targets.diagonal() < 1).sum())
    # one of n is its own partner on average
    assert stats.binomtest(mixed, n, probability * (1 - 1 / n)).pvalue > 0.001


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_mixup_averages_images_and_labels_with_the_same_beta_weights(alpha):
    n = 2000
    images, labels = batch(n, 4, 4, channels=1)
    after, targets = Mixup(alpha)(images, labels, stream(13))
    # every image is a class of its own, so the labels say how it was made
    made = targets.numpy() @ images.flatten(1).numpy()
    np.testing.assert_allclose(after.flatten(1).numpy(), made, atol=1e-5)
    assert ((targets > 0).sum(1) <= 2).all()
    assert stats.kstest(targets.diagonal().numpy(), stats.beta(alpha, alpha).cdf).pvalue > 0.001
    partners = (targets - torch.diag(targets.diagonal())).argmax(1)[targets.diagonal() < 0.99]
    assert len(partners.unique()) == len(partners) > 0.5 * n


@pytest.mark.parametrize("kind", MIXING)
def test_a_single_image_can_only_be_mixed_with_itself(kind):
    images, labels = batch(1)
    after, targets = kind(1.0)(images, labels, stream())
    torch.testing.assert_close(after, images)
    torch.testing.assert_close(targets, labels)


def test_every_control_is_found_by_its_kind_and_has_one_strength():
    assert all(CONTROLS[kind.kind] is kind and fields(kind)[0].name == "strength" for kind in KINDS)
