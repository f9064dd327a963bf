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
from analysis.pages import write_report
from analysis.pages.report import _against_control, controlled
from analysis.statistics import load_study
from analysis.statistics.control_line import ControlLine, Gains, control_line, gain_of, gains
from mi_tune.erasing import NO_DEFENCE
from mi_tune.judging.intervals import Estimate
from mi_tune.runtime.seeds import derive_seed
from mi_tune.setup import make_setup
from mi_tune.trial import assets, judges
from mi_tune.trial.assets import load_data
from mi_tune.trial.evaluation import RECOGNISED, LawEvaluation, attack_half_trained, natural_per_class, target_training
from mi_tune.trial.stopped_early import STOPPED_EARLY, stopping_epochs

CPU = torch.device("cpu")


class Brightness:
    """Stands where a recogniser does, and says how bright reconstructions are: other images, other answers."""

    def answers(self, images: torch.Tensor, classes: torch.Tensor, device: torch.device) -> SimpleNamespace:
        bright = images.float().mean((2, 3, 4)).numpy()
        return SimpleNamespace(rank1=bright, rank5=bright, accepted=bright, similarity=bright)


def line_of(natural: list[float], attack: list[float], classes: int = 20, seed: int = 0) -> ControlLine:
    """A line whose points have these means, with people who differ."""
    people = np.random.default_rng(seed).normal(0, 0.05, classes)
    people -= people.mean()
    return ControlLine(
        np.arange(len(natural)), np.array(natural)[:, None] + people, np.array(attack)[:, None] + 2 * people
    )


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
    assert [line.at(at).value for at in (0.4, 0.5, 0.7, 0.9)] == pytest.approx([0.1, 0.3, 0.55, 0.6])
    assert line_of([0.8, 0.4, 0.6], [0.6, 0.1, 0.5]).at(0.5).value == pytest.approx(0.3)


def test_a_stopped_training_gains_exactly_nothing_over_itself():
    line = line_of([0.4, 0.6, 0.8], [0.1, 0.5, 0.6])
    assert line.gain(line.natural[1], line.attack[1]) == pytest.approx((0, 0, 0), abs=1e-12)


def test_a_law_gains_what_it_lies_below_the_line():
    line = line_of([0.4, 0.8], [0.2, 0.6])
    gain = line.gain(line.natural.mean(0), line.attack.mean(0) - 0.15)  # half way, lower by 15 points for everybody
    assert gain == pytest.approx((0.15, 0.15, 0.15), abs=1e-9)


def test_the_interval_of_a_gain_holds_the_true_gain_of_most_samples_of_people():
    rng, inside = np.random.default_rng(0), 0
    for _ in range(200):
        hard = rng.normal(0, 0.1, (40, 1))
        natural = np.array([0.4, 0.8]) + hard + rng.normal(0, 0.1, (40, 2))
        attack = np.array([0.2, 0.6]) + hard + rng.normal(0, 0.1, (40, 2))
        law = np.array([0.6, 0.3]) + hard + rng.normal(0, 0.1, (40, 2))
        gain = ControlLine(np.arange(2), natural.T, attack.T).gain(law[:, 0], law[:, 1])
        inside += gain.low <= 0.1 <= gain.high
    assert 0.88 <= inside / 200 <= 0.99


def test_below_the_least_accurate_stop_there_is_nothing_to_compare_with():
    line = line_of([0.4, 0.8], [0.2, 0.6])
    assert line.gain(np.full(20, 0.39), np.zeros(20)) is None


def test_a_study_whose_laws_leak_what_stopping_early_leaks_says_so_first(tmp_path):
    folder = stopped(write_study(tmp_path / "known"), {2: 0.2, 5: 0.59}, {2: 0.7, 5: 0.92})
    study = load_study(folder)
    line = control_line(study)
    assert line.epochs.tolist() == [2, 5, 20]
    assert gain_of(study, line, 2).value == pytest.approx(-0.01, abs=1e-9)
    assert gains(study, line).by_trial.keys() == {1, 2, 3, 4}
    text = controlled(study)
    assert "of 4 erasing laws" in text and "surest is" in text  # law 4 leaks .30 where the line has .37
    assert text in write_report(folder).read_text().replace("&#39;", "'")


def test_a_study_in_which_no_law_beats_stopping_early_says_so(tmp_path):
    folder = stopped(write_study(tmp_path / "known"), {2: 0.2, 5: 0.3}, {2: 0.78, 5: 0.93})
    assert "no erasing law is told from the training without defence" in controlled(load_study(folder))
    page = write_report(folder).read_text()
    assert "erasing is not told from stopping early" in page


def test_a_study_without_stopped_trainings_says_nothing_of_them(tmp_path):
    study = load_study(write_study(tmp_path / "known"))
    assert control_line(study) is None
    assert controlled(study) == ""
    assert "stopped early" not in {trace.name for trace in plot_front(front_info(study)).data}


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
    assert line.natural.shape == (2, 10) and np.isfinite(line.attack).all()
    assert load_study(folder).per_class(0).class_name.tolist()[:3] == ["NA", "null", "007"]


def test_only_laws_whose_whole_interval_lies_below_the_line_count_as_better():
    found = Gains({1: Estimate(0.1, -0.01, 0.2), 2: Estimate(0.1, 0.01, 0.2), 3: Estimate(-0.1, -0.2, 0.0)})
    assert found.better == [2]


def test_people_are_found_by_name_in_whatever_order_their_rows_are(tmp_path):
    folder = stopped(write_study(tmp_path / "known"), {2: 0.2}, {2: 0.7})
    path = folder / "trials/0000" / STOPPED_EARLY
    table = pd.read_csv(path)
    table["attack_accuracy"] = np.linspace(0, 0.9, len(table))
    table.to_csv(path, index=False)
    line = control_line(load_study(folder))
    table.iloc[::-1].to_csv(path, index=False)
    assert np.array_equal(control_line(load_study(folder)).attack, line.attack)


def test_the_recommendation_has_the_law_s_loss_against_the_line_with_its_sign(tmp_path):
    study = load_study(stopped(write_study(tmp_path / "known"), {2: 0.2, 5: 0.59}, {2: 0.7, 5: 0.92}))
    line = control_line(study)
    text = _against_control(study, line, 4)
    value = 100 * gain_of(study, line, 4).value
    assert value > 0
    assert f"{-value:.1f} points" in text


def test_the_line_is_drawn_with_its_band(tmp_path):
    study = load_study(stopped(write_study(tmp_path / "known"), {2: 0.2, 5: 0.5}, {2: 0.7, 5: 0.9}))
    (line,) = [t for t in plot_front(front_info(study)).data if t.name == "no defence, stopped early"]
    assert (line.x[0], line.y[0]) == pytest.approx((0.7, 0.2))
    assert (line.x[-1], line.y[-1]) == pytest.approx((0.95, 0.9))


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
