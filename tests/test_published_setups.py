"""The files of published set-ups: complete, as their table of facts, priced, and each with a twin that works."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import yaml
from click.testing import CliRunner

from mi_tune import InputError
from mi_tune.attacks import PRESETS, Portfolio, make_attack
from mi_tune.library.costs import check_memory, cost_of, count_gigaflops, network_without_numbers
from mi_tune.library.setup_files import SETUPS
from mi_tune.library.setups import base_values, build_setup
from mi_tune.library.tuning import plan_study
from mi_tune.library.twins import twin_values
from mi_tune.nets.sizes import check_size
from mi_tune.setup import make_setup
from mi_tune.study.run import RunOptions
from mi_tune.trial.assets import check_names
from studies.cli import cli
from studies.setups.published import every_setup, table, text

FILES = sorted((SETUPS / "paper").glob("*.yaml"))
NAMES = [file.stem for file in FILES]
VALUES = {file.stem: yaml.safe_load(file.read_text()) for file in FILES}


def test_there_are_as_many_as_can_be_established_and_each_is_one_combination():
    assert len(FILES) >= 34
    titles = [values["paper"]["title"] for values in VALUES.values()]
    assert len({*titles}) == len(titles)
    attacks = {values["attack"]["preset"] for values in VALUES.values()}
    assert attacks >= {"gmi", "kedmi", "lomma", "plgmi", "brepmi", "ppa_midre", "mirror", "ifgmi"}
    networks = {values["target"]["architecture"] for values in VALUES.values()}
    assert len(networks) >= 11


def test_the_files_are_what_the_table_of_facts_writes():
    for name, values in every_setup():
        counted = VALUES[name]["paper"]["gigaflops"]
        written = values | {"paper": values["paper"] | {"gigaflops": counted}}
        assert (SETUPS / "paper" / f"{name}.yaml").read_text() == text(written), name
    assert sorted(name for name, _ in every_setup()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_a_set_up_whose_parts_fit_together(name):
    setup = build_setup(f"paper/{name}")
    check_names(setup)
    assert setup.name == name
    paper = setup.paper
    assert paper is not None and paper.needs and paper.differs
    for statement in paper.fields.values():
        assert statement.status == "unknown" or (statement.value and statement.where)
    for figure in paper.figures:
        assert figure.where and figure.budget
    assert paper.cell == "axis" or paper.fields["architecture"].status == "verified"


@pytest.mark.parametrize("name", NAMES)
def test_a_twin_keeps_every_part_and_is_small(name):
    values = VALUES[name]
    twin = make_setup(twin_values(values, name), name)
    whole = make_setup(values, name)
    check_names(twin)
    assert twin.name == f"{name}-twin"
    assert twin.attack.preset == whole.attack.preset and twin.attack.budget == "twin"
    assert twin.prior.kind == whole.prior.kind
    assert twin.target.architecture.split("@")[0].removesuffix("_small") == whole.target.architecture.split("@")[0]
    assert twin.judge.architecture.split("@")[0] == whole.judge.architecture.split("@")[0]
    assert twin.judge.photographs == whole.judge.photographs
    assert twin.data.source == "orl" and twin.data.resolution <= 32
    check_size(twin.target.architecture, twin.data.resolution)
    check_size(twin.judge.architecture, twin.data.resolution)


def test_only_a_published_set_up_has_a_twin():
    with pytest.raises(InputError, match="only a published set-up has a twin; choose one of paper/"):
        twin_values(*base_values("orl", own=False))


# --------------------------------------------------------------------------------------------------------------- budget


@pytest.mark.parametrize("name", PRESETS)
def test_a_twin_s_attack_has_the_same_parts_and_asks_little_of_the_target(name):
    small, reduced = make_attack(name, "twin"), make_attack(name, "reduced")
    assert small.budget == "twin"
    if isinstance(small, Portfolio):
        assert [m.name for m in small.members] == [m.name for m in reduced.members]
        return
    assert small.passes(6, 64, 340).forward + small.passes(6, 64, 340).backward < 2000
    for part in ("init", "identity_loss", "selection", "models", "maker", "tuning", "access"):
        assert type(getattr(small, part)) is type(getattr(reduced, part)), part
    assert [type(s.optimiser) for s in small.stages] == [type(s.optimiser) for s in reduced.stages]


# ----------------------------------------------------------------------------------------------------------------- cost


def test_operations_are_counted_as_by_hand():
    """IR-50 at 64 px: two operations for each weight of a convolution and each pixel of its output."""
    model, side = network_without_numbers("ir50", 1000, 64)
    assert side == 64
    found = count_gigaflops(VALUES["plgmi-facenet64-celeba-celeba"])
    wide, units = (64, 64, 128, 256, 512), (3, 4, 14, 3)
    macs, pixels = 64 * 64 * 27 * 64, 64
    for (before, width), count in zip(pairwise(wide), units, strict=True):
        for number in range(count):
            inputs, after = (before, pixels // 2) if number == 0 else (width, pixels)
            macs += 9 * inputs * width * pixels**2 + 9 * width * width * after**2
            macs += inputs * width * after**2 if inputs != width else 0
            pixels = after
    macs += 512 * 16 * 512 + 512 * 1000
    assert found.forward == pytest.approx(2 * macs / 1e9, rel=1e-3)
    assert 2.9 * found.forward < found.training < 3.01 * found.forward
    assert found.weights == pytest.approx(4 * sum(p.numel() for p in model.parameters()) / 2**20, rel=1e-3)


@pytest.mark.parametrize("name", ["lomma-vgg16-celeba-ffhq", "ppa-resnet18-facescrub-ffhq"])
def test_the_counts_in_a_file_are_those_of_its_networks(name):
    assert count_gigaflops(VALUES[name]).model_dump() == VALUES[name]["paper"]["gigaflops"]


@pytest.mark.parametrize("name", NAMES)
def test_every_set_up_has_a_price(name):
    setup = build_setup(f"paper/{name}")
    cost = cost_of(setup)
    assert cost is not None and cost.gigabytes > 0
    attack = make_attack(setup.attack.preset, setup.attack.budget)
    counts = setup.paper.counts
    passes = attack.passes(counts.attacked or 0, setup.prior.samples, counts.public_images or 0)
    assert (cost.forward + cost.backward, cost.backward) == (passes.forward, passes.backward)


def test_a_target_that_does_not_fit_the_machine_is_refused_with_what_would():
    setup = build_setup("paper/ppa-resnet152-facescrub-ffhq")
    check_memory(setup, 80.0)
    with pytest.raises(
        InputError, match=r"batches of 128 needs about \d+ GB, this machine has 8; lower .* to (\d+)"
    ) as caught:
        check_memory(setup, 8.0)
    batch = int(str(caught.value).split("batch_size to ")[1].split(",")[0])
    fits = setup.model_copy(update={"target": setup.target.model_copy(update={"batch_size": batch})})
    check_memory(fits, 8.0)
    with pytest.raises(InputError, match="take a machine with more memory"):
        check_memory(setup, 0.5)


# ------------------------------------------------------------------------------------------------------------ bad input


def test_a_judge_that_is_the_target_is_refused_at_every_way_of_writing_it():
    same = build_setup("orl", architecture="ir50", resolution=32, judge={"architecture": "ir50@32"})
    with pytest.raises(InputError, match="the judge has the target's architecture"):
        check_names(same)
    check_names(build_setup("orl", architecture="ir50", resolution=32, judge={"architecture": "ir50@48"}))


def test_a_field_is_known_with_its_source_or_unknown():
    values = VALUES["mirror-resnet50-vggface2"]
    for wrong in ({"status": "unknown", "value": "x"}, {"status": "verified"}, {"status": "verified", "value": "x"}):
        fields = values["paper"]["fields"] | {"judge": wrong}
        with pytest.raises(InputError, match=r"paper\.fields\.judge"):
            make_setup(values | {"paper": values["paper"] | {"fields": fields}}, "file")
    fields = {name: value for name, value in values["paper"]["fields"].items() if name != "judge"}
    with pytest.raises(InputError, match="fields lacks judge"):
        make_setup(values | {"paper": values["paper"] | {"fields": fields}}, "file")


def test_twin_and_smoke_are_two_sizes(tmp_path):
    options = ["pareto", "--setup", f"paper/{NAMES[0]}", "--twin", "--smoke", "--out", str(tmp_path)]
    found = CliRunner().invoke(cli, options)
    assert isinstance(found.exception, InputError)
    assert "give one of them" in str(found.exception)


# -------------------------------------------------------------------------------------------------------------- listing


def test_the_list_names_every_set_up_with_what_it_needs():
    found = CliRunner(env={"COLUMNS": "200"}).invoke(cli, ["setups"], catch_exceptions=False)
    assert found.exit_code == 0
    for name in NAMES:
        assert f"paper/{name} " in found.output
    assert "no celeba" in found.output


def test_one_set_up_tells_where_each_field_is_from_and_what_differs():
    found = CliRunner().invoke(cli, ["setups", "paper/ppa-resnet152-facescrub-ffhq"], catch_exceptions=False)
    told = " ".join(found.output.split())
    for expected in ("bido: attack accuracy 35.1%", "first 100 people", "differs here:", "backward passes", "verified"):
        assert expected in told


def test_no_operation_is_computed_to_count():
    model, _ = network_without_numbers("vit_b_16", 1000, 224)
    assert {p.device for p in model.parameters()} == {torch.device("meta")}


def test_the_page_has_the_table_of_the_files():
    page = (SETUPS.parents[1] / "docs" / "setups.md").read_text()
    assert table() in page


def test_a_twin_is_planned_as_a_study_whose_numbers_mean_nothing_and_resumes_as_itself(tmp_path):
    def planned(**more):
        options = RunOptions(resume=bool(more))
        base = None if more else "paper/gmi-vgg16-celeba-celeba"
        return plan_study(base, {}, more.get("name"), tmp_path, None, False, options, twin=not more)

    first = planned()
    assert first.options.smoke and first.folder.name == "gmi-vgg16-celeba-celeba-twin"
    assert first.setup.data.source == "orl" and first.setup.search.trials == 2
    first.folder.mkdir()
    config = {"name": first.setup.name, "seed": 0, "smoke": True, "images_allowed": True, "data": {}}
    config["config"] = first.setup.model_dump(mode="json")
    (first.folder / "study.yaml").write_text(yaml.safe_dump(config))
    assert planned(name=first.folder.name).setup == first.setup
