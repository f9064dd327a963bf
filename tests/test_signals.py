"""SIGINT, SIGTERM and SIGHUP end a command alike, and Ray's processes and prints are looked after. No Ray."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from mi_tune.runtime.errors import LostClusterError
from mi_tune.runtime.signals import ENDING, Ended, ending, kept_handlers
from mi_tune.study.alive import Watch, parts_of
from mi_tune.study.losses import why_lost
from mi_tune.study.noise import ray_prints_to
from mi_tune.study.order import KEPT, EndInOrder
from mi_tune.study.processes import Processes
from mi_tune.study.shared_folder import END, Depot, FolderError, SharedFolder, share_folder, unshare_folder

COMMAND = """
import sys, time, click
from mi_tune.runtime.command import Command, run_command

@click.command(cls=Command, kept="what was done is kept: the same command continues")
def wait() -> None:
    print("ready", flush=True)
    time.sleep(60)

sys.exit(run_command(wait, []))
"""


@pytest.fixture(autouse=True)
def none_ignored() -> Iterator[None]:
    """Whoever runs the tests in the background, or under nohup, has SIGINT or SIGHUP ignored."""
    before = {number: signal.getsignal(number) for number in ENDING}
    for number in ENDING:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_a_command_says_what_is_kept_and_exits_with_128_and_the_signal(number):
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert said == "interrupted; what was done is kept: the same command continues\n"


def test_a_deferred_signal_is_noted_and_a_second_one_ends_at_once():
    with ending() as asked:
        with asked.deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            assert asked.number == signal.SIGTERM
            with pytest.raises(Ended, match="SIGHUP"):
                os.kill(os.getpid(), signal.SIGHUP)
                time.sleep(1)
        with pytest.raises(Ended) as caught:
            asked.raise_if_asked()
    assert caught.value.status == 143


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_same_signal_to_a_process_and_at_once_to_its_group_is_one(number, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("mi_tune.runtime.signals.time.monotonic", lambda: now[0])
    with ending() as asked, asked.deferred():
        os.kill(os.getpid(), number)
        now[0] += 1.9
        os.kill(os.getpid(), number)
        assert asked.number == number
        now[0] += 0.2
        with pytest.raises(Ended):
            os.kill(os.getpid(), number)
            time.sleep(1)


def test_a_second_ctrl_c_ends_at_once():
    with ending() as asked, asked.deferred():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Ended, match="SIGINT"):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)


def test_what_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending():
            os.kill(os.getpid(), signal.SIGHUP)  # as under nohup
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_of_a_library_are_undone_and_its_processes_get_no_ctrl_c():
    mine = signal.getsignal(signal.SIGTERM)
    with kept_handlers():
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        code = "import signal; print(sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ()))))"
        blocked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert signal.getsignal(signal.SIGTERM) is mine
    assert blocked.strip() == str(sorted(map(int, (signal.SIGHUP, signal.SIGINT))))
    with pytest.raises(Ended, match="SIGTERM"), kept_handlers():
        raise SystemExit(15)  # Ray's answer to SIGTERM


def trial(name: str) -> SimpleNamespace:
    return SimpleNamespace(trial_id=name)


def test_a_search_ends_once_all_trials_have_kept_their_progress(tmp_path):
    place = share_folder(tmp_path, elsewhere=False)
    now = [0.0]
    with ending() as asked, asked.deferred():
        order = EndInOrder(asked, None, place, clock=lambda: now[0])
        for name in "abc":
            order.on_trial_start(0, [], trial(name))
        order.on_step_begin(0, [])
        os.kill(os.getpid(), signal.SIGTERM)
        assert not place.ending()
        order.on_step_begin(1, [])
        assert order.ending and place.ending()
        order.on_trial_result(2, [], trial("a"), {KEPT: True})
        order.on_trial_complete(2, [], trial("b"))
        order.on_step_begin(3, [])
        with pytest.raises(Ended):
            order.on_trial_result(4, [], trial("c"), {KEPT: True})
            order.on_step_begin(4, [])
    unshare_folder(place)
    assert not list(tmp_path.iterdir())


def test_a_trial_that_does_not_answer_is_not_waited_for(tmp_path):
    now = [0.0]
    with ending() as asked, asked.deferred():
        order = EndInOrder(asked, None, share_folder(tmp_path, elsewhere=False), clock=lambda: now[0])
        order.on_trial_start(0, [], trial("slow"))
        os.kill(os.getpid(), signal.SIGHUP)
        order.on_step_begin(0, [])
        now[0] = 9.0
        with pytest.raises(Ended):
            order.on_step_begin(1, [])


# ------------------------------------------------------------------------------------------------- a lost cluster


def test_a_part_that_answers_no_more_is_noticed_and_said():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as there:
        address = there.getsockname()
        called = threading.Event()
        watch = Watch({"Ray's head (GCS)": address}, interrupt=called.set, every=0.05)
        with watch:
            time.sleep(0.4)
            watch.raise_if_lost()
            there.close()
            assert called.wait(5)
            with pytest.raises(LostClusterError, match=r"head \(GCS\) of this study was lost.*--resume"):
                watch.raise_if_lost()


def test_whoever_waits_for_a_lost_part_for_ever_is_given_up():
    given_up: list[LostClusterError] = []
    gone = Watch({"Ray's node (raylet)": ("127.0.0.1", 1)}, interrupt=lambda: None, give_up=given_up.append, every=0.02)
    with gone:
        until = time.monotonic() + 5
        while not given_up and time.monotonic() < until:
            time.sleep(0.02)
    assert "raylet" in str(given_up[0])


def test_the_head_and_the_node_of_the_driver_are_watched():
    nodes = [
        {"NodeID": "other", "NodeManagerAddress": "10.0.0.2", "NodeManagerPort": 7},
        {"NodeID": "mine", "NodeManagerAddress": "10.0.0.1", "NodeManagerPort": 8},
    ]
    assert list(parts_of("[::1]:6379", nodes, "mine").values()) == [("::1", 6379), ("10.0.0.1", 8)]


def test_a_worker_killed_for_memory_is_told_as_that():
    ray_says = "Task was killed due to the node running low on memory.\nMemory on the node (IP: 10.0.0.1) was 15.2GB"
    assert "out of memory" in why_lost(ray_says)
    assert why_lost("The actor died unexpectedly before finishing this task.") == why_lost(None) == ""


def test_processes_of_children_are_ended_and_those_of_before_are_not():
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    before = subprocess.Popen(sleeping)
    found = Processes()
    parent = subprocess.Popen(["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    grandchild = int(parent.stdout.readline())
    found.started()
    later = subprocess.Popen(sleeping)
    try:
        found.look()
        assert {parent.pid, grandchild} == set(found.alive())
        parent.kill()
        parent.wait()
        assert found.alive() == [grandchild], "nobody's child any more, and still known"
        found.end(patience=0.1)
        time.sleep(0.2)
        assert found.alive() == []
        assert before.poll() is None
        assert later.poll() is None
    finally:
        for one in (before, later):
            one.kill()
            one.wait()


def test_what_rays_threads_and_native_code_print_goes_to_the_log(tmp_path):
    code = f"""
import os, sys, threading
from pathlib import Path
from mi_tune.study.noise import ray_prints_to
with ray_prints_to(Path({str(tmp_path)!r}) / "ray" / "ray.log"):
    print("for the user")
    print("a warning", file=sys.stderr)
    noisy = threading.Thread(target=lambda: print("state-dump"), name="ray_listen_error_messages")
    noisy.start(); noisy.join()
    os.write(2, b"native noise\\n")
print("after", file=sys.stderr)
os.write(2, b"native after\\n")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "for the user\n"
    assert done.stderr == "a warning\nafter\nnative after\n"
    assert sorted((tmp_path / "ray" / "ray.log").read_text().split("\n")) == ["", "native noise", "state-dump"]


def test_a_log_that_cannot_be_written_changes_nothing(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with ray_prints_to(tmp_path / "file" / "ray.log") as log:
        print("said")
        assert isinstance(log, io.StringIO)
    assert capsys.readouterr().out == "said\n"


# ------------------------------------------------------------------------------------------------ the shared folder


class Called:
    """A depot that is called as an actor is, in this process."""

    def __init__(self, folder: Path) -> None:
        self.depot, self.asked = Depot(str(folder)), []

    def __getattr__(self, name: str) -> SimpleNamespace:
        def remote(*given):
            self.asked.append(name)
            return getattr(self.depot, name)(*given)

        return SimpleNamespace(remote=remote)


@pytest.fixture
def far(tmp_path, monkeypatch) -> tuple[SharedFolder, Path]:
    """A folder that this process does not see under its path, and where it really is."""
    import ray

    monkeypatch.setattr(ray, "get", lambda value, timeout=None: value)
    real = tmp_path / "real"
    real.mkdir()
    return SharedFolder(tmp_path / "not here", "word", Called(real)), real


def test_files_of_a_folder_that_is_not_seen_are_asked_for(far):
    place, real = far
    assert not place.here
    assert place.read("checkpoints/0001.pt") is None
    place.write("checkpoints/0001.pt", lambda path: path.write_bytes(b"state"), owner_only=True)
    assert place.read("checkpoints/0001.pt") == b"state"
    assert (real / "checkpoints" / "0001.pt").stat().st_mode & 0o077 == 0

    def write(folder: Path) -> None:
        (folder / "inner").mkdir(parents=True)
        (folder / "history.json").write_text("{}")
        (folder / "inner" / "faces").write_text("secret")
        (folder / "inner" / "faces").chmod(0o600)

    place.write_folder("trials/0001", write)
    assert (real / "trials/0001/history.json").read_text() == "{}"
    assert (real / "trials/0001/inner/faces").stat().st_mode & 0o077 == 0
    assert not place.ending()
    (real / END).touch()
    assert place.ending()


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a/../../up", ""])
def test_a_depot_writes_and_reads_nothing_outside_its_folder(tmp_path, name):
    with pytest.raises(ValueError, match="not a file of the folder"):
        Depot(str(tmp_path)).write(name, b"x", False)
    with pytest.raises(ValueError, match="not a file of the folder"):
        Depot(str(tmp_path)).read(name)


def test_a_disk_that_is_shared_is_used(tmp_path):
    place = share_folder(tmp_path, elsewhere=False)
    shared = SharedFolder(tmp_path, place.word, Called(tmp_path))
    assert shared.here
    shared.write("a", lambda path: path.write_text("b"))
    assert shared.read("a") == b"b"
    assert shared.depot.asked == []
    assert not SharedFolder(tmp_path, "another word", Called(tmp_path)).here, "another study's folder of the same path"


def test_a_folder_that_is_gone_is_said_and_not_made_again(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    place = share_folder(folder, elsewhere=False)
    unshare_folder(place)
    folder.rmdir()
    with pytest.raises(FolderError, match=r"study cannot be written to \(No such file"):
        place.write("checkpoints/0001.pt", lambda path: path.write_bytes(b""))
    with pytest.raises(FolderError, match="cannot be written to"):
        place.write_folder("trials/0001", lambda path: path.mkdir(parents=True))
    assert not folder.exists()
