"""The control line: what stopping the undefended training early leaks, and what a law gains over it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from drawn_people import TINY
from synthetic_study import write_study

from analysis.figures import front_info, plot_front
from analysis.pages import headline, write_report
from analysis.pages.law_data import laws_data
from analysis.pages.report import controlled
from analysis.statistics import load_study
from analysis.statistics.control_line import (
    STOPPED,
    ControlCurve,
    ControlLine,
    Gain,
    Gains,
    control_line,
    gain_of,
    gains,
    on_lines,
)
from mi_tune.erasing import NO_DEFENCE
from mi_tune.judging.intervals import Estimate
from mi_tune.runtime.seeds import derive_seed
from mi_tune.setup import make_setup
from mi_tune.trial import assets, judges
from mi_tune.trial.assets import load_data
from mi_tune.trial.evaluation import RECOGNISED, LawEvaluation, attack_half_trained
from mi_tune.trial.stopped_early import STOPPED_EARLY, stopping_epochs
from mi_tune.trial.targets import natural_per_class, target_training
from mi_tune.trial.undefended import CONTROLS, FEWER, PRETRAINED, SMALLER

CPU = torch.device("cpu")


class Brightness:
    """Stands where a recogniser does, and says how bright reconstructions are: other images, other answers."""

    def answers(self, images: torch.Tensor, classes: torch.Tensor, device: torch.device) -> SimpleNamespace:
        bright = images.float().mean((2, 3, 4)).numpy()
        return SimpleNamespace(rank1=bright, rank5=bright, accepted=bright, similarity=bright)


def curve_of(
    natural: list[float], attack: list[float], classes: int = 20, seed: int = 0, kind: str = STOPPED, ends: bool = True
) -> ControlCurve:
    """A curve whose points have these means, with people who differ."""
    people = np.random.default_rng(seed).normal(0, 0.05, classes)
    people -= people.mean()
    names = tuple(f"epoch {k}" for k in range(len(natural)))
    sides = np.array(natural)[:, None] + people, np.array(attack)[:, None] + 2 * people
    return ControlCurve(kind, names, *sides, ends)


def line_of(natural: list[float], attack: list[float], classes: int = 20, seed: int = 0) -> ControlLine:
    return ControlLine((curve_of(natural, attack, classes, seed),))


def stopped(folder, attack: dict[int, float], natural: dict[int, float]):
    """Write stopped_early.csv for the trial without defence: epoch -> accuracies of all people."""
    names = pd.read_csv(folder / "trials/0000/per_class.csv").class_name
    table = [
        pd.DataFrame({"class_name": names, "epoch": e, "natural_accuracy": natural[e], "attack_accuracy": a})
        for e, a in attack.items()
    ]
    pd.concat(table).to_csv(folder / "trials/0000" / STOPPED_EARLY, index=False)
    return folder


def test_between_two_points_the_line_is_straight_and_above_the_last_it_is_level():
    line = line_of([0.4, 0.6, 0.8], [0.1, 0.5, 0.6])
    assert [line.at(at).lower for at in (0.4, 0.5, 0.7, 0.9)] == pytest.approx([0.1, 0.3, 0.55, 0.6])
    assert line_of([0.8, 0.4, 0.6], [0.6, 0.1, 0.5]).at(0.5).lower == pytest.approx(0.3)


def test_a_stopped_training_gains_exactly_nothing_over_itself():
    line = line_of([0.4, 0.6, 0.8], [0.1, 0.5, 0.6])
    (curve,) = line.curves
    gain = line.gain(curve.natural[1], curve.attack[1])
    assert gain.points == pytest.approx((0, 0, 0), abs=1e-12)
    assert gain.share == pytest.approx((0, 0, 0), abs=1e-12)


def test_a_law_gains_what_it_lies_below_the_line():
    line = line_of([0.4, 0.8], [0.2, 0.6])
    (curve,) = line.curves
    gain = line.gain(curve.natural.mean(0), curve.attack.mean(0) - 0.15)  # half way, lower by 15 points for everybody
    assert gain.points == pytest.approx((0.15, 0.15, 0.15), abs=1e-9)
    assert gain.share.value == pytest.approx(0.15 / 0.4)
    assert gain.share.low < gain.share.value < gain.share.high
    assert gain.lowest == STOPPED


def test_of_several_kinds_the_lowest_at_the_law_s_own_accuracy_counts():
    stops = curve_of([0.4, 0.8], [0.2, 0.6])
    fewer = curve_of([0.5, 0.8], [0.25, 0.6], kind=FEWER)  # at .6, stops leak .4 and these .367; at .45, .25 and .25
    line = ControlLine((stops, fewer))
    law = np.full(20, 0.6)
    assert line.gain(law, np.full(20, 0.3)).points.value == pytest.approx(0.25 + 0.35 / 3 - 0.3)
    assert line.gain(law, np.full(20, 0.3)).lowest == FEWER
    assert line.gain(np.full(20, 0.42), np.zeros(20)).lowest == STOPPED
    band = line.at(0.6)
    assert (band.lower, band.upper, band.lowest) == (pytest.approx(0.25 + 0.35 / 3), pytest.approx(0.4), FEWER)
    assert band.low < band.lower and band.high > band.upper


def test_a_control_that_is_more_accurate_and_leaks_less_counts_below_its_own_accuracy():
    smaller = curve_of([0.85, 0.8], [0.3, 0.6], kind=SMALLER)  # the last point is the training without defence
    line = ControlLine((curve_of([0.4, 0.8], [0.2, 0.6]), smaller))
    gain = line.gain(np.full(20, 0.7), np.full(20, 0.35))
    assert gain.points.value == pytest.approx(0.3 - 0.35) and gain.lowest == SMALLER
    band = line.at(0.7)
    assert band.lower == pytest.approx(0.3)
    assert band.upper == pytest.approx(0.5), "a kind that has no control below says nothing of the upper edge"
    assert line.at(0.9).lower == pytest.approx(0.3), "beyond the most accurate control of a kind"


@pytest.mark.parametrize("attack", [[0.3, 0.6], [0.6, 0.3]])
def test_of_two_equally_accurate_controls_the_one_that_leaks_less_counts(attack):
    line = ControlLine((curve_of([0.8, 0.8], attack, kind=SMALLER),))
    assert [line.at(at).lower for at in (0.8, 0.9)] == pytest.approx([0.3, 0.3])


def test_a_kind_that_does_not_end_in_the_usual_training_says_nothing_of_more_accurate_laws():
    low = curve_of([0.4, 0.6], [0.01, 0.02], kind=PRETRAINED, ends=False)
    line = ControlLine((curve_of([0.5, 0.8], [0.2, 0.6]), low))
    assert line.gain(np.full(20, 0.7), np.full(20, 0.1)).lowest == STOPPED
    assert line.gain(np.full(20, 0.55), np.full(20, 0.1)).lowest == PRETRAINED


def test_a_law_beats_the_band_only_if_it_beats_every_kind():
    rng = np.random.default_rng(1)
    natural = np.full((2, 20), 0.5) + np.array([[-0.1], [0.3]])
    sure = ControlCurve(STOPPED, ("a", "b"), natural, np.full((2, 20), 0.5))
    unsure = ControlCurve(FEWER, ("a", "b"), natural, np.full((2, 20), 0.5) + rng.normal(0, 0.6, 20))
    law = np.full(20, 0.5), np.full(20, 0.4)
    assert ControlLine((sure,)).gain(*law).points.low > 0
    assert ControlLine((sure, unsure)).gain(*law).points.low < 0


def test_lines_of_many_samples_are_what_numpy_draws_through_each():
    rng = np.random.default_rng(0)
    x, y, at = np.sort(rng.random((200, 5)), 1), rng.random((200, 5)), rng.uniform(-0.2, 1.2, 200)
    ours = on_lines(at, x, y)
    assert ours == pytest.approx([np.interp(a, p, q) for a, p, q in zip(at, x, y, strict=True)])


def test_a_share_of_nothing_is_none():
    gain = line_of([0.4, 0.8], [0.0, 0.0]).gain(np.full(20, 0.5), np.full(20, 0.1))
    assert gain.share is None and gain.points.value == pytest.approx(-0.1)


def test_the_interval_of_a_gain_holds_the_true_gain_of_most_samples_of_people():
    rng, inside = np.random.default_rng(0), 0
    for _ in range(200):
        hard = rng.normal(0, 0.1, (40, 1))
        natural = np.array([0.4, 0.8]) + hard + rng.normal(0, 0.1, (40, 2))
        attack = np.array([0.2, 0.6]) + hard + rng.normal(0, 0.1, (40, 2))
        law = np.array([0.6, 0.3]) + hard + rng.normal(0, 0.1, (40, 2))
        gain = ControlCurve(STOPPED, ("a", "b"), natural.T, attack.T).gain(law[:, 0], law[:, 1])[0]
        inside += gain.low <= 0.1 <= gain.high
    assert 0.88 <= inside / 200 <= 0.99


def test_below_the_least_accurate_stop_there_is_nothing_to_compare_with():
    line = line_of([0.4, 0.8], [0.2, 0.6])
    assert line.gain(np.full(20, 0.39), np.zeros(20)) is None


def test_a_study_whose_laws_leak_what_stopping_early_leaks_says_so_first(tmp_path):
    folder = stopped(write_study(tmp_path / "known"), {2: 0.2, 5: 0.59}, {2: 0.7, 5: 0.92})
    study = load_study(folder)
    line = control_line(study)
    assert line.curves[0].names == ("epoch 2", "epoch 5", "no defence")
    assert gain_of(study, line, 2).points.value == pytest.approx(-0.01, abs=1e-9)
    assert gains(study, line).by_trial.keys() == {1, 2, 3, 4}
    shown = laws_data(study, [], line)["trials"]
    assert shown["2"]["over_controls"] == pytest.approx(0.01, abs=1e-9)
    assert shown["2"]["over_controls_low"] < 0.01 < shown["2"]["over_controls_high"]
    assert shown["0"]["over_controls"] is None, "no defence is not compared with itself"
    text = controlled(study)
    assert (
        "of 4 erasing laws" in text and "(stopped early)" in text and "surest is" in text
    )  # law 4 leaks .30 where the line has .37
    assert text in write_report(folder).read_text().replace("&#39;", "'")


def test_a_study_in_which_no_law_beats_stopping_early_says_so(tmp_path):
    folder = stopped(write_study(tmp_path / "known"), {2: 0.2, 5: 0.3}, {2: 0.78, 5: 0.93})
    assert "no erasing law leaks less than all classifiers without defence" in controlled(load_study(folder))
    page = write_report(folder).read_text()
    assert "erasing is not told from a classifier without defence" in page


def test_a_study_without_stopped_trainings_says_nothing_of_them(tmp_path):
    study = load_study(write_study(tmp_path / "known"))
    assert control_line(study) is None
    assert controlled(study) == ""
    assert not {"controls", "lowest control"} & {trace.name for trace in plot_front(front_info(study)).data}


def test_people_may_be_called_like_a_missing_value_or_a_number(tmp_path):
    folder = write_study(tmp_path / "known")
    for path in folder.glob("trials/*/per_class.csv"):
        table = pd.read_csv(path)
        table["class_name"] = ["NA", "null", "007", *table.class_name[3:]]
        table.to_csv(path, index=False)
    names = ["NA", "null", "007", *pd.read_csv(folder / "trials/0000/per_class.csv").class_name[3:]]
    early = {"class_name": names, "epoch": 2, "natural_accuracy": 0.7, "attack_accuracy": 0.2}
    pd.DataFrame(early).to_csv(folder / "trials/0000" / STOPPED_EARLY, index=False)
    line = control_line(load_study(folder))
    assert line.curves[0].natural.shape == (2, 10) and np.isfinite(line.curves[0].attack).all()
    assert load_study(folder).per_class(0).class_name.tolist()[:3] == ["NA", "null", "007"]


def test_only_laws_whose_whole_interval_lies_below_the_line_count_as_better():
    ends = {1: (0.1, -0.01, 0.2), 2: (0.1, 0.01, 0.2), 3: (-0.1, -0.2, 0.0)}
    kinds = {1: FEWER, 2: STOPPED, 3: FEWER}
    found = Gains({trial: Gain(Estimate(*ends[trial]), None, kinds[trial]) for trial in ends})
    assert found.better == [2]
    assert found.lowest == (FEWER, 2)


def test_people_are_found_by_name_in_whatever_order_their_rows_are(tmp_path):
    folder = stopped(write_study(tmp_path / "known"), {2: 0.2}, {2: 0.7})
    path = folder / "trials/0000" / STOPPED_EARLY
    table = pd.read_csv(path)
    table["attack_accuracy"] = np.linspace(0, 0.9, len(table))
    table.to_csv(path, index=False)
    line = control_line(load_study(folder))
    table.iloc[::-1].to_csv(path, index=False)
    assert np.array_equal(control_line(load_study(folder)).curves[0].attack, line.curves[0].attack)


def test_the_recommendation_has_the_law_s_loss_against_the_line_with_its_sign(tmp_path):
    study = load_study(stopped(write_study(tmp_path / "known"), {2: 0.2, 5: 0.59}, {2: 0.7, 5: 0.92}))
    line = control_line(study)
    value = 100 * gain_of(study, line, 4).points.value
    assert value > 0
    page = write_report(study.folder).read_text()
    assert f"so that erasing itself changes {-value:.1f} points" in page


def test_the_headline_says_of_the_recommended_law_whether_it_beats_the_controls(tmp_path):
    study = load_study(other_controls(stopped(write_study(tmp_path / "known"), {2: 0.2}, {2: 0.7}), POINTS))
    text = headline(study)
    assert "the recommended law is law 2" in text  # it leaks 60 %, and the slim network 20 %
    assert "(smaller network) leaks 20.0%: erasing is not told from a classifier without defence (+40.0 points" in text
    without = load_study(write_study(tmp_path / "without"))
    assert "control" not in headline(without)


def test_the_line_is_drawn_with_its_band_and_its_controls(tmp_path):
    study = load_study(stopped(write_study(tmp_path / "known"), {2: 0.2, 5: 0.5}, {2: 0.7, 5: 0.9}))
    drawn = {trace.name: trace for trace in plot_front(front_info(study)).data}
    line, points = drawn["lowest control"], drawn["controls"]
    assert (line.x[0], line.y[0]) == pytest.approx((0.7, 0.2))
    assert (line.x[-1], line.y[-1]) == pytest.approx((0.95, 0.9))
    assert list(points.x) == pytest.approx([0.7, 0.9]) and list(points.y) == pytest.approx([0.2, 0.5])


def other_controls(folder, points: list[tuple[str, str, int, float, float]]):
    """Write controls.csv: kind, control, epoch, natural and attack accuracy of all people."""
    names = pd.read_csv(folder / "trials/0000/per_class.csv").class_name
    columns = ("kind", "control", "epoch", "natural_accuracy", "attack_accuracy")
    tables = [pd.DataFrame({"class_name": names, **dict(zip(columns, one, strict=True))}) for one in points]
    pd.concat(tables).iloc[::-1].to_csv(folder / CONTROLS, index=False)  # in any order of people
    return folder


POINTS = [
    (FEWER, "half of the images", 20, 0.85, 0.5),
    (SMALLER, "small_cnn_slim", 20, 0.93, 0.2),
    (PRETRAINED, "from a public network", 3, 0.7, 0.45),
    (PRETRAINED, "from a public network", 8, 0.9, 0.55),
]


def test_all_controls_of_a_study_are_on_its_line_by_kind(tmp_path):
    folder = other_controls(stopped(write_study(tmp_path / "known"), {2: 0.2}, {2: 0.7}), POINTS)
    line = control_line(load_study(folder))
    assert line.kinds == (STOPPED, FEWER, SMALLER, PRETRAINED)
    ends = [curve.natural.mean(1).max() for curve in line.curves]
    assert ends == pytest.approx([0.95, 0.95, 0.95, 0.9]), "all but one end in the training without defence"
    assert line.at(0.85).lowest == SMALLER
    assert line.at(0.7).lower == pytest.approx(0.2)


def test_the_report_says_which_control_lies_lowest(tmp_path):
    folder = other_controls(stopped(write_study(tmp_path / "known"), {2: 0.2}, {2: 0.7}), POINTS)
    text = controlled(load_study(folder))
    assert "no erasing law leaks less than all" in text
    assert "(stopped early, fewer images, smaller network, pre-trained)" in text
    assert "Lowest of them is smaller network for 4 of 4 laws." in text
    page = write_report(folder).read_text()
    assert "the lowest control of this natural accuracy (smaller network) leaks 20.0%" in page
    assert "+10.0 points" in page, "law 4, at 30 %, leaks 10 points more than the smaller network"


def test_a_study_without_stops_still_has_its_other_controls(tmp_path):
    line = control_line(load_study(other_controls(write_study(tmp_path / "known"), POINTS[:1])))
    assert line.kinds == (FEWER,)
    assert line.at(0.9).lower == pytest.approx(0.7), "half way between half of the images and all"


def test_stops_lie_within_the_training_and_are_few():
    assert stopping_epochs(80) == (8, 12, 20, 32)
    assert stopping_epochs(1) == ()
    assert all(0 < epoch < epochs for epochs in range(2, 200) for epoch in stopping_epochs(epochs))


def test_attacking_stopped_targets_changes_nothing_of_the_trial_and_survives_a_resume(tmp_path):
    setup = make_setup(TINY, "test")
    data = load_data(setup, 0)
    judge, attacker = judges.prepare_judge(setup, data, 0, CPU), assets.prepare_attacker(setup, data, 0, CPU)
    stop = setup.target.epochs - 1

    def whole(stops, interrupt: bool = False) -> LawEvaluation:
        evaluation = LawEvaluation(setup, data, NO_DEFENCE, 0, CPU, stops=stops)
        while not evaluation.trained:
            evaluation.train_block()
        while not evaluation.finished:
            if interrupt:
                state = evaluation.state_dict()
                evaluation = LawEvaluation(setup, data, NO_DEFENCE, 0, CPU, stops=stops)
                evaluation.load_state_dict(state)
            evaluation.attack_next(attacker, judge, Brightness())
        return evaluation

    plain, looked, resumed = whole(()), whole((stop,)), whole((stop,), interrupt=True)
    assert plain.attacked == looked.attacked == resumed.attacked
    assert plain.per_class_natural == looked.per_class_natural
    assert looked.stopped == resumed.stopped and len(looked.stopped) == 1

    # the stopped target is the same training, looked at earlier
    by_hand, attacked = [], []
    for number in range(setup.target.replicates):
        run = target_training(setup, data, NO_DEFENCE, 0, number, CPU)
        while run.epoch < stop:
            run.train_epoch()
        by_hand.append(natural_per_class(run.model, data, CPU))
        seed = derive_seed(0, "attack", number)
        images, _ = attack_half_trained(run, attacker.attack, attacker.ground, judge, seed)
        attacked.append(Brightness().answers(images.images[:, :RECOGNISED], None, CPU).similarity.mean(1))
        # so early, the weights are still far from the trained ones, and the attack was on them
        kept, trained = looked.kept[0]["models"][number], looked.runs[number].model.state_dict()
        assert all(torch.equal(kept[name], value) for name, value in run.model.state_dict().items())
        assert not all(torch.equal(kept[name], trained[name].cpu()) for name in kept)
    assert looked.stopped[0]["recognised_similarity"] == pytest.approx(np.mean(attacked, axis=0).tolist(), rel=1e-5)
    ends = np.mean([one["per_class_similarity"] for one in looked.attacked], axis=0)
    assert not np.allclose(looked.stopped[0]["recognised_similarity"], ends)
    assert looked.stopped[0]["natural_accuracy"] == np.mean(by_hand, axis=0).tolist()
    assert plain.history["epochs"] == looked.history["epochs"]
    looked.write_artefacts(tmp_path)
    table = pd.read_csv(tmp_path / STOPPED_EARLY)
    assert table.epoch.unique().tolist() == [stop] and len(table) == data.private.identities
