"""A report of a published set-up shows the publication's figures beside the study's own, and why they differ."""

from __future__ import annotations

import re

import yaml
from synthetic_study import write_study

from analysis.pages import write_report
from mi_tune.library.setup_files import SETUPS


def page_of(folder, name=None, **more):
    if name is not None:
        stored = yaml.safe_load((folder / "study.yaml").read_text())
        stored["config"]["paper"] = yaml.safe_load((SETUPS / "paper" / f"{name}.yaml").read_text())["paper"]
        (folder / "study.yaml").write_text(yaml.safe_dump(stored | more))
    page = write_report(folder).read_text()
    found = re.search(r'<section id="published">(.*?)</section>', page, re.S)
    return " ".join(re.sub(r"<[^>]*>", " ", found[1]).split()) if found else None


def test_both_stand_in_one_table_with_budget_and_source(tmp_path):
    told = page_of(write_study(tmp_path / "known"), "ppa-resnet152-facescrub-ffhq")
    assert "bido 35.1% 100 candidates, 70 steps, no final selection, first 100 people AlignMI" in told
    assert "no defence" in told and "this study" in told
    own = re.search(r"no defence (\d+\.\d)% \[\d+, \d+\] (\d+\.\d)% \[\d+, \d+\] this study", told)
    assert own
    assert "Not comparable, because:" in told and "the judge sees the images of 224 px resized to 299 px" in told
    assert "small twin" not in told


def test_a_change_against_no_defence_is_shown_as_points(tmp_path):
    told = page_of(write_study(tmp_path / "known"), "ppa-resnet101-facescrub-ffhq")
    assert "+3.2 points -39.4 points" in told
    assert "our assumption" in told


def test_a_set_up_without_public_figures_says_so_and_a_twin_that_it_is_one(tmp_path):
    told = page_of(write_study(tmp_path / "known"), "ifgmi-resnet18-facescrub-ffhq", smoke=True)
    assert "No figure of this combination is public." in told
    assert "small twin" in told


def test_other_studies_have_no_such_section(tmp_path):
    assert page_of(write_study(tmp_path / "known")) is None
