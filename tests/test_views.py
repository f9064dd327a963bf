"""Random views: their laws, their gradients, and what an attacker erases with."""

import numpy as np
import pytest
import torch

from mi_tune.attacks.selection import Last, MeanOverViews
from mi_tune.attacks.views import UNKNOWN_LAW, Erase, Flip, GaussianNoise, Identity, Jitter, RandomCrop
from mi_tune.erasing import ErasingLaw

KNOWN = ErasingLaw(0.5, area=(0.1, 0.4), fill=(0.3,))
VIEWS = [
    Identity(),
    Flip(),
    RandomCrop((0.5, 0.9), (0.8, 1.2), flip=True, rotation=5.0),
    Jitter(),
    GaussianNoise(),
    Erase(),
    Erase((ErasingLaw(1.0, fill="image_mean"),)),
    Erase((ErasingLaw(1.0, fill="other_image"),)),
    Erase((ErasingLaw(1.0, fill="noise"),)),
]
NAMES = [f"{type(v).__name__}-{v.laws[0].fill}" if getattr(v, "laws", ()) else type(v).__name__ for v in VIEWS]


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 6, size: int = 16, channels: int = 1) -> torch.Tensor:
    return torch.rand(n, channels, size, size, generator=random(7)) * 0.8 + 0.1


def ramp(n: int, size: int = 32) -> torch.Tensor:
    """Images whose pixel value is the horizontal position of its centre in (-1, 1)."""
    x = (torch.arange(size) + 0.5) / size * 2 - 1
    return x.expand(n, 1, size, size).contiguous()


@pytest.mark.parametrize("view", VIEWS, ids=NAMES)
def test_a_view_keeps_shape_and_type_and_follows_its_seed(view):
    x = images(channels=3)
    got = view(x, random(3))
    assert got.shape == x.shape
    assert got.dtype == x.dtype
    assert torch.equal(got, view(x, random(3)))
    assert torch.equal(x, images(channels=3))


@pytest.mark.parametrize("view", VIEWS, ids=NAMES)
def test_a_view_lets_the_gradient_through_and_to_no_other_image(view):
    x = images().requires_grad_(True)
    seen = view(x, random(1))
    weights = torch.rand(seen.shape[1:], generator=random(2)) + 0.5
    for k in range(len(x)):
        (gradient,) = torch.autograd.grad((seen[k] * weights).sum(), x, retain_graph=True)
        size = gradient.abs().sum((1, 2, 3))
        assert size[k] > 0
        assert size.sum() == size[k]


def test_a_flip_mirrors_half_of_the_images_and_leaves_the_others():
    x = images(2000, size=4)
    got = Flip()(x, random())
    mirrored = (got == x.flip(3)).flatten(1).all(1)
    assert ((got == x).flatten(1).all(1) ^ mirrored).all()
    assert float(mirrored.float().mean()) == pytest.approx(0.5, abs=0.04)


def test_a_crop_shows_a_uniform_share_of_the_area_from_all_over_the_image():
    got = RandomCrop((0.25, 1.0))(ramp(4000), random())
    across, down = got[:, 0, 16], RandomCrop((0.25, 1.0))(ramp(4000).mT.contiguous(), random())[:, 0, :, 16]
    # the slope of the ramp is the width of the crop; square crops are as high as wide
    width = (across[:, 20] - across[:, 12]) / (16 / 32)
    height = (down[:, 20] - down[:, 12]) / (16 / 32)
    torch.testing.assert_close(width, height, atol=1e-3, rtol=0)
    area = (width * height).numpy()
    assert area.min() >= 0.25 - 1e-3
    assert area.max() <= 1 + 1e-3
    np.testing.assert_allclose(np.quantile(area, [0.25, 0.5, 0.75]), [0.4375, 0.625, 0.8125], atol=0.03)
    # the centre is uniform over where the crop fits
    place = (across[:, 15:17].mean(1) / (1 - width).clamp_min(1e-3))[width < 0.95].numpy()
    assert np.abs(place).max() <= 1.01
    np.testing.assert_allclose(np.quantile(place, [0.25, 0.5, 0.75]), [-0.5, 0, 0.5], atol=0.06)


def test_the_aspect_of_a_crop_is_log_uniform_and_half_of_them_are_mirrored():
    view = RandomCrop((0.4, 0.5), (0.8, 1.25), flip=True)
    across, down = view(ramp(4000), random())[:, 0, 16], view(ramp(4000).mT.contiguous(), random())[:, 0, :, 16]
    width, height = across[:, 20] - across[:, 12], down[:, 20] - down[:, 12]
    assert float((width < 0).float().mean()) == pytest.approx(0.5, abs=0.03)
    ratio = (width.abs() / height).log().numpy() / np.log(1.25)
    assert np.abs(ratio).max() <= 1.01
    np.testing.assert_allclose(np.quantile(ratio, [0.25, 0.5, 0.75]), [-0.5, 0, 0.5], atol=0.05)


def test_a_crop_turns_by_up_to_its_rotation_either_way():
    x = ramp(2000)
    got = RandomCrop((0.3, 0.3), rotation=20.0)(x, random())[:, 0]
    along, across = got[:, 16, 20] - got[:, 16, 12], got[:, 20, 16] - got[:, 12, 16]
    angle = torch.atan2(across, along).rad2deg().numpy()
    assert np.abs(angle).max() <= 20.1
    np.testing.assert_allclose(np.quantile(angle, [0.25, 0.5, 0.75]), [-10, 0, 10], atol=1.5)


def test_jitter_changes_brightness_by_a_fifth_at_most():
    got = Jitter()(torch.full((3000, 1, 8, 8), 0.5), random()).flatten(1)
    assert torch.allclose(got.amax(1), got.amin(1), atol=1e-5)  # one light for an image
    bright = (got[:, 0] / 0.5).numpy()
    assert bright.min() >= 0.8 - 1e-3
    assert bright.max() <= 1.2 + 1e-3
    np.testing.assert_allclose(np.quantile(bright, [0.25, 0.5, 0.75]), [0.9, 1.0, 1.1], atol=0.02)


def test_jitter_changes_contrast_beside_brightness():
    halves = torch.full((3000, 1, 16, 16), 0.4)
    halves[..., 8:] = 0.6
    got = Jitter()(halves, random()).flatten(1)
    apart = ((got.amax(1) - got.amin(1)) / 0.2).numpy()
    assert apart.min() >= 0.8 * 0.8 - 1e-3
    assert apart.max() <= 1.2 * 1.2 + 1e-3
    assert apart.min() < 0.72  # brightness alone would leave [0.8, 1.2]
    assert apart.max() > 1.3


def test_noise_has_the_spread_that_was_asked_for():
    noise = GaussianNoise(0.05)(images(200), random()) - images(200)
    assert float(noise.std()) == pytest.approx(0.05, rel=0.02)
    assert float(noise.mean()) == pytest.approx(0, abs=0.001)


# ----------------------------------------------------------------------------------------------------- erasing


def erased(view: Erase, n: int = 2000, seed: int = 0) -> torch.Tensor:
    """Which pixels of white images a view has changed, bool (n, height, width)."""
    return view(torch.ones(n, 1, 16, 16), random(seed))[:, 0] != 1


def test_an_attacker_who_knows_the_law_erases_by_it():
    changed = erased(Erase().known(KNOWN))
    assert float(changed.flatten(1).any(1).float().mean()) == pytest.approx(0.5, abs=0.04)
    torch.testing.assert_close(
        changed.float().mean(0), KNOWN.mask(20000, 16, 16, random(1)).float().mean(0), atol=0.04, rtol=0
    )
    seen = Erase().known(KNOWN)(torch.ones(50, 1, 16, 16), random())
    assert seen.unique().tolist() == pytest.approx([0.3, 1.0])


def test_always_erases_every_view_by_the_known_law():
    changed = erased(Erase(always=True).known(KNOWN))
    assert changed.flatten(1).any(1).all()
    share = changed.float().mean((1, 2))
    assert float(share.mean()) == pytest.approx(0.25, abs=0.01)


def test_an_attacker_who_knows_that_nothing_is_erased_looks_at_whole_images():
    never = ErasingLaw(0.0)
    for view in (Erase(), Erase(always=True)):
        assert torch.equal(view.known(never)(images(), random()), images())


def test_an_attacker_who_knows_no_law_mixes_common_ones():
    assert Erase().known(None).laws == UNKNOWN_LAW
    shares = torch.stack([erased(Erase().known(None), 200, seed).float().mean() for seed in range(60)])
    # one law a view: their mean areas are .21, .25, .45 and less than .45 where the rectangle is cut at the border
    assert shares.min() < 0.27
    assert shares.max() > 0.4
    picked = [Erase(UNKNOWN_LAW)(torch.ones(50, 1, 16, 16), random(seed)) for seed in range(60)]
    assert len({len(p.unique()) > 100 for p in picked}) == 2


def test_laws_that_were_chosen_are_kept_whatever_is_known():
    view = Erase(laws=UNKNOWN_LAW)
    assert view.known(KNOWN) == view
    assert view.known(None) == view


def test_other_views_do_not_care_for_the_law():
    for view in VIEWS[:5]:
        assert view.known(KNOWN) is view


def test_a_selection_by_erased_views_learns_the_law_as_well():
    rule = MeanOverViews(3, Erase(always=True)).known(KNOWN)
    assert rule.view.laws[0].fill == (0.3,)
    assert rule.view.laws[0].probability == 1
    assert Last().known(KNOWN) == Last()


def test_another_images_pixels_are_never_shown():
    law = ErasingLaw(1.0, area=(0.5, 0.5), fill="other_image")
    x = torch.stack([torch.zeros(1, 16, 16), torch.ones(1, 16, 16)]).repeat(20, 1, 1, 1)
    changed = Erase((law,))(x, random()) != x
    assert 0.4 < float(changed.float().mean()) < 0.6
    # and a single image needs no other one
    assert Erase((law,))(x[:1], random()).shape == (1, 1, 16, 16)
