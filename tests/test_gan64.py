"""The published GANs of the 64 px line: their names of weights, sizes and arithmetic."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from mi_tune.attacks import make_attack
from mi_tune.nets import parameter_count
from mi_tune.nets.gan64 import ClassGenerator64, Critic64, Gan64, Generator64
from mi_tune.priors import GeneratorSource, ImportedPrior
from mi_tune.priors.contracts import check_prior_contract


def test_the_generator_has_the_layers_of_the_published_code():
    with torch.device("meta"):
        made = Generator64()
    shapes = {name: tuple(value.shape) for name, value in made.state_dict().items() if "num_batches" not in name}
    norm = {"weight", "bias", "running_mean", "running_var"}
    wanted = {"l1.0.weight": (8192, 100)} | {f"l1.1.{n}": (8192,) for n in norm}
    for k, (inputs, outputs) in enumerate([(512, 256), (256, 128), (128, 64)]):
        wanted |= {f"l2_5.{k}.0.weight": (inputs, outputs, 5, 5)} | {f"l2_5.{k}.1.{n}": (outputs,) for n in norm}
    wanted |= {"l2_5.3.weight": (64, 3, 5, 5), "l2_5.3.bias": (3,)}
    assert shapes == wanted


def test_the_critic_has_the_layers_of_the_published_code():
    with torch.device("meta"):
        made = Critic64()
    shapes = {name: tuple(value.shape) for name, value in made.state_dict().items()}
    wanted = {"ls.0.weight": (64, 3, 5, 5), "ls.0.bias": (64,), "ls.5.weight": (1, 512, 4, 4), "ls.5.bias": (1,)}
    for k, (inputs, outputs) in enumerate([(64, 128), (128, 256), (256, 512)], start=2):
        wanted |= {f"ls.{k}.0.weight": (outputs, inputs, 5, 5)}
        wanted |= {f"ls.{k}.{n}": (outputs,) for n in ("0.bias", "1.weight", "1.bias")}
    assert shapes == wanted


def test_both_work_at_their_size_and_the_small_one_is_the_field_s_for_32_px():
    pair = Gan64().eval()
    images = pair(torch.randn(2, 100))
    assert images.shape == (2, 3, 64, 64) and images.min() >= 0 and images.max() <= 1
    assert pair.realism(images).shape == (2,)
    assert pair.realism(torch.rand(2, 1, 32, 32)).shape == (2,)
    with torch.device("meta"):
        assert Generator64(channels=1, resolution=32).l1[0].weight.shape == (64 * 4 * 16, 100)
    assert Generator64(channels=1, resolution=32)(torch.randn(2, 100)).shape == (2, 1, 32, 32)


def test_the_class_generator_has_the_names_of_the_published_code():
    with torch.device("meta"):
        made = ClassGenerator64(1000)
    state = made.state_dict()
    assert {name.split(".")[0] for name in state} == {"l1", "block2", "block3", "block4", "block5", "b6", "conv6"}
    assert state["l1.weight"].shape == (16384, 128)
    assert state["block2.c1.weight"].shape == (512, 1024, 3, 3)
    assert state["block2.b1.weights.weight"].shape == (1000, 1024)
    assert state["block5.c_sc.weight"].shape == (64, 128, 1, 1)
    assert state["conv6.weight"].shape == (3, 64, 1, 1)
    norms = 2 * 1000 * sum((1024, 512, 512, 256, 256, 128, 128, 64))
    convolutions = sum(
        9 * a * b + b + 9 * b * b + b + a * b + b for a, b in [(1024, 512), (512, 256), (256, 128), (128, 64)]
    )
    assert parameter_count(made) == 128 * 16384 + 16384 + norms + convolutions + 2 * 64 + 3 * 64 + 3


def test_its_block_is_what_the_publication_says():
    torch.manual_seed(0)
    made = ClassGenerator64(3, latent_dim=4, width=2, resolution=8).eval()
    block = made.block2
    with torch.no_grad():
        for norm in (block.b1, block.b2):
            norm.weights.weight.normal_()
            norm.biases.weight.normal_()
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
    x, labels = torch.randn(2, 4, 4, 4), torch.tensor([2, 0])

    def normed(norm, y, k):
        y = (y - norm.running_mean[:, None, None]) / (norm.running_var[:, None, None] + 1e-5).sqrt()
        return norm.weights.weight[k][:, None, None] * y + norm.biases.weight[k][:, None, None]

    for n, k in enumerate([2, 0]):
        larger = F.interpolate(normed(block.b1, x[n], k).relu()[None], scale_factor=2, mode="bilinear")
        y = F.conv2d(larger, block.c1.weight, block.c1.bias, padding=1)[0]
        y = F.conv2d(normed(block.b2, y, k).relu()[None], block.c2.weight, block.c2.bias, padding=1)[0]
        short = F.conv2d(
            F.interpolate(x[n : n + 1], scale_factor=2, mode="bilinear"), block.c_sc.weight, block.c_sc.bias
        )
        torch.testing.assert_close(block(x, labels)[n], y + short[0], atol=1e-5, rtol=1e-4)
    images = made(torch.randn(2, 4), labels)
    assert images.shape == (2, 3, 8, 8) and images.abs().max() <= 1


def test_a_published_pair_of_files_is_a_prior_with_a_discriminator(tmp_path):
    torch.manual_seed(0)
    pair = Gan64()
    file = tmp_path / "gan.pt"
    with torch.no_grad():  # random weights alone give grey images
        pair.generator.l2_5[3].weight *= 60
    both = {"generator": pair.generator, "realism": pair.realism}
    torch.save({f"{part}.{name}": v for part, net in both.items() for name, v in net.state_dict().items()}, file)
    source = GeneratorSource("mi_tune.nets.gan64:gan64", file)
    prior = ImportedPrior(source, channels=1, resolution=32).load(0, torch.device("cpu"))
    check_prior_contract(prior)
    attack = make_attack("gmi", "reduced")
    attack.check(prior, 100)
    assert attack.needs_discriminator
