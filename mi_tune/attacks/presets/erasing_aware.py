"""Attacks by an attacker who knows that the target was trained with Random Erasing.

They know the defender's law, because a defence must also work when it is not secret. Only in `eot_re_unknown` and
`adaptive` the attacker does not know which law it is.
"""

from __future__ import annotations

from dataclasses import replace

from mi_tune.attacks.engine import Attack
from mi_tune.attacks.makers import PseudoLabelGan
from mi_tune.attacks.optimisers import Adam
from mi_tune.attacks.portfolio import Portfolio
from mi_tune.attacks.presets.white_box import TAA_VIEW, averaging, paa, plgmi, ppa
from mi_tune.attacks.selection import MeanOverViews
from mi_tune.attacks.students import Students, Untrained
from mi_tune.attacks.views import UNKNOWN_LAW, Erase, Identity


def eot_re(budget: str = "reduced") -> Attack:
    """Expectation over Random Erasing: PPA with its loss averaged over views that the defender's law erases."""
    return replace(averaging(budget, Erase()), name="eot_re")


def eot_re_unknown(budget: str = "reduced") -> Attack:
    """`eot_re` by an attacker who does not know the law: each view is erased by one of a few common laws."""
    return replace(averaging(budget, Erase(laws=UNKNOWN_LAW)), name="eot_re_unknown")


def mixed_re(budget: str = "reduced") -> Attack:
    """PPA with its loss averaged over views, half of them whole and half erased: an erased region is worth nothing
    to the optimiser."""
    base = averaging(budget, Identity())
    half = len(base.views) // 2
    return replace(base, name="mixed_re", views=(Identity(),) * half + (Erase(always=True),) * half)


def worst_view(budget: str = "reduced") -> Attack:
    """`eot_re` with the worst half of the erased views (CVaR): every visible part must show the person."""
    return replace(eot_re(budget), name="worst_view", worst=0.5)


def re_selection(budget: str = "reduced") -> Attack:
    """PPA that selects the candidates which the target recognises best from erased views."""
    base = ppa(budget)
    return replace(base, name="re_selection", selection=MeanOverViews(base.selection.count, Erase(always=True)))


def plgmi_re(budget: str = "reduced") -> Attack:
    """PLG-MI with pseudo-labels and an inversion loss from erased views. Trains a GAN for every target."""
    return replace(plgmi(budget), name="plgmi_re", maker=PseudoLabelGan(erase=True), views=(Erase(), Erase()))


def clean_student(budget: str = "reduced") -> Attack:
    """Distil the target on whole public and generated images, then invert the students in its place.

    Soft labels are enough. Each step follows three students, so at the reduced budget it uses only one view.
    """
    return replace(
        averaging(budget, TAA_VIEW),
        name="clean_student",
        access="soft-label",
        identity_loss="margin",
        models=Students(),
        views=(TAA_VIEW,) * (2 if budget == "full" else 1),
    )


def untrain_re(budget: str = "reduced") -> Attack:
    """Fine-tune a copy of the target on whole images with its own labels, then invert the copy."""
    return replace(ppa(budget), name="untrain_re", models=Untrained())


def loss_portfolio(budget: str = "reduced") -> Portfolio:
    """PPA with every identity loss at two learning rates; the target chooses among all reconstructions."""
    base = ppa(budget)
    members = tuple(
        replace(
            base,
            name=f"{loss}_{rate:g}",
            identity_loss=loss,
            stages=tuple(replace(stage, optimiser=Adam(rate, (0.1, 0.1))) for stage in base.stages),
        )
        for loss in ("cross_entropy", "logit", "margin", "poincare")
        for rate in (0.1, 0.3)
    )
    return Portfolio(name="loss_portfolio", budget=budget, members=members, selection=base.selection, keep=base.keep)


def adaptive(budget: str = "reduced") -> Portfolio:
    """The strongest of these attacks on the built-in set-ups: a portfolio of `eot_re_unknown` and `paa`.

    Averaging over the erasures of several laws had the highest attack accuracy on defended targets, but less than plain
    PPA on undefended ones. Averaging over noise lost on neither. The target chooses among the reconstructions of both
    by its confidence in erased views.
    """
    members = (eot_re_unknown(budget), paa(budget))
    kept = members[0].keep
    selection = MeanOverViews(members[0].selection.count, Erase(laws=UNKNOWN_LAW))
    return Portfolio(name="adaptive", budget=budget, members=members, selection=selection, keep=kept)
