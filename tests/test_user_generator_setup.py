"""A setup that names a user's generator: contradictions and missing files are one line, and paths hold anywhere."""

from __future__ import annotations

import pytest

from mi_tune.runtime.errors import InputError
from mi_tune.setup import make_setup
from mi_tune.trial import assets

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
