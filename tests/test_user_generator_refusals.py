"""A user's generator that cannot be used is refused in one line that names it."""

from __future__ import annotations

import pytest
import torch
from own_generators import plain, refused, style

from mi_tune.runtime.errors import InputError

CPU = torch.device("cpu")

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
def test_a_generator_that_cannot_be_used_is_one_line_that_names_it(generator_file, factory, extra, given, hint):
    refused(lambda: plain(generator_file, factory, extra, **given), hint)
    with pytest.raises(InputError, match=f"mine.py:{factory}"):
        plain(generator_file, factory, **given).load(0, CPU)


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
        "a different w for each layer",
    ),
]


@pytest.mark.parametrize(("factory", "extra", "hint"), WRONG_STYLE, ids=[hint for *_, hint in WRONG_STYLE])
def test_a_module_that_is_no_stylegan_is_one_line_that_names_it(generator_file, factory, extra, hint):
    refused(lambda: style(generator_file, factory, extra), hint)
