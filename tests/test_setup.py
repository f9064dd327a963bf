"""The setup: every mistake is one line that names it."""

from pathlib import Path

import pytest
import yaml

from mi_tune.runtime.errors import InputError
from mi_tune.setup import make_setup, read_setup
from mi_tune.trial.assets import check_names

SETUPS = Path(__file__).parents[1] / "studies" / "setups"


@pytest.mark.parametrize("file", sorted(SETUPS.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_setup_is_valid(file):
    overrides = {"data.private": "/somewhere"} if file.stem == "folder" else {}
    check_names(make_setup(read_setup(file), str(file), overrides))


WRONG = [
    ({"taget": {}}, "did you mean target"),
    ({"target": {"epoch": 3}}, "did you mean epochs"),
    ({"target": {"epochs": 0}}, "target.epochs"),
    ({"target": {"epochs": "many"}}, "many"),
    ({"data": {"source": "lfw"}}, "data.source"),
    ({"data": {"source": "folder"}}, "--private"),
    ({"data": {"split": [0.5, 0.5, 0.5]}}, "add up to 1"),
    ({"data": {"resolution": 4}}, "data.resolution"),
    ({"search": {"space": {"area_low": [0.8, 0.1]}}}, "upside down"),
    ({"search": {"space": {"probability": [0.0, 1.5]}}}, "probability"),
    ({"search": {"space": {"location": ["insde"]}}}, "inside"),
    ({"search": {"space": {"fill": ["gray"]}}}, "unknown fill"),
    ({"search": {"min_accuracy": 80}}, "min_accuracy"),
    ({"name": "../escape"}, "name"),
]


@pytest.mark.parametrize(("values", "hint"), WRONG, ids=[hint for _, hint in WRONG])
def test_a_wrong_setup_is_one_line_that_names_the_culprit(values, hint):
    with pytest.raises(InputError, match=hint) as caught:
        make_setup(values, "my.yaml")
    assert str(caught.value).startswith("my.yaml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "hint"),
    [
        ({"target.architecture": "small_cn"}, "small_cnn"),
        ({"attack.preset": "pppa"}, "ppa"),
        ({"attack.preset": "gmi"}, "dcgan"),
        ({"judge.architecture": "small_cnn"}, "another one"),
        ({"prior.samples": 1}, "prior.samples"),
    ],
)
def test_names_that_do_not_fit_are_found_before_anything_is_read(overrides, hint):
    with pytest.raises(InputError, match=hint) as caught:
        check_names(make_setup({}, "my.yaml", overrides))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("content", "hint"), [("a: [", "YAML"), ("- 1", "mapping"), (None, "cannot read")])
def test_a_file_that_is_no_setup_is_named(tmp_path, content, hint):
    file = tmp_path / "x.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match=hint) as caught:
        read_setup(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_overrides_win_and_missing_ones_are_ignored():
    values = {"target": {"epochs": 3}}
    setup = make_setup(values, "x", {"target.epochs": 5, "search.trials": None, "prior.kind": "dcgan"})
    assert (setup.target.epochs, setup.search.trials, setup.prior.kind) == (5, 36, "dcgan")
    assert values == {"target": {"epochs": 3}}


def test_the_resolved_setup_survives_yaml():
    setup = make_setup({"data": {"source": "folder", "private": "/x"}}, "x")
    again = make_setup(yaml.safe_load(yaml.safe_dump(setup.model_dump(mode="json"))), "y")
    assert again == setup
