"""The figures of the feature space: everything that was measured is drawn, and where it belongs."""

import numpy as np
import pytest
from test_feature_table import known

from analysis.figures import feature_view_info, measures_info, plot_feature_view, plot_measures
from mi_tune.judging.features import NEARER_TO_ERASED, PAIRS, WAY_TO_ERASED, FeatureGroups, feature_table, feature_view


@pytest.fixture(scope="module")
def view():
    return feature_view(known(0.0), np.array([0, 2, 5]))


def test_each_class_has_a_panel_with_all_of_its_groups(view):
    info = feature_view_info(view)
    assert [title for title, _ in info.panels] == ["class 0", "class 2", "class 5"]
    for _, clouds in info.panels:
        assert {cloud.group: len(cloud.points) for cloud in clouds} == {"private": 9, "erased": 36, "reconstruction": 6}
        assert all((cloud.outline[0] == cloud.outline[-1]).all() for cloud in clouds)


def test_classes_have_names_only_where_these_are_given(view):
    assert [title for title, _ in feature_view_info(view, {2: "Ada"}).panels] == ["class 0", "Ada", "class 5"]


def test_the_plane_and_what_it_holds_are_told(view):
    info = feature_view_info(view)
    assert f"{view.explained[0]:.0%}" in info.axes[0]
    assert "PCA" in info.note
    assert f"reconstructions {view.in_plane[2]:.0%}" in info.note


def test_hulls_and_points_are_drawn_in_the_panel_of_their_class(view):
    figure = plot_feature_view(feature_view_info(view))
    filled = [trace for trace in figure.data if trace.fill == "toself"]
    dots = [trace for trace in figure.data if trace.mode == "markers"]
    assert len(filled) == len(dots) == 9
    third = [trace for trace in dots if trace.xaxis == "x3" and trace.legendgroup == "reconstruction"]
    mine = (view.point_class == 5) & (view.point_group == 2)
    np.testing.assert_array_equal(np.column_stack([third[0].x, third[0].y]), view.points[mine])
    assert [trace.name for trace in dots if trace.showlegend] == [
        "erased private images", "private images", "reconstructions",
    ]  # fmt: skip


def test_panels_share_one_scale_and_show_all_points(view):
    figure = plot_feature_view(feature_view_info(view))
    widths = [np.ptp(axis.range) for axis in (*figure.select_xaxes(), *figure.select_yaxes())]
    assert widths == pytest.approx([widths[0]] * 6)
    for trace in figure.data:
        number = trace.xaxis[1:]
        for values, letter in ((trace.x, "x"), (trace.y, "y")):
            low, high = figure.layout[f"{letter}axis{number}"].range
            assert low <= min(values) <= max(values) <= high


@pytest.fixture(scope="module")
def summaries():
    tables = {}
    for label, towards in (("none", 0.0), ("MIDRE", 1.0)):
        encoders = {"target": known(towards), "judge": known(towards, seed=1)}
        tables[label] = feature_table(encoders, seed=0, permutations=39).summary()
    return tables


def test_every_number_of_the_summaries_is_one_marker_with_its_interval(summaries):
    figure = plot_measures(measures_info(list(summaries.items())))
    drawn = sorted(
        (y, y + up, y - down)
        for trace in figure.data
        for y, up, down in zip(trace.y, trace.error_y.array, trace.error_y.arrayminus, strict=True)
    )
    rows = [row for summary in summaries.values() for row in summary[["value", "high", "low"]].to_numpy().tolist()]
    np.testing.assert_allclose(drawn, sorted(map(tuple, rows)))


def test_the_headline_stands_first_and_each_encoder_has_a_column(summaries):
    info = measures_info(list(summaries.items()))
    assert info.encoders == ["target", "judge"]
    assert info.labels == ["none", "MIDRE"]
    assert [set(rows.pair) for _, rows in info.panels[:2]] == [{WAY_TO_ERASED}, {NEARER_TO_ERASED}]
    assert [len(rows) for _, rows in info.panels[2:]] == [2 * 2 * 3] * 5
    figure = plot_measures(info)
    first = next(trace for trace in figure.data if trace.legendgroup == NEARER_TO_ERASED)
    assert first.y[0] < 0 < first.y[1]
    assert [trace.legendgroup for trace in figure.data if trace.showlegend] == list(PAIRS)


def test_a_measure_without_any_value_has_no_panel(summaries):
    known = list(summaries.items())
    blank = [(label, rows.assign(value=rows.value.where(rows.measure != "neighbours"))) for label, rows in known]
    titles = [title for title, _ in measures_info(blank).panels]
    assert "share of own neighbours" not in titles
    assert len(titles) == len(measures_info(known).panels) - 1


def test_every_marker_and_its_interval_lie_within_the_panel(summaries):
    figure = plot_measures(measures_info(list(summaries.items())))
    for trace in figure.data:
        low, high = figure.layout[f"yaxis{trace.yaxis[1:]}"].range
        assert low < (trace.y - trace.error_y.arrayminus).min()
        assert (trace.y + trace.error_y.array).max() < high


def test_a_measure_that_is_missing_leaves_a_gap_and_no_error(summaries):
    small = known(0.0, kept=2)
    groups = FeatureGroups(small.private, small.labels, small.erased, small.reconstruction, small.classes)
    summary = feature_table({"target": groups}, seed=0, permutations=19).summary()
    figure = plot_measures(measures_info([("few", summary)]))
    texts = [text for trace in figure.data for *_, text in trace.customdata]
    assert any("Fisher" in text for text in texts)
    assert figure.to_json()
