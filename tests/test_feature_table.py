"""Features of models, the three groups, and the table that compares them class by class."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from conftest import make_bank
from scipy import stats
from torch import nn

from mi_tune.erasing import NO_DEFENCE, REFERENCE_LAWS, ErasingLaw
from mi_tune.judging.features import (
    NEARER_TO_ERASED,
    PAIRS,
    WAY_TO_ERASED,
    FeatureGroups,
    TwoSamples,
    energy_distance,
    feature_groups,
    feature_table,
    feature_view,
    penultimate,
)
from mi_tune.judging.features.view import GROUPS, FeatureView, hull
from mi_tune.judging.intervals import class_mean
from mi_tune.nets import create_classifier, head_of
from mi_tune.runtime.errors import InputError

CPU = torch.device("cpu")
HEAVY = ErasingLaw(probability=1.0, area=(0.5, 0.8), fill="black")


def known(towards: float, classes: int = 8, images: int = 9, seed: int = 0, kept: int = 6) -> FeatureGroups:
    """Groups whose answer is known: reconstructions at 0 lie where private images do, at 1 where erased ones do."""
    rng = np.random.default_rng(seed)
    labels = np.arange(classes).repeat(images)
    centre = rng.normal(size=(classes, 6))
    private = centre[labels] + 0.3 * rng.normal(size=(len(labels), 6))
    away = np.array([1.0, 0, 0, 0, 0, 0])
    erased = private + away + 0.1 * rng.normal(size=(4, len(labels), 6))
    found = centre[:, None] + towards * away + 0.3 * rng.normal(size=(classes, kept, 6))
    return FeatureGroups(private, labels, erased, found, np.arange(classes))


class Pixels(nn.Module):
    """Features that are the pixels themselves."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.head = nn.Linear(size, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x.flatten(1))


def features_of(model: nn.Module) -> partial:
    return partial(penultimate, model, device=CPU)


def bank_groups(law: ErasingLaw = HEAVY, model: nn.Module | None = None, **more) -> FeatureGroups:
    bank = make_bank(4, images=7)
    images = torch.from_numpy(bank.images)
    found = images.view(4, 7, 1, 16, 16)[:, :4]
    model = model or create_classifier("small_cnn", 4, 1, 16, seed=0)
    return feature_groups(features_of(model), images, bank.labels, found, np.arange(4), law, seed=0, draws=3, **more)


# ------------------------------------------------------------------------------------------------------- features


@pytest.mark.parametrize(
    ("name", "channels", "size", "count"),
    [("small_cnn", 1, 16, 150), ("residual_gn", 1, 16, 9), ("strided_cnn", 3, 32, 9), ("resnet18", 3, 32, 9)],
    ids=["small_cnn, more than go through at once", "residual_gn", "strided_cnn", "resnet18"],
)
def test_features_of_any_architecture_are_what_its_last_layer_turns_into_logits(name, channels, size, count):
    model = create_classifier(name, 5, channels, size, seed=0).train()
    images = torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8)
    features = penultimate(model, images, CPU)
    head = head_of(model)
    assert features.dtype == np.float32
    assert features.shape == (count, head.in_features)
    with torch.no_grad():
        logits = model(images.float() / 255)
        torch.testing.assert_close(head(torch.from_numpy(features)), logits, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(penultimate(model, images.float() / 255, CPU), features, atol=1e-5)


def test_a_model_without_a_linear_layer_has_no_features():
    with pytest.raises(InputError, match="no linear layer"):
        penultimate(nn.Conv2d(1, 1, 3), torch.zeros(2, 1, 8, 8), CPU)


def test_features_are_told_in_units_of_the_private_images():
    groups = bank_groups()
    assert groups.private.mean(0) == pytest.approx(0, abs=1e-5)
    assert np.square(groups.private).sum(1).mean() == pytest.approx(1, abs=1e-4)
    assert groups.erased.shape == (3, 28, groups.private.shape[1])
    assert groups.reconstruction.shape == (4, 4, groups.private.shape[1])


def test_reconstructions_that_are_private_images_have_their_features():
    groups = bank_groups()
    for position in range(4):
        private, _, found = groups.of_class(position)
        np.testing.assert_allclose(found, private[:4], atol=1e-5)


def test_every_view_is_erased_whatever_the_probability_and_the_same_for_every_model():
    often, seldom = (bank_groups(ErasingLaw(probability=p, area=(0.5, 0.8))) for p in (1.0, 0.01))
    np.testing.assert_array_equal(often.erased, seldom.erased)
    assert (np.abs(often.erased - often.private).max(-1) > 0).all()
    one, other = bank_groups(model=Pixels(256)), bank_groups(model=Pixels(256))
    np.testing.assert_array_equal(one.erased, other.erased)
    assert not np.array_equal(one.erased[0], one.erased[1])


def test_the_scale_and_direction_of_a_models_features_do_not_matter():
    class Turned(Pixels):
        def forward(self, x):
            return self.head(50 * x.flatten(1).roll(3, 1).flip(1) - 7)

    plain, turned = bank_groups(model=Pixels(256)), bank_groups(model=Turned(256))
    tables = [feature_table({"f": groups}, 0, permutations=99).rows for groups in (plain, turned)]
    numbers = [table.select_dtypes("number").to_numpy() for table in tables]
    np.testing.assert_allclose(*numbers, atol=2e-4)


@pytest.mark.parametrize(
    ("change", "culprit"),
    [
        ({"law": NO_DEFENCE}, "never erases"),
        ({"draws": 0}, "erased views"),
        ({"labels": np.zeros(3, int)}, "labels"),
        ({"classes": np.array([0, 1])}, "give as many"),
        ({"classes": np.array([0, 1, 2, 9])}, "class 9 has no private image"),
        ({"law": ErasingLaw(probability=1, fill="mean")}, "mean"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(change, culprit):
    bank = make_bank(4, images=7)
    images = torch.from_numpy(bank.images)
    arguments = {
        "labels": bank.labels, "reconstructions": images.view(4, 7, 1, 16, 16), "classes": np.arange(4),
        "law": HEAVY, "seed": 0, "draws": 2,
    }  # fmt: skip
    with pytest.raises(InputError, match=culprit) as caught:
        feature_groups(features_of(Pixels(256)), images, **arguments | change)
    assert "\n" not in str(caught.value)


def test_a_model_whose_features_are_not_finite_is_refused():
    class Broken(Pixels):
        def forward(self, x):
            return self.head(x.flatten(1) / 0)

    with pytest.raises(InputError, match="not finite"):
        bank_groups(model=Broken(256))


# ---------------------------------------------------------------------------------------------------------- table


@pytest.mark.parametrize(("towards", "sign"), [(0.0, -1), (1.0, 1)])
def test_reconstructions_are_found_nearer_to_the_group_on_which_they_lie(towards, sign):
    table = feature_table({"target": known(towards)}, seed=0, permutations=199)
    found = table.nearer_to_erased("target")
    assert sign * found.value > 0
    assert (sign * np.array([found.low, found.high]) > 0).all()
    near, far = (PAIRS[0], PAIRS[1]) if sign < 0 else (PAIRS[1], PAIRS[0])
    rows = table.summary().set_index(["pair", "measure"])
    assert rows.loc[(near, "energy"), "p_value"] > 0.01
    assert rows.loc[(far, "energy"), "p_value"] < 1e-6
    assert rows.loc[(far, "energy"), "share_below"] > 0.9
    assert rows.loc[(far, "separability"), "value"] > 0.9
    assert rows.loc[(near, "separability"), "value"] < 0.7
    assert rows.loc[(PAIRS[2], "energy"), "p_value"] < 1e-6


def test_reconstructions_in_the_middle_are_nearer_to_neither():
    found = feature_table({"target": known(0.5, classes=20)}, seed=0, permutations=19).nearer_to_erased("target")
    assert found.low < 0 < found.high


@pytest.mark.parametrize("towards", [-0.3, 0.0, 0.3, 1.0])
def test_the_way_to_erased_images_is_the_way_that_was_gone(towards):
    labels = np.arange(12).repeat(30)
    step = np.array([0.5, 0, 0])  # small, for then the energy distance grows like a square
    ways = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        private, erased = rng.normal(size=(360, 3)), rng.normal(size=(2, 360, 3)) + step
        found = rng.normal(size=(12, 30, 3)) + towards * step
        table = feature_table({"f": FeatureGroups(private, labels, erased, found, np.arange(12))}, 0, permutations=19)
        ways.append(table.way_to_erased("f"))
    values = np.array([way.value for way in ways])
    assert values.mean() == pytest.approx(towards, abs=3 * values.std() / math.sqrt(10))
    assert sum(way.low < towards < way.high for way in ways) >= 7
    way = ways[-1]
    row = table.summary().set_index("pair").loc[WAY_TO_ERASED]
    assert (row.value, row.low, row.high) == pytest.approx(way)


def test_there_is_no_way_between_images_that_erasing_leaves_where_they_are():
    groups = known(0.0)
    same = FeatureGroups(groups.private, groups.labels, groups.private[None], groups.reconstruction, groups.classes)
    table = feature_table({"f": same}, seed=0, permutations=19)
    assert table.nearer_to_erased("f").value == pytest.approx(0)
    assert math.isnan(table.way_to_erased("f").value)


def test_the_headline_is_the_mean_difference_of_two_distances_of_a_class():
    groups = known(0.3)
    table = feature_table({"f": groups}, seed=0, permutations=19)
    by_hand = []
    for position in range(8):
        private, erased, found = groups.of_class(position)
        to_erased = np.mean([energy_distance(TwoSamples(found, view)).value for view in erased])
        by_hand.append(energy_distance(TwoSamples(found, private)).value - to_erased)
    assert table.difference("f").to_numpy() == pytest.approx(by_hand)
    assert table.nearer_to_erased("f") == pytest.approx(class_mean(np.array(by_hand)))
    row = table.summary().set_index("pair").loc[NEARER_TO_ERASED]
    assert (row.value, row.low, row.high) == pytest.approx(class_mean(np.array(by_hand)))


def test_the_summary_is_made_of_the_rows():
    table = feature_table({"a": known(0.2), "b": known(0.2, seed=1)}, seed=0, permutations=99)
    assert len(table.rows) == 2 * 8 * 3
    summary = table.summary()
    assert len(summary) == 2 * (3 * 5 + 2)
    rows = table.rows[(table.rows.encoder == "b") & (table.rows.pair == PAIRS[0])]
    line = summary[(summary.encoder == "b") & (summary.pair == PAIRS[0])].set_index("measure")
    assert line.loc["mmd", "value"] == pytest.approx(rows.mmd.mean())
    assert line.loc["energy", "p_value"] == pytest.approx(stats.combine_pvalues(rows.energy_p).pvalue)
    assert line.loc["energy", "share_below"] == pytest.approx((rows.energy_p < 0.05).mean())
    assert line.loc["neighbours", "expected"] == pytest.approx(rows.neighbours_expected.mean())
    assert math.isnan(line.loc["separability", "p_value"])


def test_combined_p_values_of_one_distribution_are_not_small():
    combined = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        labels = np.arange(6).repeat(8)
        rows = rng.normal(size=(48, 3))
        groups = FeatureGroups(rows, labels, rng.normal(size=(2, 48, 3)), rng.normal(size=(6, 6, 3)), np.arange(6))
        summary = feature_table({"f": groups}, seed, permutations=39).summary()
        combined.append(summary.set_index(["pair", "measure"]).loc[(PAIRS[0], "energy"), "p_value"])
    assert np.mean(np.array(combined) < 0.05) <= 0.2
    assert 0.3 < np.mean(combined) < 0.7


def test_the_table_depends_on_the_seed_alone_and_not_on_its_other_rows():
    groups = known(0.4)
    both = feature_table({"a": groups, "b": known(0.1, seed=3)}, seed=0, permutations=49).rows
    alone = feature_table({"a": groups}, seed=0, permutations=49).rows
    assert both[both.encoder == "a"].equals(alone)
    other = feature_table({"a": groups}, seed=1, permutations=49).rows
    assert other.energy.tolist() == alone.energy.tolist()
    assert other.energy_p.tolist() != alone.energy_p.tolist()


def test_classes_with_too_few_images_are_missing_with_a_reason_and_the_rest_is_counted():
    groups = known(0.0, images=5)
    keep = np.flatnonzero((groups.labels > 0) | (np.arange(len(groups.labels)) < 2))
    fewer = FeatureGroups(
        groups.private[keep], groups.labels[keep], groups.erased[:, keep], groups.reconstruction, groups.classes
    )
    table = feature_table({"f": fewer}, seed=0, permutations=19)
    first = table.rows[table.rows["class"] == 0].set_index("pair")
    assert math.isnan(first.loc[PAIRS[0], "separability"])
    assert "separability: needs 3 rows" in first.loc[PAIRS[0], "reason"]
    assert math.isfinite(first.loc[PAIRS[0], "energy"])
    # five pairs can be regrouped in 16 ways
    assert table.rows[table.rows.pair == PAIRS[2]].energy_p.isna().all()
    rows = table.summary().set_index(["pair", "measure"])
    assert rows.loc[(PAIRS[0], "separability"), "classes"] == 7
    assert rows.loc[(PAIRS[2], "energy"), "classes"] == 8
    assert rows.loc[(PAIRS[2], "energy"), "tested_classes"] == 0
    assert math.isnan(rows.loc[(PAIRS[2], "energy"), "p_value"])


def test_one_class_has_a_mean_and_no_interval():
    found = feature_table({"f": known(1.0, classes=1)}, seed=0, permutations=19).nearer_to_erased("f")
    assert found.value > 0
    assert math.isnan(found.low)
    assert math.isnan(found.high)


@pytest.mark.parametrize(("encoders", "permutations"), [({}, 99), ({"f": None}, 10)])
def test_a_table_that_could_say_nothing_is_refused(encoders, permutations):
    with pytest.raises(InputError, match="features"):
        feature_table(encoders, seed=0, permutations=permutations)


def test_a_trained_target_and_an_encoder_go_through_to_the_table():
    bank = make_bank(4, images=7)
    images = torch.from_numpy(bank.images)
    found = HEAVY.erase(images, torch.Generator().manual_seed(9))[0].view(4, 7, 1, 16, 16)[:, :5]
    models = {name: create_classifier(name, 4, 1, 16, seed=0) for name in ("small_cnn", "residual_gn")}
    encoders = {
        name: feature_groups(features_of(model), images, bank.labels, found, np.arange(4), HEAVY, 0)
        for name, model in models.items()
    }
    table = feature_table(encoders, seed=0, permutations=49)
    for name in models:
        # erased images lie where erased images do, in the features of an untrained net too
        assert table.nearer_to_erased(name).low > 0


# ----------------------------------------------------------------------------------------------------------- view


def test_the_plane_is_the_one_that_holds_most_of_the_private_images():
    groups = known(0.0)
    view = feature_view(groups, np.array([1, 4]))
    private = np.concatenate([groups.of_class(1)[0], groups.of_class(4)[0]])
    spread = np.linalg.eigvalsh(np.cov(private.T))[::-1]
    assert view.explained == pytest.approx(spread[:2] / spread.sum())
    shown = view.points[view.point_group == GROUPS.index("private")]
    assert np.var(shown, axis=0, ddof=1) == pytest.approx(spread[:2], rel=1e-4)
    assert view.in_plane[0] == pytest.approx(view.explained.sum(), rel=1e-4)
    assert view.classes.tolist() == [1, 4]


def test_a_group_outside_the_plane_is_said_to_be_elsewhere():
    groups = known(0.0)
    flat = groups.private * np.array([1, 1, 0, 0, 0, 0])
    above = groups.reconstruction + np.array([0, 0, 0, 0, 0, 50.0])
    view = feature_view(FeatureGroups(flat, groups.labels, groups.erased, above, groups.classes))
    assert view.in_plane[0] == pytest.approx(1)
    assert view.in_plane[2] < 0.05


def test_every_row_of_every_group_is_a_point():
    view = feature_view(known(0.0))
    counts = [(view.point_group == number).sum() for number in range(3)]
    assert counts == [4 * 9, 4 * 4 * 9, 4 * 6]
    assert sorted(np.unique(view.point_draw[view.point_group == 1])) == [0, 1, 2, 3]


def test_a_hull_holds_its_points_and_has_its_corners_among_them():
    view = feature_view(known(0.0))
    for label in view.classes:
        for number in range(3):
            mine = (view.point_class == label) & (view.point_group == number)
            if GROUPS[number] == "erased":
                mine &= view.point_draw == 0
            points = view.points[mine].astype(float)
            corners = view.hulls[(view.hull_class == label) & (view.hull_group == number)].astype(float)
            assert all((np.abs(points - corner).sum(1) < 1e-6).any() for corner in corners)
            ahead = np.roll(corners, -1, 0) - corners
            for point in points:
                to_point = point - corners
                assert (ahead[:, 0] * to_point[:, 1] - ahead[:, 1] * to_point[:, 0] > -1e-5).all()


def test_the_hull_of_few_points_or_of_a_line_is_its_ends():
    line = np.array([[1.0, 1.0], [0.0, 0.0], [3.0, 3.0], [2.0, 2.0]])
    assert hull(line).tolist() == [[0, 0], [3, 3]]
    assert hull(line[:1]).tolist() == [[1, 1], [1, 1]]
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.5]])
    assert sorted(hull(square).tolist()) == sorted(square[:4].tolist())


def test_a_view_survives_its_file(tmp_path):
    view = feature_view(known(0.0))
    np.savez_compressed(tmp_path / "view.npz", **view.arrays())
    with np.load(tmp_path / "view.npz", allow_pickle=False) as stored:
        again = FeatureView.from_arrays(dict(stored))
    assert again.projection == view.projection
    for name, values in view.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], values)
    with pytest.raises(InputError, match="hulls"):
        FeatureView.from_arrays({k: v for k, v in view.arrays().items() if k != "hulls"})


@pytest.mark.parametrize("shown", [[], [0, 1, 2, 3, 4], [8], [-1]])
def test_a_view_shows_one_to_four_classes_that_are_there(shown):
    with pytest.raises(InputError, match="feature view"):
        feature_view(known(0.0), np.array(shown))


def test_a_view_of_too_few_private_images_is_refused():
    groups = known(0.0)
    with pytest.raises(InputError, match="span no plane"):
        feature_view(
            FeatureGroups(
                groups.private[:2], groups.labels[:2], groups.erased[:, :2], groups.reconstruction[:1], np.arange(1)
            )
        )


def test_the_reference_laws_that_erase_can_be_compared():
    for name, law in REFERENCE_LAWS.items():
        if name != "no defence":
            assert np.isfinite(bank_groups(law, Pixels(256)).erased).all()
