"""Work in parts: the same result whatever fits into the memory."""

import pytest
import torch

from mi_tune.attacks.batching import in_parts
from mi_tune.runtime.errors import InputError


class Small:
    """A memory of `room` rows. Remembers what it was given."""

    def __init__(self, room: int) -> None:
        self.room, self.sizes = room, []

    def __call__(self, x, y):
        self.sizes.append(len(x))
        if len(x) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return x * 2, x.sum(1) + y


X, Y = torch.arange(46.0).view(23, 2), torch.arange(23.0)


@pytest.mark.parametrize("room", [1, 2, 3, 5, 22, 23])
@pytest.mark.parametrize("limit", [2, 7, 1000])
def test_parts_give_what_the_whole_gives_however_little_fits(room, limit):
    doubled, sums = in_parts(Small(room), limit, X, Y)
    assert torch.equal(doubled, X * 2)
    assert torch.equal(sums, X.sum(1) + Y)


def test_a_part_that_does_not_fit_is_halved_and_smaller_parts_are_kept():
    memory = Small(6)
    in_parts(memory, 1000, X, Y)
    assert memory.sizes == [23, 11, 5, 5, 5, 5, 3]


def test_no_part_is_larger_than_the_limit_and_no_row_comes_twice():
    memory = Small(1000)
    in_parts(memory, 10, X, Y)
    assert memory.sizes == [10, 10, 3]


@pytest.mark.parametrize("rows", [1, 23])
def test_a_row_that_does_not_fit_is_one_clear_line(rows):
    memory = Small(0)
    with pytest.raises(InputError, match="does not fit") as caught:
        in_parts(memory, 1000, X[:rows], Y[:rows])
    assert "\n" not in str(caught.value)
    assert memory.sizes[-1] == 1
    assert sorted(set(memory.sizes)) == sorted(memory.sizes)


def test_another_error_is_not_taken_for_a_lack_of_memory():
    def broken(x):
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        in_parts(broken, 10, X)
