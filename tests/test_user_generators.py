"""A user's own generator as a prior: what fits is attacked with, and what does not is one line that names it."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_bank, write_image_folder
from PIL import Image
from torch import nn

from mi_tune import assets
from mi_tune.attacks import Ground, make_attack, open_oracle
from mi_tune.attacks.constraints import PSpace
from mi_tune.errors import InputError
from mi_tune.nets import create_classifier
from mi_tune.priors import GeneratorSource, ImportedPrior, StylePrior, UserPrior, check_prior, render_samples
from mi_tune.priors.style import before_activation
from mi_tune.seeds import generator
from mi_tune.setup import make_setup
from mi_tune.training import Recipe, Training

CPU = torch.device("cpu")

# A leaky mapping and a synthesis as in StyleGAN2; and a plain generator. Both tell dark from light.
CODE = '''
from __future__ import annotations
import dataclasses
import torch
from torch import nn


@dataclasses.dataclass
class Sizes:  # string annotations ask for the module by its name
    latent_dim: int = 6


class Plain(nn.Module):
    latent_dim = Sizes().latent_dim

    def __init__(self, channels=3, side=32, low=0.0, high=1.0):
        super().__init__()
        self.low, self.high, self.shape = low, high, (channels, side, side)
        self.layer = nn.Linear(self.latent_dim, channels * 16)

    def forward(self, z):
        small = torch.sigmoid(3 * self.layer(z)).view(len(z), self.shape[0], 4, 4)
        image = nn.functional.interpolate(small, size=self.shape[1:])
        return self.low + (self.high - self.low) * image


class Synthesis(nn.Module):
    def __init__(self, w_dim, num_ws):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(w_dim, 16) for _ in range(num_ws))
        self.noise_strength = nn.Parameter(torch.tensor(0.5))

    def forward(self, ws, noise_mode="random"):
        x = sum(layer(w) for layer, w in zip(self.layers, ws.unbind(1)))
        x = torch.tanh(2 * x).view(-1, 1, 4, 4)
        x = x + self.noise_strength * torch.randn_like(x) if noise_mode == "random" else x
        return 1.05 * nn.functional.interpolate(x, size=(16, 16))


class Mapping(nn.Module):
    def __init__(self, z_dim, w_dim, num_ws):
        super().__init__()
        self.num_ws = num_ws
        self.net = nn.Sequential(nn.Linear(z_dim, w_dim), nn.LeakyReLU(0.2), nn.Linear(w_dim, w_dim))

    def forward(self, z, c, truncation_psi=1):
        w = 2**0.5 * nn.functional.leaky_relu(2 * self.net(z) + 0.3, 0.2)
        return w[:, None].repeat(1, self.num_ws, 1)


class Style(nn.Module):
    def __init__(self):
        super().__init__()
        self.z_dim, self.w_dim, self.num_ws, self.c_dim = 5, 8, 3, 0
        self.mapping = Mapping(5, 8, 3)
        self.synthesis = Synthesis(8, 3)


class NoClass(Style):
    """mapping(z) alone, as a method."""

    def __init__(self):
        super().__init__()
        self.inner, self.mapping = self.mapping, None
        del self.mapping
        self.mapping = lambda z: self.inner(z, None)
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    return path


def source(file: Path, factory: str, weights: Path | None = None, extra: str = "") -> GeneratorSource:
    if extra:
        file.write_text(CODE + extra)
    return GeneratorSource(f"{file}:{factory}", weights)


def plain(file: Path, factory: str = "Plain", extra: str = "", resolution: int = 16, **given) -> ImportedPrior:
    channels = given.pop("channels", 1)
    return ImportedPrior(source(file, factory, extra=extra), channels=channels, resolution=resolution, **given)


def style(file: Path, factory: str = "Style", extra: str = "", **given) -> StylePrior:
    return StylePrior(source(file, factory, extra=extra), channels=1, resolution=16, **given)


def refused(prior, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        prior().load(0, CPU)
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


# ----------------------------------------------------------------------------------------- what images become


def test_a_larger_rgb_generator_draws_for_a_smaller_grey_target(file):
    prior = plain(file).load(0, CPU)
    check_prior(prior, channels=1, resolution=16, device=CPU)
    latents = prior.sample_latents(5, generator(0, "test"))
    raw = prior.generator(latents)
    assert raw.shape == (5, 3, 32, 32)
    drawn = prior.decode(latents)
    for image, colours in zip(drawn[:, 0], raw, strict=True):
        pixels = (colours * 255).round().byte().permute(1, 2, 0).numpy()
        wanted = Image.fromarray(pixels).convert("L").resize((16, 16), Image.Resampling.BILINEAR)
        assert np.abs(image.numpy() * 255 - np.asarray(wanted, np.float32)).max() < 2


def test_grey_images_become_rgb_with_equal_channels_and_grow_to_the_target(file):
    prior = plain(file, "grey", "\ngrey = lambda: Plain(channels=1, side=8)\n", channels=3, resolution=20).load(0, CPU)
    images = prior.decode(prior.sample_latents(4, generator(0, "test")))
    assert images.shape == (4, 3, 20, 20)
    assert torch.equal(images[:, 0], images[:, 2])


def test_resizing_is_antialiased(file):
    stripes = "\nclass Stripes(Plain):\n    def forward(self, z):\n"
    stripes += "        return (torch.arange(64) % 2).float().expand(len(z), 1, 64, 64) + 0 * z.sum()\n"
    prior = plain(file, "Stripes", stripes).load(0, CPU)
    images = prior.decode(torch.zeros(1, 6))[..., 2:-2]
    torch.testing.assert_close(images, torch.full_like(images, 0.5), atol=0.05, rtol=0)


def test_the_range_is_mapped_to_0_and_1_and_what_lies_beyond_is_clipped(file):
    extra = "\nbytes_ = lambda: Plain(1, 16, 0.0, 255.0)\nunit = lambda: Plain(1, 16)\n"
    ours = plain(file, "bytes_", extra, output_range=(0.0, 255.0)).load(0, CPU)
    unit = plain(file, "unit").load(0, CPU)
    narrow = plain(file, "unit", output_range=(0.05, 0.95)).load(0, CPU)
    latents = ours.sample_latents(6, generator(0, "test"))
    torch.testing.assert_close(ours.decode(latents), unit.decode(latents))
    wanted = ((unit.decode(latents) - 0.05) / 0.9).clamp(0, 1)
    torch.testing.assert_close(narrow.decode(latents), wanted)
    assert narrow.decode(latents).min() == 0


@pytest.mark.parametrize("make", ["Plain", "Style"])
def test_parts_bound_what_is_drawn_at_once_and_change_neither_images_nor_gradients(file, make):
    make = plain if make == "Plain" else style
    whole, parts = make(file).load(0, CPU), make(file, batch=3).load(0, CPU)
    sizes = []
    part = parts.generator if make is plain else parts.generator.synthesis
    part.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    latents = whole.sample_latents(8, generator(0, "test")).requires_grad_(True)
    images, gradients = [], []
    for prior in (whole, parts):
        images.append(prior.decode(latents))
        gradients += torch.autograd.grad(images[-1].square().sum(), latents)
    torch.testing.assert_close(images[0], images[1])
    torch.testing.assert_close(gradients[0], gradients[1])
    assert gradients[0].abs().sum() > 0
    # each part forwards, and once more for its gradient
    assert sorted(sizes) == [2, 2, 3, 3, 3, 3]
    assert whole.key() == parts.key()


# ------------------------------------------------------------------------------------------------------ P space


def test_style_latents_have_mean_0_and_standard_deviation_1(file):
    prior = style(file).load(0, CPU)
    latents = prior.sample_latents(20_000, generator(5, "test"))
    assert latents.shape == (20_000, prior.latent_dim) == (20_000, 8)
    torch.testing.assert_close(latents.mean(0), torch.zeros(8), atol=0.05, rtol=0)
    torch.testing.assert_close(latents.std(0), torch.ones(8), atol=0.05, rtol=0)


@pytest.mark.parametrize("factory", ["Style", "NoClass"])
def test_drawn_style_latents_decode_to_what_the_module_draws_of_the_same_z(file, factory):
    prior = style(file, factory).load(0, CPU)
    images = prior.decode(prior.sample_latents(12, generator(7, "test")))
    own = prior.generator
    z = torch.randn(12, 5, generator=generator(7, "test"))
    mapped = own.mapping(z, None) if factory == "Style" else own.mapping(z)
    wanted = (own.synthesis(mapped, noise_mode="const") + 1) / 2
    torch.testing.assert_close(images, wanted.clamp(0, 1), atol=1e-5, rtol=1e-4)
    assert (mapped < 0).any()
    assert images.std() > 0.1


def test_a_clamp_in_p_space_bounds_p_around_its_mean(file):
    prior = style(file).load(0, CPU)
    far = 4 * torch.randn(50, 8, generator=generator(0, "test"))
    kept = PSpace(1.5).around(far)(far, torch.arange(50))
    seen = []
    prior.generator.synthesis.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    prior.decode(kept)
    (ws,) = seen
    assert torch.equal(ws[:, 0], ws[:, 2])
    # p by hand: what a leaky ReLU of slope 0.2 made w of
    p = torch.where(ws[:, 0] < 0, 5 * ws[:, 0], ws[:, 0])
    z = torch.randn(40_000, 5, generator=generator(1, "test"))
    w = prior.generator.mapping(z, None)[:, 0]
    drawn = torch.where(w < 0, 5 * w, w)
    off = (p - drawn.mean(0)).abs() / drawn.std(0)
    assert 1.4 < off.max() < 1.6
    assert ((off.amax(0) > 1.4) & (off.amax(0) < 1.6)).all()


def test_p_space_is_what_a_leaky_relu_undoes():
    p = torch.linspace(-3, 3, 31)
    torch.testing.assert_close(before_activation(nn.functional.leaky_relu(p, 0.2)), p)


def test_truncation_pulls_drawn_w_to_their_mean(file):
    whole, half = style(file).load(0, CPU), style(file, truncation=0.5).load(0, CPU)
    ws = []
    for prior in (whole, half):
        prior.generator.synthesis.register_forward_pre_hook(lambda _, given: ws.append(given[0][:, 0]))
        prior.decode(prior.sample_latents(4000, generator(0, "test")))
    assert torch.allclose(ws[0].mean(0), ws[1].mean(0), atol=0.05)
    torch.testing.assert_close(ws[1].std(0), ws[0].std(0) / 2)


# ------------------------------------------------------------------------------------- loading, copies, identity


@pytest.mark.parametrize("make", [plain, style])
def test_weights_are_read_from_a_state_dict_and_decide_the_key(file, tmp_path, make):
    fresh = make(file)
    torch.manual_seed(3)
    changed = {name: value + 0.3 * torch.randn(value.shape) for name, value in fresh.generator.state_dict().items()}
    torch.save(changed, tmp_path / "weights.pt")
    loaded = type(fresh)(**fresh.config | {"source": GeneratorSource(fresh.source.factory, tmp_path / "weights.pt")})
    loaded.load(0, CPU)
    assert all(torch.equal(changed[name], value) for name, value in loaded.generator.state_dict().items())
    assert loaded.key() != fresh.load(0, CPU).key()
    assert fresh.key() == make(file).load(0, CPU).key()


def test_the_factory_leaves_the_global_random_stream_alone(file):
    before = torch.get_rng_state()
    plain(file)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("make", [plain, style])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda prior: pickle.loads(pickle.dumps(prior))])
def test_a_copy_draws_the_same_and_is_apart(file, make, copied):
    prior = make(file).load(0, CPU)
    with torch.no_grad():
        next(prior.generator.parameters()).add_(0.1)
    other = copied(prior)
    latents = prior.sample_latents(3, generator(0, "test"))
    images = prior.decode(latents)
    assert torch.equal(images, other.decode(latents))
    assert not other.training
    assert not any(p.requires_grad for p in other.parameters())
    with torch.no_grad():
        for weight in other.parameters():
            weight.mul_(2)
    assert torch.equal(images, prior.decode(latents))


@pytest.mark.slow
def test_a_prior_reaches_another_process_with_its_code(file, tmp_path):
    prior = style(file).load(0, CPU)
    (tmp_path / "prior.pickle").write_bytes(pickle.dumps(prior))
    there = "import pickle, sys, torch; prior = pickle.load(open(sys.argv[1], 'rb')); "
    there += "torch.save(prior.decode(torch.ones(2, 8)), sys.argv[2])"
    subprocess.run([sys.executable, "-c", there, tmp_path / "prior.pickle", tmp_path / "images.pt"], check=True)
    torch.testing.assert_close(torch.load(tmp_path / "images.pt"), prior.decode(torch.ones(2, 8)))


def test_a_generator_of_an_installed_package_is_imported_by_name(file, monkeypatch):
    (file.parent / "their_package").mkdir()
    (file.parent / "their_package" / "nets.py").write_text(CODE)
    monkeypatch.syspath_prepend(file.parent)
    prior = ImportedPrior(GeneratorSource("their_package.nets:Plain"), channels=1, resolution=16).load(0, CPU)
    latents = torch.zeros(1, 6)
    assert torch.equal(prior.decode(latents), plain(file).load(0, CPU).decode(latents))


def test_a_file_may_import_what_lies_beside_it(file, monkeypatch):
    monkeypatch.setattr("sys.path", [*sys.path])
    beside = file.parent / "beside_it.py"
    beside.write_text("WIDTH = 32\n")
    plain(file, "make", "\nfrom beside_it import WIDTH\nmake = lambda: Plain(3, WIDTH)\n").load(0, CPU)


# ---------------------------------------------------------------------------------------------- what is refused

NOT_IMAGES = "\nclass Flat(Plain):\n    def forward(self, z):\n        return super().forward(z).flatten(1)\n"
OBLONG = "\nclass Oblong(Plain):\n    def forward(self, z):\n        return super().forward(z)[..., :20]\n"
NOISY = "\nclass Noisy(Plain):\n    def forward(self, z):\n        return torch.rand(len(z), 1, 16, 16)\n"

WRONG_PLAIN = [
    ("Plane", "", {}, "did you mean Plain"),
    ("bad", "\nraise OSError('no\\ndisk')\n", {}, "its import fails (OSError: no disk)"),
    ("bad", "\nbad = lambda: 1 / 0\n", {}, "its factory fails without arguments (ZeroDivisionError"),
    ("Sizes", "", {}, "a Sizes, not an nn.Module"),
    ("bad", "\nbad = lambda: nn.Linear(3, 4)\n", {}, "prior.latent_dim"),
    ("Plain", "", {"latent_dim": 7}, "fails on latents (8, 7) (RuntimeError"),
    ("Flat", NOT_IMAGES, {}, "gives (8, 3072) for 8 latents"),
    ("Oblong", OBLONG, {}, "makes images (3, 32, 20)"),
    ("bad", "\nbad = lambda: Plain(channels=4)\n", {}, "makes images (4, 32, 32)"),
    ("Noisy", NOISY, {}, "free of random noise"),
    ("bad", "\nbad = lambda: Plain(low=-1.0)\n", {}, "prior.output_range is (0, 1)"),
    ("bad", "\nbad = lambda: Plain(high=255.0)\n", {}, "far outside the range"),
    ("Plain", "", {"output_range": (-1.0, 1.0)}, "at most half of the range"),
    ("bad", "\nbad = lambda: Plain(high=float('nan'))\n", {}, "NaN or infinite pixels"),
]


@pytest.mark.parametrize(("factory", "extra", "given", "hint"), WRONG_PLAIN, ids=[hint for *_, hint in WRONG_PLAIN])
def test_a_generator_that_cannot_be_used_is_one_line_that_names_it(file, factory, extra, given, hint):
    refused(lambda: plain(file, factory, extra, **given), hint)
    with pytest.raises(InputError, match=f"mine.py:{factory}"):
        plain(file, factory, **given).load(0, CPU)


WRONG_STYLE = [
    ("Plain", "", "has no mapping, synthesis, z_dim, w_dim, num_ws"),
    (
        "Bad",
        "\nclass Bad(Style):\n    def __init__(self):\n        super().__init__(); del self.num_ws\n",
        "no num_ws;",
    ),
    ("Bad", "\nclass Bad(Style):\n    def __init__(self):\n        super().__init__(); self.c_dim = 9\n", "c_dim 9"),
    ("Bad", "\nclass Bad(Style):\n    def __init__(self):\n        super().__init__(); self.num_ws = 2\n", "num_ws 2"),
    (
        "Bad",
        "\nclass Bad(Style):\n    def __init__(self):\n        super().__init__(); self.z_dim = 6\n",
        "mapping fails",
    ),
    (
        "Bad",
        "\nclass Bad(Style):\n    def __init__(self):\n        super().__init__(); m = self.mapping\n"
        "        del self.mapping\n        self.mapping = lambda z, c: m(z, c) * torch.arange(3)[:, None]\n",
        "another w for every layer",
    ),
]


@pytest.mark.parametrize(("factory", "extra", "hint"), WRONG_STYLE, ids=[hint for *_, hint in WRONG_STYLE])
def test_a_module_that_is_no_stylegan_is_one_line_that_names_it(file, factory, extra, hint):
    refused(lambda: style(file, factory, extra), hint)


def wrong_weights(kind: str, module: nn.Module):
    state = module.state_dict()
    name = next(iter(state))
    return {
        "nan": state | {name: torch.full_like(state[name], torch.nan)},
        "module": module,
        "other": {"layer.weight": torch.zeros(2, 2)},
        "nested": {"state": state},
    }[kind]


HINTS = [
    ("nan", "has NaN or infinite values"),
    ("module", "no file of plain tensors (UnpicklingError); save a state_dict"),
    ("other", "not the weights of generator"),
    ("nested", "more than tensors by name; save a state_dict"),
]


@pytest.mark.parametrize("make", [plain, style])
@pytest.mark.parametrize(("kind", "hint"), HINTS, ids=[kind for kind, _ in HINTS])
def test_weights_that_cannot_be_used_are_one_line_that_names_their_file(file, tmp_path, make, kind, hint):
    prior = make(file)
    # a module of a file cannot be pickled at all
    module = nn.Linear(2, 2) if kind == "module" else prior.generator
    torch.save(wrong_weights(kind, module), tmp_path / "weights.pt")
    wrong = GeneratorSource(prior.source.factory, tmp_path / "weights.pt")
    refused(lambda: type(prior)(**prior.config | {"source": wrong}), hint)
    refused(lambda: type(prior)(**prior.config | {"source": wrong}), "weights.pt")


def test_weights_never_run_code(file, tmp_path):
    class Harm:
        def __reduce__(self):
            return Path.touch, (tmp_path / "harmed",)

    (tmp_path / "weights.pt").write_bytes(pickle.dumps({"layer.weight": Harm()}))
    torch.save({"layer.weight": Harm()}, tmp_path / "zipped.pt")
    for name in ("weights.pt", "zipped.pt"):
        refused(lambda: ImportedPrior(source(file, "Plain", tmp_path / name), 1, 16), "no file of plain tensors")  # noqa: B023
    assert not (tmp_path / "harmed").exists()


# ----------------------------------------------------------------------------------------- setup and the attacks

SETUPS = [
    ({"kind": "import"}, "needs a generator"),
    ({"kind": "style"}, "needs a generator"),
    ({"kind": "dcgan", "generator": "a.b:c"}, "generator goes with kind import or style"),
    ({"weights": "w.pt"}, "weights goes with kind import or style"),
    ({"kind": "style", "generator": "a:b", "latent_dim": 4}, "latent_dim goes with kind import"),
    ({"batch": 8}, "batch goes with kind import or style"),
    ({"kind": "import", "generator": "a:b", "truncation": 0.5}, "truncation goes with kind style"),
    ({"kind": "import", "generator": "a:b", "output_range": [1, -1]}, "upside down"),
    ({"kind": "import", "generator": "a.b"}, "neither package.module:factory nor path/to/file.py:factory"),
    ({"kind": "import", "generator": "some/where:f"}, "neither package.module:factory"),
    ({"kind": "style", "generator": "a:b", "truncation": 0}, "prior.truncation"),
]


@pytest.mark.parametrize(("prior", "hint"), SETUPS, ids=[hint for _, hint in SETUPS])
def test_a_setup_that_contradicts_itself_is_one_line(prior, hint):
    with pytest.raises(InputError, match=r"my\.yaml: prior") as caught:
        make_setup({"prior": prior}, "my.yaml")
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


MISSING = [
    ({"generator": "nowhere/to/be.py:f"}, "be.py:f': no such file"),
    ({"generator": "no_such_package.nets:f"}, "no package 'no_such_package'"),
    ({"generator": "torch.nn:Identity", "weights": "nowhere.pt"}, "nowhere.pt: no such file"),
]


@pytest.mark.parametrize(("given", "hint"), MISSING, ids=[hint for _, hint in MISSING])
def test_a_missing_file_is_named_before_anything_is_read(given, hint):
    with pytest.raises(InputError) as caught:
        assets.check_names(make_setup({"prior": {"kind": "import"} | given}, "my.yaml"))
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_paths_of_a_setup_hold_in_every_working_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    prior = make_setup({"prior": {"kind": "import", "generator": "mine.py:Plain", "weights": "w.pt"}}, "x").prior
    assert (prior.generator, prior.weights) == (f"{tmp_path}/mine.py:Plain", tmp_path / "w.pt")


@pytest.fixture(scope="module")
def target() -> nn.Module:
    bank = make_bank(6, images=10)
    model = create_classifier("small_cnn", 6, 1, 16, seed=0)
    run = Training(model, *bank.tensors(), torch.arange(60), Recipe(epochs=12, flip=False), 0, CPU)
    while not run.finished:
        run.train_epoch()
    return model


@pytest.mark.parametrize("attack", ["ppa", "mirror"])
@pytest.mark.parametrize("make", [plain, style])
def test_an_attack_with_an_own_generator_makes_the_target_surer_than_its_start_did(file, target, make, attack):
    prior: UserPrior = make(file).load(0, CPU)
    ground = Ground(prior, render_samples(prior, 200, 0, CPU), make_bank(4, seed=1).images, prior.key())
    row = make_attack(attack, "reduced")
    oracle = open_oracle(row.access, target, CPU)
    result = row.run(oracle, ground, torch.arange(6), seed=0)
    assert result.images.shape == (6, row.keep, 1, 16, 16)
    assert result.latents.shape == (6, row.keep, prior.latent_dim)
    assert result.latents.abs().max() <= row.stages[0].constraint.bound
    own = torch.arange(6).repeat_interleave(row.keep)[:, None]
    sure = [oracle.confidence(i.flatten(0, 1)).gather(1, own).mean() for i in (result.start_images, result.images)]
    assert sure[1] > sure[0] + 0.05 or sure[1] > 0.99


@pytest.mark.parametrize(("kind", "factory"), [("import", "Plain"), ("style", "Style")])
def test_a_setup_with_an_own_generator_makes_its_attacker(file, tmp_path, kind, factory):
    def prepared(**changes) -> assets.Attacker:
        values = {"data": {"source": "folder", "resolution": 16}, "prior": {"kind": kind, "samples": 20}}
        values["prior"] |= {"generator": f"{file}:{factory}"} | changes
        values["data"] |= {"private": str(private), "public": str(public)}
        setup = make_setup(values, "test")
        assets.check_names(setup)
        data = assets.load_data(setup, 0)
        assets.check_own_generator(setup, data, 0, CPU)
        return assets.prepare_attacker(setup, data, 0, CPU)

    private = write_image_folder(make_bank(4, size=16), tmp_path / "private")
    public = write_image_folder(make_bank(6, size=16, seed=1), tmp_path / "public")
    once, again = prepared(), prepared()
    assert once.ground.prior.name == kind
    assert once.ground.samples.images.shape == (20, 1, 16, 16)
    assert once.ground.key == again.ground.key
    keys = {once.ground.key}
    with pytest.raises(InputError, match=r"mine\.py"):
        prepared(output_range=[0.0, 9.0])
    keys.add(prepared(output_range=[0.01, 0.99] if kind == "import" else [-1.05, 1.05]).ground.key)
    file.write_text(CODE + "\n# changed\n")
    keys.add(prepared().ground.key)
    assert len(keys) == 3
