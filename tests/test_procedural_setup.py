"""A setup that asks for drawn faces: what it brings, and what does not fit them is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import make_bank, write_image_folder
from drawn_people import TINY

from mi_tune.data import procedural_banks
from mi_tune.runtime.errors import InputError
from mi_tune.setup import make_setup
from mi_tune.trial.assets import check_names, load_data


def test_a_setup_of_drawn_faces_brings_the_parameters_of_its_private_people():
    data = load_data(make_setup(TINY, "test"), 3)
    assert (data.private.identities, data.public.identities) == (4, 6)
    assert np.array_equal(data.identity_parameters, procedural_banks(4, 6, 10, 16, 3)[2])
    parts = [data.split.train, data.split.val, data.split.test]
    assert sorted(np.concatenate(parts).tolist()) == list(range(40))


def test_photographs_have_no_parameters(tmp_path):
    folder = write_image_folder(make_bank(4, size=16), tmp_path / "people")
    setup = make_setup({"data": {"source": "folder", "private": str(folder), "resolution": 16}}, "test")
    assert load_data(setup, 0).identity_parameters is None


WRONG = [
    ({"source": "procedural", "private": "/x"}, "take no folders"),
    ({"source": "procedural", "public": "/x"}, "take no folders"),
    ({"source": "procedural", "channels": 3}, "are grey"),
    ({"source": "procedural", "resolution": 200}, "128"),
    ({"source": "procedural", "images_per_identity": 2}, "data.images_per_identity"),
    ({"source": "procedural", "public_identities": 1}, "data.public_identities"),
    ({"source": "orl", "public_identities": 10}, "public_identities belongs to source 'procedural'"),
    ({"source": "orl", "images_per_identity": 10}, "images_per_identity belongs to source 'procedural'"),
    ({"source": "folder", "private": "/x", "images_per_identity": 5}, "images_per_identity belongs to"),
]


@pytest.mark.parametrize(("data", "hint"), WRONG, ids=[f"{d['source']}: {hint}" for d, hint in WRONG])
def test_what_does_not_fit_drawn_faces_is_named(data, hint):
    with pytest.raises(InputError, match=hint) as caught:
        make_setup({"data": data}, "my.yaml")
    assert "\n" not in str(caught.value)


def test_drawn_faces_may_be_said_to_be_grey():
    assert make_setup({"data": {"source": "procedural", "channels": 1}}, "x").data.channels == 1


def test_the_drawing_is_no_prior_for_other_faces():
    with pytest.raises(InputError, match=r"'procedural'.*'orl'") as caught:
        check_names(make_setup({}, "my.yaml", {"prior.kind": "procedural"}))
    assert "\n" not in str(caught.value)
