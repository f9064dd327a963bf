"""Which Ray cluster a study uses, where Ray puts its files, and what is left if it does not start."""

from __future__ import annotations

import socket
import tempfile
import time
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster
from rich.console import Console

from mi_tune.runtime.errors import InputError
from mi_tune.setup import make_setup
from mi_tune.study.cluster import connect
from mi_tune.study.folder import StudyFolder
from mi_tune.study.run import RunOptions, run_study
from mi_tune.study.which_cluster import LONGEST_PLACE, choose_cluster, place_for_ray


@pytest.fixture
def head():
    """The address of something that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_without_a_word_the_cluster_is_private():
    choice = choose_cluster(None, {})
    assert choice.address is None
    assert str(choice) == "Ray cluster: a private one on this machine"


def test_the_variable_that_ray_sets_for_jobs_is_honoured(head):
    choice = choose_cluster(None, {"RAY_ADDRESS": head})
    assert choice.address == head
    assert str(choice) == f"Ray cluster: the one at {head} (RAY_ADDRESS)"


@pytest.mark.parametrize("option", ["local", "auto"])
def test_an_option_wins_over_the_variable(head, option):
    choice = choose_cluster(option, {"RAY_ADDRESS": head})
    assert choice.address == (None if option == "local" else "auto")
    assert str(choice).endswith("(--address)")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ray://head:10001", "Ray's client cannot run a study; run it on the cluster instead: ray job submit"),
        ("head", "not an address; give HOST:PORT"),
        ("head:port", "not an address"),
        ("127.0.0.1:1", "no Ray cluster answers there"),
        ("no-such-host.invalid:6379", "no Ray cluster answers there"),
    ],
)
def test_an_address_without_a_cluster_is_one_line_at_once_with_the_address_as_typed(address, said):
    begun = time.monotonic()
    with pytest.raises(InputError) as caught:
        choose_cluster(address, {})
    assert str(caught.value).startswith(f"--address {address}: {said}")
    assert "\n" not in str(caught.value)
    assert time.monotonic() - begun < 10
    with pytest.raises(InputError, match=f"^RAY_ADDRESS={address}: "):
        choose_cluster(None, {"RAY_ADDRESS": address})


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Makes a folder, `length` characters long, the temporary one."""

    def make(length: int) -> Path:
        place = tmp_path / ("d" * max(1, length - len(str(tmp_path)) - 1))
        place.mkdir(parents=True)
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        monkeypatch.delenv("RAY_TMPDIR", raising=False)
        return place

    return make


def test_a_long_temporary_folder_is_left_for_a_short_one(temporary, tmp_path_factory):
    temporary(90)
    short = Path(tempfile.mkdtemp(dir="/tmp", prefix="s"))
    assert place_for_ray([short]) == str(short)
    assert len(str(short)) <= LONGEST_PLACE


def test_folders_that_cannot_be_written_are_passed_over(temporary, monkeypatch):
    temporary(90)
    taken = Path(tempfile.mkdtemp(dir="/tmp", prefix="s")) / "file"
    taken.write_text("not a folder")
    short = Path(tempfile.mkdtemp(dir="/tmp", prefix="s"))
    assert place_for_ray([taken, short]) == str(short)
    monkeypatch.setenv("HOME", str(taken))
    with pytest.raises(InputError, match=r"set RAY_TMPDIR to a folder of yours whose path has at most 45 characters"):
        place_for_ray([taken])


def test_what_the_user_has_set_is_left_alone(temporary, monkeypatch):
    temporary(90)
    monkeypatch.setenv("RAY_TMPDIR", "/somewhere")
    assert place_for_ray([]) is None


def test_a_start_that_fails_before_its_first_trial_leaves_no_study_behind(tmp_path):
    values = {"data": {"source": "orl"}, "target": {"epochs": 1}, "search": {"trials": 4}}
    setup = make_setup(values, "test")
    for _ in range(2):
        with pytest.raises(InputError, match="no Ray cluster answers there"):
            run_study(setup, 0, tmp_path / "study", RunOptions(address="127.0.0.1:1"), Console(quiet=True))
        assert not StudyFolder(tmp_path / "study").exists


@pytest.mark.ray
@pytest.mark.slow
def test_ray_starts_although_the_temporary_folder_is_long(temporary, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(temporary(90)))
    with connect(None, 0, 1) as resources:
        assert ray.get(ray.remote(lambda: 7).remote()) == 7
        assert resources.where == "Ray cluster: a private one on this machine"


@pytest.mark.ray
@pytest.mark.slow
def test_a_job_uses_the_cluster_that_it_was_submitted_to(monkeypatch):
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 3, "include_dashboard": False})
    try:
        monkeypatch.setenv("RAY_ADDRESS", nodes.address)
        with connect(None, 0, None) as resources:
            assert resources.workers == 3
            assert resources.where == f"Ray cluster: the one at {nodes.address} (RAY_ADDRESS)"
    finally:
        nodes.shutdown()


@pytest.mark.ray
@pytest.mark.slow
def test_a_ray_that_the_user_has_started_is_used_and_left_running(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="ERROR")
    try:
        for _ in range(2):
            with connect(None, 0, None) as resources:
                assert resources.workers == 2
            assert ray.is_initialized()
    finally:
        ray.shutdown()


def test_a_temporary_folder_whose_name_ray_cannot_encode_is_passed_over(temporary, tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    strange = Path(tempfile.mkdtemp(dir="/tmp", prefix="ü"))
    monkeypatch.setattr(tempfile, "tempdir", str(strange))
    short = Path(tempfile.mkdtemp(dir="/tmp", prefix="s"))
    assert place_for_ray([short]) == str(short)
    strange.joinpath("ray").rmdir() if strange.joinpath("ray").exists() else None


def test_a_user_without_a_home_has_a_cache_and_a_place_for_ray(temporary, monkeypatch):
    from mi_tune.runtime.cache import cache_folder

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    place = temporary(90)
    monkeypatch.setattr(Path, "home", no_home)
    for name in ("MI_TUNE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert cache_folder().parent == place
    with pytest.raises(InputError, match="set RAY_TMPDIR"):
        place_for_ray([])


def test_ray_that_cannot_start_here_is_one_line(monkeypatch):
    starts = []

    def broken(**options):
        starts.append(options)
        raise Exception("The current node timed out during startup.\nThis could happen because ...")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "init", broken)
    with (
        pytest.raises(InputError, match=r"^Ray cannot start on this machine \(Exception: The current node") as caught,
        connect(None, None, 1),
    ):
        pass
    assert "\n" not in str(caught.value)
    assert len(starts) == 3, "the machine may only have been busy"
