"""A user's generator is attacked with: it makes the target surer, and a setup that names it makes its attacker."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from conftest import make_bank, write_image_folder
from own_generators import CODE, plain, style

from mi_tune.attacks import Ground, make_attack, open_oracle
from mi_tune.attacks.inits import Normal
from mi_tune.priors import UserPrior, render_samples
from mi_tune.runtime.errors import InputError
from mi_tune.setup import make_setup
from mi_tune.trial import assets

CPU = torch.device("cpu")


@pytest.mark.parametrize("attack", ["ppa", "mirror"])
@pytest.mark.parametrize("make", [plain, style])
def test_an_attack_with_an_own_generator_makes_the_target_surer_than_its_start_did(
    generator_file, target, make, attack
):
    prior: UserPrior = make(generator_file).load(0, CPU)
    ground = Ground(prior, render_samples(prior, 200, 0, CPU), make_bank(4, seed=1).images, prior.key())
    row = replace(make_attack(attack, "reduced"), init=Normal())  # not the best samples: a low start
    oracle = open_oracle(row.access, target, CPU)
    result = row.run(oracle, ground, torch.arange(6), seed=0)
    assert result.images.shape == (6, row.keep, 1, 16, 16)
    assert result.latents.shape == (6, row.keep, prior.latent_dim)
    assert result.latents.abs().max() <= row.stages[0].constraint.bound
    own = torch.arange(6).repeat_interleave(row.keep)[:, None]
    sure = [oracle.confidence(i.flatten(0, 1)).gather(1, own).mean() for i in (result.start_images, result.images)]
    assert sure[0] < 0.3
    assert sure[1] > sure[0] + 0.1


@pytest.mark.parametrize(("kind", "factory"), [("import", "Plain"), ("style", "Style")])
def test_a_setup_with_an_own_generator_makes_its_attacker(generator_file, tmp_path, kind, factory):
    def prepared(**changes) -> assets.Attacker:
        values = {"data": {"source": "folder", "resolution": 16}, "prior": {"kind": kind, "samples": 20}}
        values["prior"] |= {"generator": f"{generator_file}:{factory}"} | changes
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
    generator_file.write_text(CODE + "\n# changed\n")
    keys.add(prepared().ground.key)
    assert len(keys) == 3
