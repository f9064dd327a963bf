"""StyleGAN2 against an independent, slow computation from its publications, and under the public names."""

from __future__ import annotations

import math
import re

import pytest
import torch

from mi_tune import InputError
from mi_tune.nets import parameter_count, stylegan2
from mi_tune.nets.stylegan2 import StyleGAN2
from mi_tune.priors import GeneratorSource, StylePrior
from mi_tune.priors.contracts import check_prior_contract
from mi_tune.runtime.seeds import generator

CPU = torch.device("cpu")


def small(resolution=16, clamp=256.0, **other):
    """A network with few channels, whose noise and biases are not zero, so that a mistake in them shows."""
    torch.manual_seed(0)
    made = StyleGAN2(resolution, 5, 6, channel_base=64, channel_max=8, mapping_layers=3, clamp=clamp, **other)
    with torch.no_grad():
        for name, value in made.named_parameters():
            if name.endswith(("bias", "noise_strength")):
                value += 0.3 * torch.randn_like(value)
    return made.eval()


# ------------------------------------------------------------------------------ the slow computation, in float64


def fir(image, pads, gain):
    """Low-pass one channel (h, w), padded by (before, after) zeros on each axis, pixel by pixel."""
    taps = [1, 3, 3, 1]
    h, w = image.shape
    before, after = pads
    padded = torch.zeros(h + before + after, w + before + after, dtype=image.dtype)
    padded[before : before + h, before : before + w] = image
    out = torch.zeros(padded.shape[0] - 3, padded.shape[1] - 3, dtype=image.dtype)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            total = 0.0
            for a in range(4):
                for b in range(4):
                    total = total + taps[a] * taps[b] / 64 * padded[i + a, j + b]
            out[i, j] = gain * total
    return out


def with_zeros(image):
    """A zero after every pixel of one channel."""
    h, w = image.shape
    out = torch.zeros(2 * h, 2 * w, dtype=image.dtype)
    out[::2, ::2] = image
    return out


def doubled(image):
    """Twice the side, for one channel: zeros, then the filter with gain 4 (one for each inserted zero)."""
    return fir(with_zeros(image), (2, 1), 4.0)


def full_convolution(image, kernel):
    """Add the kernel, times each pixel, at the pixel's place: (h + 2, w + 2)."""
    h, w = image.shape
    out = torch.zeros(h + 2, w + 2, dtype=image.dtype)
    for i in range(h):
        for j in range(w):
            out[i : i + 3, j : j + 3] += image[i, j] * kernel
    return out


def correlation(image, kernel):
    """What torch calls a convolution, with zeros around, for one channel."""
    h, w = image.shape
    k = kernel.shape[0] // 2
    padded = torch.zeros(h + 2 * k, w + 2 * k, dtype=image.dtype)
    padded[k : k + h, k : k + w] = image
    out = torch.zeros(h, w, dtype=image.dtype)
    for i in range(h):
        for j in range(w):
            out[i, j] = (padded[i : i + kernel.shape[0], j : j + kernel.shape[1]] * kernel).sum()
    return out


def linear(state, name, x, rate=1.0):
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    return weight @ x * (rate / math.sqrt(weight.shape[1])) + bias * rate


def leaky(x):
    return torch.where(x < 0, 0.2 * x, x) * math.sqrt(2)


def slow_layer(state, name, x, w, up, clamp):
    """One sample x (channels, h, w): weights of its own, modulated and demodulated (CVPR 2020, equations 1 and 3)."""
    style = linear(state, f"{name}.affine", w)
    weight = state[f"{name}.weight"] * style[None, :, None, None]
    weight = weight / torch.sqrt(weight.square().sum((1, 2, 3), keepdim=True) + 1e-8)
    out = []
    for row in weight:
        if up:
            # the stored weights are used unflipped where the side is doubled: a convolution, not a correlation
            grown = sum(full_convolution(with_zeros(c), k) for c, k in zip(x, row, strict=True))
            # zeros behind the last pixel add nothing to a full convolution but a row and a column
            out.append(fir(grown[:-1, :-1], (1, 1), 4.0))
        else:
            out.append(sum(correlation(c, k) for c, k in zip(x, row, strict=True)))
    y = torch.stack(out) + state[f"{name}.noise_const"] * state[f"{name}.noise_strength"]
    return leaky(y + state[f"{name}.bias"][:, None, None]).clamp(-clamp, clamp)


def slow_image(state, name, x, w, clamp):
    style = linear(state, f"{name}.affine", w) / math.sqrt(x.shape[0])
    weight = state[f"{name}.weight"][:, :, 0, 0] * style
    image = torch.einsum("oc,chw->ohw", weight, x) + state[f"{name}.bias"][:, None, None]
    return image.clamp(-clamp, clamp)


def slow_w(state, z, layers):
    """w of one z."""
    w = z / torch.sqrt(z.square().mean() + 1e-8)
    for number in range(layers):
        w = leaky(linear(state, f"mapping.fc{number}", w, rate=0.01))
    return w


def slow_synthesis(state, ws, sides, clamp):
    """The image of one ws (num_ws, w_dim), from the weights by their public names.

    Every convolution takes the next w; an image layer takes the one that follows, which the next block takes again.
    """
    x, image, k = state["synthesis.b4.const"], None, 0
    for side in sides:
        at = f"synthesis.b{side}"
        if side > 4:
            x = slow_layer(state, f"{at}.conv0", x, ws[k], True, clamp)
            k += 1
        x = slow_layer(state, f"{at}.conv1", x, ws[k], False, clamp)
        k += 1
        drawn = slow_image(state, f"{at}.torgb", x, ws[k], clamp)
        image = drawn if image is None else torch.stack([doubled(c) for c in image]) + drawn
    return image


@pytest.mark.parametrize("clamp", [256.0, 0.7])
def test_its_images_are_those_of_the_slow_computation(clamp):
    made = small(clamp=clamp)
    state = {name: value.double() for name, value in made.state_dict().items()}
    z, ws = torch.randn(2, 5), torch.randn(2, made.num_ws, 6)
    assert made.num_ws == 6
    with torch.no_grad():
        mapped, images = made.mapping(z, None), made.synthesis(ws, noise_mode="const")
    assert images.shape == (2, 3, 16, 16) and images.std() > 0.1
    for k in range(2):
        assert torch.equal(mapped[k], mapped[k, :1].expand(6, -1))
        torch.testing.assert_close(mapped[k, 0].double(), slow_w(state, z[k].double(), 3), atol=1e-5, rtol=1e-5)
        image = slow_synthesis(state, ws[k].double(), (4, 8, 16), clamp)
        torch.testing.assert_close(images[k].double(), image, atol=1e-4, rtol=1e-4)


def test_truncation_pulls_w_to_its_stored_mean():
    made = small()
    made.mapping.w_avg.copy_(torch.arange(6.0))
    z = torch.randn(3, 5)
    with torch.no_grad():
        whole, half = made.mapping(z), made.mapping(z, truncation_psi=0.5)
    torch.testing.assert_close(half, (whole + torch.arange(6.0)) / 2)


# ---------------------------------------------------------------------------------------------------- public names


def public_names(resolution, layers):
    """The names that a public pickle's state_dict has."""
    names = [f"mapping.fc{k}.{kind}" for k in range(layers) for kind in ("weight", "bias")] + ["mapping.w_avg"]
    for side in [2**k for k in range(2, resolution.bit_length())]:
        at = f"synthesis.b{side}"
        names.append(f"{at}.resample_filter")
        if side == 4:
            names.append(f"{at}.const")
        for conv in ("conv1",) if side == 4 else ("conv0", "conv1"):
            names += [f"{at}.{conv}.{n}" for n in ("weight", "bias", "noise_strength", "noise_const")]
            names += [f"{at}.{conv}.{n}" for n in ("resample_filter", "affine.weight", "affine.bias")]
        names += [f"{at}.torgb.{n}" for n in ("weight", "bias", "affine.weight", "affine.bias")]
    return set(names)


@pytest.mark.parametrize("make", [stylegan2.paper256, stylegan2.paper512, stylegan2.paper1024])
def test_the_published_sizes_have_the_public_names(make):
    with torch.device("meta"):
        made = make()
    state = made.state_dict()
    side = int(re.sub(r"\D", "", make.__name__))
    assert state.keys() == public_names(side, 8) | {"synthesis.clamp"}
    assert made.num_ws == 2 * int(math.log2(side)) - 2
    assert state[f"synthesis.b{side}.torgb.weight"].shape == (3, {256: 64, 512: 64, 1024: 32}[side], 1, 1)
    assert state["synthesis.b4.const"].shape == (512, 4, 4)
    assert state[f"synthesis.b{side}.conv1.noise_const"].shape == (side, side)


def test_the_network_of_1024_px_has_the_published_number_of_parameters():
    with torch.device("meta"):
        assert parameter_count(stylegan2.paper1024()) == 30_370_060  # as StyleGAN2's training prints it


def test_a_public_state_dict_loads_and_the_export_s_clamp_goes_with_the_weights():
    made, bounded = small(clamp=math.inf), small(clamp=0.7)
    z = torch.randn(2, 5)
    state = made.state_dict()
    with torch.no_grad():
        free, tight = made.synthesis(made.mapping(z)), bounded.synthesis(bounded.mapping(z))
        public = {name: value for name, value in state.items() if name != "synthesis.clamp"}
        bounded.load_state_dict(public)
        assert torch.equal(bounded.synthesis(bounded.mapping(z)), tight)
        bounded.load_state_dict(state)
        assert torch.equal(bounded.synthesis(bounded.mapping(z)), free)
    assert not torch.equal(free, tight)


# -------------------------------------------------------------------------------------------------------- as a prior


def prior(factory="twin", weights=None, **given):
    given.setdefault("output_range", (-2.0, 2.0))
    source = GeneratorSource(f"mi_tune.nets.stylegan2:{factory}", weights)
    return StylePrior(source, channels=1, resolution=32, **given)


def test_the_twin_keeps_the_contract_of_priors():
    loaded = prior().load(0, CPU)
    assert loaded.blocks == 4
    check_prior_contract(loaded)


def test_its_hidden_features_can_be_searched():
    loaded = prior().load(0, CPU)
    latents = loaded.sample_latents(2, generator(0, "test"))
    hidden = loaded.advance(loaded.advance(latents, 0), 1)
    images = loaded.decode(latents)
    torch.testing.assert_close(loaded.finish(hidden, 2), images, atol=1e-5, rtol=1e-4)
    moved = loaded.finish(hidden + 0.3 * torch.randn(hidden.shape), 2)
    assert (moved - images).abs().mean() > 0.01


def test_weights_of_another_size_are_refused(tmp_path):
    file = tmp_path / "ffhq.pt"
    torch.save(StyleGAN2(64, 32, 32, channel_base=512, channel_max=32, mapping_layers=2).state_dict(), file)
    with pytest.raises(InputError, match=r"ffhq.pt: not the weights of .*twin.*b64"):
        prior(weights=file).load(0, CPU)


def test_a_crop_keeps_the_middle_of_its_images():
    whole, middle = prior().load(0, CPU), prior(crop=0.5).load(0, CPU)
    latents = whole.sample_latents(2, generator(0, "test"))
    raw = whole.render(latents)
    assert raw.shape == (2, 3, 32, 32)
    wanted = whole.converted(raw[:, :, 8:24, 8:24])
    torch.testing.assert_close(middle.decode(latents), wanted)
    torch.testing.assert_close(middle.finish(middle.advance(latents, 0), 1), wanted, atol=1e-5, rtol=1e-4)
    assert middle.key() != whole.key()
