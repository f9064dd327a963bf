"""What cannot work is refused by every command in one line, with status 2, before anything is computed or made."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import make_bank, write_image_folder
from PIL import Image

from mi_tune.runtime.command import run_command
from studies.cli import cli

PWNED = "pwned"
"""File that code hidden in a file would make."""


class Hostile:
    """Unpickling it makes a file."""

    def __reduce__(self):
        return (os.system, (f"touch {PWNED}",))


STUDY = {"name": "tiny", "smoke": False, "seed": 0, "images_allowed": False, "config": {}, "data": {}}
TABLE_NOT_PARQUET = b"PAR1 and then nothing of the kind PAR1"


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what users and strangers might give."""
    root = tmp_path_factory.mktemp("things")
    text = {
        "empty.yaml": "",
        "list.yaml": "[1, 2]",
        "scalar.yaml": "hello",
        "broken.yaml": "data: [1, 2",
        "tab.yaml": "data:\n\tsource: orl",
        "tag.yaml": f"data: !!python/object/apply:os.system ['touch {PWNED}']",
        "twice.yaml": "{a: 1, a: 2, : }",
        "deep.yaml": "[" * 5000,
        "bomb.yaml": "\n".join(["a0: &a0 [x, x]"] + [f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}]" for k in range(1, 40)]),
        "unknown.yaml": "target: {epoch: 3}",
        "section.yaml": "target: 3",
        "type.yaml": "target: {epochs: many}",
        "range.yaml": "target: {epochs: 0}",
        "nan.yaml": "target: {learning_rate: .nan}",
        "space.yaml": "search: {space: {probability: [0.9, 0.1]}}",
        "fill.yaml": "search: {space: {fill: [pink]}}",
        "split.yaml": "data: {split: [0.5, 0.5, 0.5]}",
        "name.yaml": "name: ../up",
        "not.npz": "no zip",
        "not.pt": "no weights",
        "syntax.py": "def make(:",
        "raises.py": "def make(*given):\n    raise OSError('no')",
        "none.py": "def make(*given):\n    return None",
        "private.txt": "no images",
    }
    for name, content in text.items():
        (root / name).write_text(content)
    (root / "latin.yaml").write_bytes(b"name: caf\xe9")
    (root / "zero.yaml").write_bytes(b"name: a\x00b")
    people = make_bank(5, images=8)
    write_image_folder(people, root / "private")
    write_image_folder(make_bank(8, seed=1), root / "public")
    write_image_folder(make_bank(1, images=8), root / "alone")
    (root / "nobody").mkdir()
    (root / "words" / "anna").mkdir(parents=True)
    (root / "words" / "anna" / "letter.txt").write_text("Dear")
    shutil.copytree(root / "private", root / "torn")
    some = next((root / "torn").rglob("*.png"))
    some.write_bytes(some.read_bytes()[:60])
    shutil.copytree(root / "private", root / "bomb")
    _png_bomb(next((root / "bomb").rglob("*.png")))
    (root / "loop").mkdir()
    (root / "loop" / "again").symlink_to(root / "loop")
    np.savez(root / "objects.npz", images=np.array([Hostile()] * 4), labels=np.arange(4))
    np.savez(root / "lacking.npz", images=people.images)
    np.savez(root / "unequal.npz", images=people.images, labels=people.labels[:5])
    np.savez(root / "flat.npz", images=people.images[0], labels=people.labels)
    np.savez(root / "nan.npz", images=np.full((10, 1, 16, 16), np.nan), labels=np.arange(10) // 5)
    with zipfile.ZipFile(root / "text.npz", "w") as archive:
        archive.writestr("images.npy", "no array")
    torch.save({"weights": Hostile()}, root / "code.pt")
    (root / "pickle.pt").write_bytes(pickle.dumps(Hostile()))
    torch.save({"a.weight": torch.zeros(3)}, root / "other.pt")
    for name, config in {
        "study-tag": f"!!python/object/apply:os.system ['touch {PWNED}']",
        "study-torn": yaml.safe_dump(STUDY)[:25] + "[",
        "study-list": "[1, 2]",
        "study-empty": "",
        "study-little": yaml.safe_dump({"name": "x"}),
        "study-bare": yaml.safe_dump(STUDY),
        "study-latin": b"name: caf\xe9",
    }.items():
        (root / name).mkdir()
        (root / name / "study.yaml").write_bytes(config if isinstance(config, bytes) else config.encode())
    shutil.copytree(root / "study-bare", root / "study-garbage")
    (root / "study-garbage" / "trials.parquet").write_bytes(TABLE_NOT_PARQUET)
    shutil.copytree(root / "study-bare", root / "study-foreign")
    pd.DataFrame({"a": [1]}).to_parquet(root / "study-foreign" / "trials.parquet")
    shutil.copytree(root / "study-bare", root / "study-pickle")
    (root / "study-pickle" / "trials.parquet").write_bytes(pickle.dumps(Hostile()))
    return root


def _png_bomb(path: Path) -> None:
    """A small file that says that it is an image of 60,000 by 60,000 pixels."""
    out = io.BytesIO()
    Image.new("L", (4, 4)).save(out, "PNG")
    data = bytearray(out.getvalue())
    data[16:24] = (60000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    path.write_bytes(data)


FOLDERS = "--private {t}/private --public {t}/public"
SETUP_FILES = [
    "list",
    "scalar",
    "broken",
    "tab",
    "tag",
    "twice",
    "deep",
    "unknown",
    "section",
    "type",
    "range",
    "nan",
    "space",
    "fill",
    "split",
    "name",
    "latin",
    "zero",
]
OWN = "--private {t}/{private} --public {t}/public --resolution 16"

CASES = [
    "parto",
    "pareto --no-such-option",
    "pareto stray",
    *(f"pareto --setup {{t}}/{name}.yaml" for name in SETUP_FILES),
    "pareto --setup {t}/bomb.yaml",
    "pareto --setup no-such",
    "pareto --setup {t}",
    "pareto --setup {t}/missing.yaml",
    "pareto --trials 0",
    "pareto --trials -4",
    "pareto --trials many",
    "pareto --trials 2.5",
    "pareto --epochs 0",
    "pareto --epochs 1e9",
    "pareto --replicates 0",
    "pareto --resolution 3",
    "pareto --resolution 100000",
    "pareto --identities 1",
    "pareto --identities 1000",
    "pareto --repeats 2",
    "pareto --repeats nan",
    "pareto --min-accuracy 1.5",
    "pareto --seed zero",
    "pareto --time-budget 0",
    "pareto --time-budget -1",
    "pareto --workers 0",
    "pareto --gpus-per-trial -1",
    "pareto --sampler nsgaii",
    "pareto --sampler {t}/missing.py:make",
    "pareto --sampler {t}/syntax.py:make",
    "pareto --sampler {t}/none.py:other",
    "pareto --sampler no.such.module:make",
    "pareto --sampler :",
    "pareto --attack map_logits",
    "pareto --attack {t}/missing.py:make",
    "pareto --attack {t}/raises.py:make",
    "pareto --attack {t}/none.py:make",
    "pareto --budget huge",
    "pareto --prior gan",
    "pareto --prior import",
    "pareto --generator {t}/none.py:make",
    "pareto --generator-weights {t}/not.pt",
    "pareto --architecture resnet1000",
    "pareto --architecture {t}/none.py:make",
    "pareto --architecture {t}/raises.py:make",
    "pareto --judge nobody",
    "pareto --recogniser nobody",
    "pareto --recogniser {t}/syntax.py:make",
    "pareto --recogniser-weights {t}/not.pt",
    "pareto --pretrain private",
    "pareto --stopping hyperband",
    "pareto --warm-start {t}/missing",
    "pareto --warm-start {t}/nobody",
    "pareto --warm-start {t}/study-garbage",
    "pareto --callback nobody",
    "pareto --callback {t}/missing.py:make",
    "pareto --name ../up",
    "pareto --name a/b",
    "pareto --name .",
    "pareto --name ''",
    "pareto --out {t}/private.txt",
    "pareto --resume",
    "pareto --resume --name study-torn --out {t}",
    "pareto --resume --name study-tag --out {t}",
    "pareto --resume --name study-list --out {t}",
    "pareto --resume --name study-empty --out {t}",
    "pareto --resume --name study-little --out {t}",
    "pareto --resume --name study-latin --out {t}",
    "pareto --resume --name study-bare --out {t}",
    "pareto --name study-bare --out {t}",
    "pareto --private {t}/missing",
    "pareto --private {t}/nobody",
    "pareto --private {t}/words",
    "pareto --private {t}/private.txt",
    "pareto --private {t}/alone",
    "pareto --private {t}/loop",
    "pareto --public {t}/public",
    *(
        f"pareto {OWN}".replace("{private}", name)
        for name in [
            "torn",
            "bomb",
            "not.npz",
            "objects.npz",
            "lacking.npz",
            "unequal.npz",
            "flat.npz",
            "nan.npz",
            "text.npz",
        ]
    ),
    "pareto --private {t}/private --public {t}/private.txt --resolution 16",
    "pareto --address ray://head:10001",
    "pareto --address nowhere",
    "pareto --address 127.0.0.1:1",
    "pareto --address 127.0.0.1:99999",
    "attack",
    "attack {t}/missing",
    "attack {t}/nobody",
    "attack {t}/study-torn",
    "attack {t}/study-tag",
    "attack {t}/study-garbage",
    "attack {t}/study-bare --trial best",
    "attack --weights {t}/not.pt",
    *(
        f"attack --weights {{t}}/{name} --architecture small_cnn --private {{t}}/private --resolution 16"
        for name in ("missing.pt", "not.pt", "code.pt", "pickle.pt", "other.pt", "objects.npz")
    ),
    "attack --weights {t}/other.pt --architecture nothing --private {t}/private",
    "attack --weights {t}/other.pt --architecture small_cnn --private {t}/missing",
    "attack --weights {t}/other.pt --architecture small_cnn --private {t}/private --law sometimes",
    "attack --weights {t}/other.pt --architecture small_cnn --private {t}/private --law '{'",
    "attack {t}/study-bare --attack none",
    "attack {t}/study-bare --budget none",
    "attack {t}/study-bare --classes 0",
    "attack {t}/study-bare --mean grey",
    "attack {t}/study-bare --fit squash",
    "attack {t}/study-bare --seed x",
    "confirm",
    "confirm {t}/missing",
    "confirm {t}/nobody",
    "confirm {t}/study-torn",
    "confirm {t}/study-tag",
    "confirm {t}/study-little",
    "confirm {t}/study-bare",
    "confirm {t}/study-garbage",
    "confirm {t}/study-pickle",
    "confirm {t}/study-bare --seeds 0",
    "confirm {t}/study-bare --points -1",
    "confirm {t}/study-bare --attacks nothing",
    "confirm {t}/study-bare --attacks ppa:huge",
    "confirm {t}/study-bare --workers none",
    "report",
    "report {t}/missing",
    "report {t}/nobody",
    "report {t}/private.txt",
    "report {t}/study-torn",
    "report {t}/study-tag",
    "report {t}/study-list",
    "report {t}/study-empty",
    "report {t}/study-little",
    "report {t}/study-latin",
    "report {t}/study-bare",
    "report {t}/study-garbage",
    "report {t}/study-foreign",
    "report {t}/study-pickle",
    "compare",
    "compare {t}/missing",
    "compare {t}/study-garbage",
    "compare {t}/study-foreign",
    "compare {t}/study-bare --table nothing",
    "compare {t}/study-bare --kept 2",
    "partial-erasure --area 0",
    "partial-erasure --area 1.5",
    "partial-erasure --area nan",
    "partial-erasure --setup nothing",
    "partial-erasure --setup {t}/tag.yaml",
    "partial-erasure --attacks ,",
    "partial-erasure --attacks nothing",
    "partial-erasure --seeds 0",
    "partial-erasure --private {t}/private",
    "location --area -1",
    "location --public {t}/public",
    "location --private {t}/missing --public {t}/public",
    "location --attacks map_logit:huge",
    "setups stray",
    "data --data-root {t}/missing",
    "data stray",
    "watch {t}/missing",
    "watch {t}/study-garbage",
    "watch {t}/study-bare --port 0",
]


def words(case: str, things: Path) -> list[str]:
    import shlex

    return [word.replace("{t}", str(things)) for word in shlex.split(case)]


def everything_in(*folders: Path) -> set[tuple[str, int]]:
    return {(str(path), path.lstat().st_size) for folder in folders for path in folder.rglob("*")}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_refused_in_one_line(case, things, tmp_path, monkeypatch, capsys):
    import ray

    def no_ray(*given, **named):
        raise AssertionError("Ray was started")

    monkeypatch.setattr(ray, "init", no_ray)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    before = everything_in(here, things)
    status = run_command(cli, words(case, things), "mi-tune")
    said = capsys.readouterr().err
    assert status == 2, said
    assert said.count("\n") == 1 and said.startswith("error: "), said
    assert "Traceback" not in said and len(said) < 2000
    made = everything_in(here, things) - before
    assert not made, "something was made"


def test_there_are_at_least_a_hundred_of_all_commands():
    from studies.cli import COMMANDS

    assert len(set(CASES)) >= 150
    assert {case.split()[0] for case in CASES} >= set(COMMANDS)
