"""Where reconstructions lie in feature space, as the report of a confirmation tells it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from synthetic_confirmation import write_confirmation
from synthetic_study import CLASSES

from analysis.pages import write_confirmation_report
from analysis.pages.mechanism import mean_table, mechanism_sections, ways
from analysis.statistics import load_confirmation
from analysis.statistics.confirmation import Confirmation
from mi_tune.judging.features import FeatureGroups, feature_table, feature_view
from mi_tune.runtime.errors import InputError

TOWARDS = {"no defence": 0.0, "MIDRE(0.1, 0.4)": 0.5, "trial 2": 1.0}
ATTACKS = ("ppa:4x", "eot_re:reduced")


def groups(towards: float, seed: int) -> FeatureGroups:
    """Reconstructions at this share of the way from private (0) to erased images (1)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(CLASSES).repeat(5)
    centre = rng.normal(size=(CLASSES, 4))
    private = centre[labels] + 0.2 * rng.normal(size=(len(labels), 4))
    away = np.array([2.0, 0, 0, 0])
    erased = private + away + 0.05 * rng.normal(size=(2, len(labels), 4))
    found = centre[:, None] + towards * away + 0.2 * rng.normal(size=(CLASSES, 4, 4))
    return FeatureGroups(private, labels, erased, found, np.arange(CLASSES))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_confirmation(tmp_path_factory.mktemp("studies") / "known")
    place = folder / "confirmation"
    tables, arrays, titles = [], {}, []
    for name, towards in TOWARDS.items():
        for attack in ATTACKS:
            for seed in range(2):
                own = groups(towards, seed)
                rows = feature_table({"target": own, "verifier": own}, seed, permutations=19).rows
                tables.append(rows.assign(point=name, seed=seed, attack=attack))
            arrays |= {f"{len(titles)}/{k}": array for k, array in feature_view(own).arrays().items()}
            titles.append(f"{name} | {attack}")
    pd.concat(tables).to_parquet(place / "features.parquet", index=False)
    np.savez_compressed(place / "feature_views.npz", **arrays)
    config = yaml.safe_load((place / "confirmation.yaml").read_text())
    (place / "confirmation.yaml").write_text(yaml.safe_dump(config | {"feature_views": titles}, sort_keys=False))
    return folder


@pytest.fixture(scope="module")
def confirmation(folder) -> Confirmation:
    return load_confirmation(folder)


def test_the_way_to_erased_images_is_told_for_every_law_that_was_looked_at(confirmation):
    for encoder in ("target", "verifier"):
        found = ways(confirmation, "ppa:4x", encoder)
        assert list(found) == list(TOWARDS)
        for name, towards in TOWARDS.items():
            assert found[name].value == pytest.approx(towards, abs=0.12)
            assert found[name].low <= found[name].value <= found[name].high


def test_every_class_is_a_mean_over_seeds_with_the_first_seed_s_p_value(confirmation):
    table = mean_table(confirmation, "trial 2", "ppa:4x")
    rows = confirmation.features
    mine = rows[(rows.point == "trial 2") & (rows.attack == "ppa:4x") & (rows.encoder == "verifier")]
    mine = mine[(mine["class"] == 3) & (mine.pair == "reconstruction, private")]
    assert sorted(mine.seed) == [0, 1]
    row = table.rows[(table.rows.encoder == "verifier") & (table.rows["class"] == 3)]
    row = row[row.pair == "reconstruction, private"]
    assert row.energy.item() == pytest.approx(mine.energy.mean())
    assert row.energy_p.item() == mine[mine.seed == 0].energy_p.item()


def test_what_was_not_looked_at_has_no_table(confirmation):
    assert mean_table(confirmation, "trial 4", "ppa:4x") is None
    assert mean_table(replace(confirmation, features=None), "trial 2", "ppa:4x") is None
    assert mechanism_sections(replace(confirmation, features=None, views={})) == ()


def test_the_page_has_a_section_for_each_attack_and_one_to_look(confirmation, folder):
    sections = mechanism_sections(confirmation)
    assert len(sections) == 3
    for section, attack in zip(sections, ATTACKS, strict=False):
        assert attack.split(":")[0] in section.title
        assert "without defence, and" in section.text
    page = write_confirmation_report(folder).read_text()
    for number, section in enumerate(sections):
        assert section.title in page
        for k in range(len(section.figures)):
            assert f'data-figure="section-{number}-{k}"' in page


def test_planes_are_those_of_the_undefended_target_and_of_the_search_s_law(confirmation):
    *_, look = mechanism_sections(confirmation)
    assert len(look.figures) == 4  # two laws, two attacks
    assert [caption.split(", attacked")[0] for caption in look.captions] == ["no defence"] * 2 + ["trial 2"] * 2


@pytest.mark.parametrize("harm", ["features.parquet", "feature_views.npz", "view", "column"])
def test_files_of_feature_space_that_do_not_fit_are_named(folder, tmp_path, harm):
    from shutil import copytree

    copy = copytree(folder, tmp_path / "copy")
    place = copy / "confirmation"
    if harm == "view":
        config = yaml.safe_load((place / "confirmation.yaml").read_text())
        config["feature_views"] = config["feature_views"][:2]
        (place / "confirmation.yaml").write_text(yaml.safe_dump(config))
    elif harm == "column":
        pd.read_parquet(place / "features.parquet").drop(columns="energy").to_parquet(place / "features.parquet")
    else:
        (place / harm).write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"confirm\.py again") as caught:
        load_confirmation(copy)
    assert "\n" not in str(caught.value)
