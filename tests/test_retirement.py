"""When a candidate is done before the steps are."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_bank
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_tune.attacks import Ground, WhiteBox, make_attack
from mi_tune.attacks.constraints import Free
from mi_tune.attacks.latents import Point
from mi_tune.attacks.optimisers import Adam
from mi_tune.attacks.parts import Found, Mover
from mi_tune.attacks.retirement import Retire
from mi_tune.nets import create_classifier
from mi_tune.priors import fit_eigenfaces, render_samples
from mi_tune.runtime.errors import InputError

CPU = torch.device("cpu")
RANDOM = torch.Generator()


def start(candidates: int, retire: Retire) -> Mover:
    return Adam(0.1).start(torch.zeros(1, candidates, 2), Point(), Free(), retire)


def lifetimes(losses: np.ndarray, confidences: np.ndarray, retire: Retire) -> list[int]:
    """Steps that each candidate took when the target says losses and confidences (steps, candidates)."""
    mover, taken = start(losses.shape[1], retire), np.zeros(losses.shape[1], dtype=int)
    for loss, confidence in zip(torch.tensor(losses), torch.tensor(confidences), strict=True):
        rows = mover.ask(RANDOM).rows
        if len(rows):
            taken[rows.numpy()] += 1
            mover.tell(Found(loss[rows].float(), confidence[rows].float(), torch.ones(len(rows), 2)))
    return taken.tolist()


def falling_then_flat(steps: int, fall: int) -> np.ndarray:
    return np.maximum(0.0, 1 - np.arange(steps) / fall)


def test_a_candidate_retires_when_it_is_sure_and_its_loss_has_stopped_falling():
    losses = falling_then_flat(40, 10)[:, None]
    (taken,) = lifetimes(losses, np.ones_like(losses), Retire(window=3, gain=0.02))
    assert 10 < taken < 20


def test_being_sure_is_not_enough_while_the_loss_still_falls():
    losses = falling_then_flat(40, 40)[:, None]
    assert lifetimes(losses, np.ones_like(losses), Retire(window=3, gain=0.02)) == [40]


def test_a_loss_that_stands_still_is_not_enough_while_the_target_is_unsure():
    losses = falling_then_flat(40, 5)[:, None]
    assert lifetimes(losses, np.full_like(losses, 0.9), Retire(confidence=0.99, window=3)) == [40]


def test_one_lucky_view_does_not_retire_a_candidate():
    losses, confidences = falling_then_flat(40, 5)[:, None], np.full((40, 1), 0.5)
    confidences[::4] = 1.0
    assert lifetimes(losses, confidences, Retire(confidence=0.9, window=4)) == [40]


def test_no_candidate_retires_before_the_minimum_of_steps():
    losses = np.zeros((40, 1))
    assert lifetimes(losses, np.ones_like(losses), Retire(window=2, minimum=0)) == [4]
    assert lifetimes(losses, np.ones_like(losses), Retire(window=2, minimum=25)) == [25]


def test_a_retired_candidate_keeps_still_and_the_others_go_on():
    mover = start(2, Retire(window=1))
    for _ in range(2):
        mover.ask(RANDOM)
        mover.tell(Found(torch.zeros(2), torch.tensor([1.0, 0.0]), torch.ones(2, 2)))
    before = mover.result(RANDOM).clone()
    assert mover.ask(RANDOM).rows.tolist() == [1]
    mover.tell(Found(torch.zeros(1), torch.zeros(1), torch.ones(1, 2)))
    after = mover.result(RANDOM)
    assert torch.equal(after[0, 0], before[0, 0])
    assert (after[0, 1] < before[0, 1]).all()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    window=st.integers(1, 4),
    gain=st.sampled_from([0.0, 0.05, 0.3]),
    minimum=st.integers(0, 12),
)
def test_the_rule_is_what_a_plain_loop_over_each_candidates_history_finds(seed, window, gain, minimum):
    rng = np.random.default_rng(seed)
    losses = (np.exp(-np.arange(24)[:, None] / rng.uniform(2, 9, 5)) + rng.normal(0, 0.02, (24, 5))).astype(np.float32)
    confidences = rng.choice([0.7, 1.0], (24, 5), p=[0.2, 0.8]).astype(np.float32)
    rule = Retire(confidence=0.88, window=window, gain=gain, minimum=minimum)

    def lifetime(loss: np.ndarray, confidence: np.ndarray) -> int:
        for step in range(max(2 * window, minimum), 25):
            now, before = loss[step - window : step].mean(), loss[step - 2 * window : step - window].mean()
            sure = confidence[step - window : step].mean() >= 0.88  # no mean of the draws comes near it
            if sure and before - now <= gain * (loss[0] - now):
                return step
        return 24

    # the histories of double precision: a tie of single-precision means could fall either way
    expected = [lifetime(*h) for h in zip(losses.astype(float).T, confidences.astype(float).T, strict=True)]
    assert lifetimes(losses, confidences, rule) == expected


def test_an_attack_whose_candidates_all_retire_asks_no_more_of_the_target():
    bank = make_bank(4, images=4)
    prior = fit_eigenfaces(make_bank(12, seed=9).images)
    ground = Ground(prior, render_samples(prior, 40, 0, CPU), bank.images, "key")
    attack = make_attack("ppa", "reduced")
    # confidence 0 and all of the fall: done as soon as both windows are full
    (stage,) = attack.stages
    eager = replace(attack, stages=(replace(stage, steps=30, retire=Retire(confidence=0.0, window=2, gain=100.0)),))
    oracle = WhiteBox(create_classifier("small_cnn", 4, 1, 16, seed=0), CPU)
    result = eager.run(oracle, ground, torch.arange(4), seed=0)
    moved = 4 * attack.candidates
    assert 4 * moved <= result.backward_passes < 12 * moved < eager.passes(4, 40).backward
    assert result.images.shape[:2] == (4, attack.keep)


@pytest.mark.parametrize("wrong", [{"confidence": 1.5}, {"confidence": -0.1}, {"window": 0}])
def test_a_rule_that_cannot_be_followed_is_refused_in_one_line(wrong):
    with pytest.raises(InputError, match=r"give a confidence in \[0, 1\] and a window of 1 or more"):
        Retire(**wrong)
