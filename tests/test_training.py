"""The training loop learns, stops and goes on, and says when it has diverged."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from conftest import make_bank
from torch import nn

from mi_tune.erasing import NO_DEFENCE, ErasingLaw
from mi_tune.nets import create_classifier
from mi_tune.nets.guards import Guard
from mi_tune.nets.training import Recipe, Training, batches_of, predict
from mi_tune.runtime.errors import DivergedError

CPU = torch.device("cpu")
LAW = ErasingLaw(probability=0.7, area=(0.1, 0.5), fill="noise")


def start(recipe: Recipe, law: ErasingLaw = LAW, seed: int = 3) -> Training:
    bank = make_bank(5)
    model = create_classifier("small_cnn", 5, 1, 16, seed=1)
    return Training(model, *bank.tensors(), torch.arange(0, 30), recipe, seed, CPU, law)


def finish(run: Training) -> Training:
    while not run.finished:
        run.train_epoch()
    return run


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_run_that_stops_after_any_epoch_goes_on_to_the_same_weights(tmp_path, optimiser, stop):
    recipe = Recipe(epochs=4, batch_size=8, optimiser=optimiser)
    whole = finish(start(recipe))
    first = start(recipe)
    for _ in range(stop):
        first.train_epoch()
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second = start(recipe)
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    finish(second)
    for (name, a), b in zip(whole.model.state_dict().items(), second.model.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert torch.equal(whole.erased_share, second.erased_share)


def test_another_seed_gives_other_weights():
    recipe = Recipe(epochs=1, batch_size=8)
    a, b = finish(start(recipe, seed=3)).model.state_dict(), finish(start(recipe, seed=4)).model.state_dict()
    assert any(not torch.equal(a[k], b[k]) for k in a)


def test_training_learns_to_tell_identities_apart_on_images_it_has_not_seen():
    bank = make_bank(5, images=12)
    seen = torch.arange(60).view(5, 12)[:, :8].flatten()
    unseen = torch.arange(60).view(5, 12)[:, 8:].flatten()
    model = create_classifier("small_cnn", 5, 1, 16, seed=0)
    finish(Training(model, *bank.tensors(), seen, Recipe(epochs=15, batch_size=16, flip=False), 0, CPU))
    images, labels = bank.tensors()
    accuracy = (predict(model, images, CPU, unseen).argmax(1) == labels[unseen]).float().mean()
    assert accuracy > 0.9


def test_images_outside_the_indices_are_never_trained_on():
    bank = make_bank(5)
    poisoned = dataclasses.replace(bank, images=bank.images.copy())
    poisoned.images[20:] = 255 - poisoned.images[20:]
    weights = []
    for source in (bank, poisoned):
        model = create_classifier("small_cnn", 5, 1, 16, seed=1)
        run = finish(Training(model, *source.tensors(), torch.arange(20), Recipe(epochs=2), 0, CPU))
        weights.append(run.model.state_dict())
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])


def test_the_erase_map_tells_the_realised_share_and_clean_epochs_do_not_erase():
    recipe = Recipe(epochs=4, batch_size=8)
    always = finish(start(recipe, ErasingLaw(probability=1.0, area=(1.0, 1.0), fill="black")))
    assert torch.allclose(always.erased_share, torch.ones(16, 16))
    half = finish(start(recipe, ErasingLaw(probability=1.0, area=(1.0, 1.0), fill="black", clean_epochs=2)))
    assert torch.allclose(half.erased_share, torch.full((16, 16), 0.5))
    never = finish(start(recipe, NO_DEFENCE))
    assert never.erased_share.sum() == 0


def test_a_training_that_diverges_says_so():
    run = start(Recipe(epochs=3, optimiser="sgd", learning_rate=1e30))
    with pytest.raises(DivergedError, match="learning_rate"):
        finish(run)


def test_predict_gives_the_same_for_bytes_and_floats_and_any_batch():
    bank = make_bank(4, images=40)  # more than go through at once
    model = create_classifier("small_cnn", 4, 1, 16, seed=0)
    images = bank.tensors()[0]
    expected = predict(model, images, CPU)
    assert torch.allclose(predict(model, images.float() / 255, CPU), expected, atol=1e-5)
    picked = torch.tensor([130, 1])
    assert torch.allclose(predict(model, images, CPU, picked), expected[picked], atol=1e-5)
    assert not model.training


def test_training_leaves_the_bank_as_it_was():
    bank = make_bank(3)
    before = bank.images.copy()
    model = create_classifier("small_cnn", 3, 1, 16, seed=0)
    finish(Training(model, *bank.tensors(), torch.arange(18), Recipe(epochs=1), 0, CPU, LAW))
    assert np.array_equal(bank.images, before)


@pytest.mark.parametrize(("count", "sizes"), [(65, [65]), (129, [64, 65]), (64, [64]), (66, [64, 2]), (1, [1])])
def test_no_batch_is_of_one_image_beside_others(count, sizes):
    batches = batches_of(torch.arange(count), 64)
    assert [len(batch) for batch in batches] == sizes
    assert torch.equal(torch.cat(batches), torch.arange(count))


def test_a_network_that_ends_in_one_pixel_trains_on_one_image_more_than_a_batch():
    bank = make_bank(5, images=13, size=32, channels=3)  # 65 images
    model = create_classifier("vgg11_bn", 5, 3, 32, 0)
    ends_in_one_pixel = nn.Sequential(model, nn.Unflatten(1, (5, 1, 1)), nn.BatchNorm2d(5), nn.Flatten())
    run = Training(ends_in_one_pixel, *bank.tensors(), torch.arange(65), Recipe(epochs=1, batch_size=64), 0, CPU)
    assert np.isfinite(run.train_epoch())


class Small(nn.Module):
    """A linear network that has memory for `room` images and no more; no batch norm, so that parts add up."""

    def __init__(self, room: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear, self.room, self.seen = nn.Linear(16 * 16, 5), room, []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.seen.append(len(images))
        return self.linear(images.flatten(1))


def trained_in(room: int, batch_size: int = 16, **more) -> Training:
    bank, recipe = make_bank(5), Recipe(epochs=2, batch_size=batch_size, optimiser="sgd", learning_rate=0.01)
    return Training(Small(room), *bank.tensors(), torch.arange(30), recipe, 3, CPU, LAW, **more)


def test_a_batch_that_does_not_fit_is_computed_in_parts_of_two_images_or_more_that_add_up():
    whole, parts = finish(trained_in(16)), finish(trained_in(5))
    assert (whole.parts, parts.parts) == (1, 4)
    assert set(parts.model.seen) <= {3, 4, 5} and sum(parts.model.seen) >= 60
    for name, value in whole.model.state_dict().items():
        assert torch.allclose(value, parts.model.state_dict()[name], atol=1e-6), name
    assert torch.equal(whole.erase_map, parts.erase_map), "a batch is drawn and erased once"


def test_a_run_that_goes_on_computes_in_as_many_parts_as_before():
    first, again = trained_in(5), trained_in(5)
    first.train_epoch()
    again.load_state_dict(copy.deepcopy(first.state_dict()))
    again.train_epoch()
    first.train_epoch()
    assert again.parts == 4 and len(again.model.seen) == 8, "it does not try whole batches again"
    assert torch.equal(first.model.linear.weight, again.model.linear.weight)


def test_what_does_not_fit_in_parts_of_two_images_either_is_said():
    with pytest.raises(torch.OutOfMemoryError):
        trained_in(1).train_epoch()


def test_a_batch_is_not_divided_where_another_defence_looks_at_all_of_it():
    with pytest.raises(torch.OutOfMemoryError):
        trained_in(5, guards=(Guard(),)).train_epoch()
