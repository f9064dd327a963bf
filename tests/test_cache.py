"""The cache never gives back something else than what was asked for."""

import ast
import importlib
import inspect
import threading
import time

import pytest
import torch

from mi_tune.attacks import code_of, make_attack
from mi_tune.runtime import seeds
from mi_tune.runtime.cache import cache_folder, cached, content_key, save_atomically


def test_a_value_is_made_once_and_comes_back_equal():
    calls = []
    make = lambda: calls.append(1) or {"x": torch.arange(3), "n": 1.5, "s": "a"}  # noqa: E731
    first, second = cached("thing", "k", make), cached("thing", "k", make)
    assert len(calls) == 1
    assert torch.equal(first["x"], second["x"])
    assert second["n"] == 1.5
    assert second["s"] == "a"


def test_another_key_is_another_value():
    cached("thing", "k1", lambda: {"v": 1})
    assert cached("thing", "k2", lambda: {"v": 2}) == {"v": 2}


def test_a_damaged_file_is_made_anew():
    cached("thing", "k", lambda: {"v": 1})
    (path,) = cache_folder().glob("thing-k.pt")
    path.write_bytes(path.read_bytes()[:40])
    assert cached("thing", "k", lambda: {"v": 3}) == {"v": 3}
    assert cached("thing", "k", lambda: pytest.fail("made again")) == {"v": 3}


def test_what_asks_at_the_same_time_is_made_once():
    calls = []

    def make() -> dict:
        calls.append(1)
        time.sleep(0.2)
        return {"v": 1}

    threads = [threading.Thread(target=cached, args=("thing", "k", make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def test_the_key_changes_with_every_part_and_with_the_code(tmp_path, monkeypatch):
    keys = {content_key("a", 1), content_key("a", 2), content_key("b", 1), content_key("a", 1, modules=(seeds,))}
    monkeypatch.setattr("inspect.getsource", lambda module: "changed")
    keys.add(content_key("a", 1, modules=(seeds,)))
    assert len(keys) == 5


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    save_atomically(path, lambda p: p.write_text("old"))

    def fail(temporary):
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save_atomically(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_all_code_that_an_attack_runs_is_in_the_key_of_its_result():
    """Whatever code in the key imports from another room must be in the key itself."""
    # no student is made of these
    other = ("averaging", "changed_parts", "conv_attention", "guards", "own", "published", "residual", "small_cnn")
    not_run = {f"mi_tune.nets.{name}" for name in other}
    not_run |= {"mi_tune.erasing.picture", "mi_tune.erasing.transform"}  # show a law, or take it elsewhere
    key = code_of(make_attack("plgmi", "reduced"))  # trains a prior too
    known = {module.__name__ for module in key}
    for module in key:
        for line in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(line, ast.ImportFrom) and line.module is not None and line.module.startswith("mi_tune"):
                source = importlib.import_module(line.module)
                taken = [getattr(source, alias.name) for alias in line.names]
                homes = {one.__name__ if inspect.ismodule(one) else getattr(one, "__module__", "") for one in taken}
                run = {home for home in homes if home.startswith("mi_tune") and not home.startswith("mi_tune.runtime")}
                assert run <= known | not_run, module.__name__


def test_only_the_owner_can_read_what_holds_faces(tmp_path):
    save_atomically(tmp_path / "table", lambda path: path.write_text("numbers"))
    save_atomically(tmp_path / "faces", lambda path: path.write_text("faces"), owner_only=True)
    cached("target", "key", lambda: {"weight": 1}, tmp_path)
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir() if file.suffix != ".lock"}
    assert modes == {"table": 0o644, "faces": 0o600, "target-key.pt": 0o600}
