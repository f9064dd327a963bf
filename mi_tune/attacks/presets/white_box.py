"""Published white-box attacks as rows of parts.

Each docstring names the paper, where the defaults come from, and what differs. `full` is the published budget;
`reduced` is one that a search can afford for every trial. All latents have a standard deviation of 1 per coordinate,
so learning rates differ from those published for StyleGAN's w space.
"""

from __future__ import annotations

from dataclasses import replace

from mi_tune.attacks.constraints import Clamp, L1Ball, PSpace
from mi_tune.attacks.engine import Attack, Stage
from mi_tune.attacks.inits import BestOfSamples, Normal, PriorMode
from mi_tune.attacks.latents import Gaussian
from mi_tune.attacks.makers import InversionGan, PseudoLabelGan
from mi_tune.attacks.objective import FeatureMatch
from mi_tune.attacks.optimisers import Adam, Momentum
from mi_tune.attacks.parts import View
from mi_tune.attacks.retirement import Retire
from mi_tune.attacks.selection import ByConfidence, Last, MeanOverViews
from mi_tune.attacks.students import Students
from mi_tune.attacks.tuning import PriorTuning
from mi_tune.attacks.views import Flip, GaussianNoise, Jitter, RandomCrop

TAA_VIEW = RandomCrop(scale=(0.8, 1.0), aspect=(0.9, 1.1), flip=True, rotation=5.0)
"""AlignMI's semantic transforms."""


def ppa(budget: str = "reduced") -> Attack:
    """PPA, Plug & Play Attacks (Struppek et al., ICML 2022): no training per target.

    Start from the samples with the target's highest confidence, follow the Poincare loss of a random crop with Adam,
    and keep the candidates that are recognised in many random crops. The authors use StyleGAN2's w space, 200
    candidates of which 50 are kept, 50 steps at learning rate 0.005, and 100 views for the selection. Here the learning
    rate is 0.2 (the best on undefended targets among 0.05 to 0.5), and coordinates are kept within 3 standard
    deviations. Full budget: 50 candidates, 16 kept, 70 steps.
    """
    full = budget == "full"
    return Attack(
        name="ppa",
        budget=budget,
        init=BestOfSamples(),
        views=(RandomCrop(scale=(0.9, 1.0)),),
        identity_loss="poincare",
        stages=(Stage(steps=70 if full else 20, optimiser=Adam(0.2, (0.1, 0.1)), constraint=Clamp(3.0)),),
        candidates=50 if full else 8,
        keep=16 if full else 4,
        selection=MeanOverViews(count=100 if full else 16),
    )


def map_logit(budget: str = "reduced") -> Attack:
    """The likeliest image of a person under the prior: maximum a posteriori, with the logit as log-likelihood.

    Minimises -f_y(x) + w |z|^2 / 2 from the prior's mode. Without the second term, which is minus the log-density of z,
    hundreds of latent coordinates overfit the target: it is sure of images that show nobody. The logit does not
    saturate, as confidence does, so that the balance lasts to the end. Learning rate, steps and w = 0.1 are the best
    found on undefended targets of 30 CelebA people by the face recogniser (docs/measurements.md), so on those people it
    is not quite an outsider; w from 0.05 to 0.2 is as good. It follows random crops as `ppa` does. Candidates differ by
    the crops alone, so at the full budget the latents of 8 are averaged: 16 candidates give 2 images. More steps do not
    help: the target is then sure of images that show less of the person.
    """
    full = budget == "full"
    return Attack(
        name="map_logit",
        budget=budget,
        init=PriorMode(),
        views=(RandomCrop(scale=(0.9, 1.0)),),
        identity_loss="logit",
        latent_weight=0.1,
        stages=(Stage(steps=40, optimiser=Adam(0.15, (0.9, 0.999)), constraint=Clamp(3.0)),),
        candidates=16 if full else 2,
        merge=8 if full else 1,
        extra_budget_in_averages=True,
        keep=2,
        selection=ByConfidence(),
    )


def ppa_midre(budget: str = "reduced") -> Attack:
    """PPA as in MIDRE's released evaluation: 16 candidates, of which 8 are kept.

    50 steps and 100 views for the selection (full budget), or 25 and 16 (reduced). Their learning rate falls tenfold
    after steps 30 and 40; here it is constant, and the clamp is that of `ppa`.
    """
    full = budget == "full"
    attack = ppa(budget)
    return replace(
        attack,
        name="ppa_midre",
        stages=(replace(attack.stages[0], steps=50 if full else 25),),
        candidates=16,
        keep=8,
        selection=MeanOverViews(count=100 if full else 16),
    )


def gmi(budget: str = "reduced") -> Attack:
    """GMI, generative model inversion (Zhang et al., CVPR 2020): 100 * cross-entropy minus the discriminator's score.

    Momentum 0.9, learning rate 0.02, latents clamped to [-1, 1], 5 restarts of 1,500 steps (full budget; reduced: 60),
    of which the most confident is kept. The published loop averages the loss over a batch of people. Here every
    candidate has the gradient that it would have in a batch of 60, so that the learning rate means the same.
    """
    return Attack(
        name="gmi",
        budget=budget,
        init=Normal(),
        identity_loss="cross_entropy",
        identity_weight=100 / 60,
        prior_weight=1 / 60,
        stages=(Stage(steps=1500 if budget == "full" else 60, optimiser=Momentum(0.02, 0.9), constraint=Clamp(1.0)),),
        candidates=5,
        keep=1,
        selection=ByConfidence(),
    )


def kedmi(budget: str = "reduced") -> Attack:
    """KED-MI, knowledge-enriched distributional inversion (Chen et al., ICCV 2021). Trains a GAN for every target.

    The GAN's discriminator learns the target's soft labels of public images. Then the mean and variance of one normal
    distribution per person are optimised: Adam 0.02, 2,400 steps (full budget), 100 * cross-entropy plus the prior
    loss. 5 draws from it are returned without ranking. Draws are clamped to [-1, 1] inside the loss, as in LOMMA's
    version of the code. The public code starts at log-variance 1; here it is the prior's 0, because at 1 the clamp
    would cut more than half of the coordinates.
    """
    full = budget == "full"
    return Attack(
        name="kedmi",
        budget=budget,
        init=Normal(),
        identity_loss="cross_entropy",
        identity_weight=100.0,
        prior_weight=1.0,
        stages=(
            Stage(
                steps=2400 if full else 200,
                optimiser=Adam(0.02, (0.9, 0.999)),
                constraint=Clamp(1.0),
                latent=Gaussian(),
            ),
        ),
        candidates=5,
        keep=5,
        selection=Last(),
        maker=InversionGan(),
    )


def _lomma(attack: Attack, name: str) -> Attack:
    return replace(
        attack,
        name=name,
        identity_loss="logit",
        match=FeatureMatch(weight=1.0),
        models=Students(with_target=True, samples=True),
    )


def lomma(budget: str = "reduced") -> Attack:
    """LOMMA on GMI (Nguyen et al., CVPR 2023): logit loss, feature regularisation, and model augmentation.

    The identity loss is the mean over the target and three students that are distilled from it on public images.
    The authors use EfficientNet-b0 to b2 for 20 epochs. Here they are three widths of a small net, which also learn
    from the prior's samples, because public images can be few. Only the target's features are regularised. 2,400 steps
    at the full budget, 5 restarts.
    """
    base = gmi(budget)
    stage = replace(base.stages[0], steps=2400 if budget == "full" else 60)
    return _lomma(replace(base, stages=(stage,)), "lomma")


def lomma_ked(budget: str = "reduced") -> Attack:
    """LOMMA on KED-MI: see `lomma` and `kedmi`. Trains a GAN for every target."""
    return _lomma(kedmi(budget), "lomma_ked")


def plgmi(budget: str = "reduced") -> Attack:
    """PLG-MI, pseudo-label-guided inversion (Yuan et al., AAAI 2023). Trains a class-conditional GAN for every target.

    The target's confidence labels public images. A conditional GAN learns from them and from the target's max-margin
    loss. Then latents follow the sum of that loss over two augmented views: Adam 0.1, 600 steps, 5 restarts (full
    budget).
    """
    full = budget == "full"
    return Attack(
        name="plgmi",
        budget=budget,
        init=Normal(),
        views=(Jitter(), Jitter()),
        identity_loss="margin",
        identity_weight=2.0,
        stages=(Stage(steps=600 if full else 40, optimiser=Adam(0.1, (0.9, 0.999)), constraint=Clamp(3.0)),),
        candidates=5,
        keep=4,
        selection=ByConfidence(),
        maker=PseudoLabelGan(),
    )


def ifgmi(budget: str = "reduced") -> Attack:
    """IF-GMI, intermediate features (Qiu et al., ECCV 2024): PPA, then the generator's feature maps, block by block.

    50, 10, 10 and 10 steps (full budget). Each block stays within an l1 ball around the end of the one before. The
    paper reports the layer with the best result by its evaluation model; here it is the layer that the target
    recognises best in random views. The eigenface prior has one block beyond its latents: the image before it is
    clipped.
    """
    base = ppa(budget)
    first = replace(base.stages[0], steps=50 if budget == "full" else 20)
    deeper = [
        Stage(steps=10, optimiser=Adam(rate, (0.1, 0.1)), constraint=L1Ball(radius), block=block)
        for block, rate, radius in ((1, 0.02, 0.05), (2, 0.02, 0.1), (3, 0.02, 0.15))
    ]
    return replace(base, name="ifgmi", stages=(first, *deeper), best_stage=True)


def mirror(budget: str = "reduced") -> Attack:
    """White-box MIRROR (An et al., NDSS 2022): Adam at rate 0.2, in P space clipped to one standard deviation.

    Cross-entropy times 10 on the image or its mirror image, 8 candidates; the most confident are kept. 20,000 steps are
    published. The full budget here has 500: after a tenth of them the loss has stopped moving.
    """
    full = budget == "full"
    return Attack(
        name="mirror",
        budget=budget,
        init=Normal(),
        views=(Flip(),),
        identity_loss="cross_entropy",
        identity_weight=10.0,
        stages=(Stage(steps=500 if full else 60, optimiser=Adam(0.2, (0.9, 0.999)), constraint=PSpace()),),
        candidates=8,
        keep=4,
        selection=ByConfidence(),
    )


def ppdg(budget: str = "reduced") -> Attack:
    """PPDG-MI, pseudo-private data guided inversion (Peng et al., NeurIPS 2024).

    PPA, then fine-tuning of the prior on its reconstructions, then PPA again. Of both rounds, each candidate is the
    one with the higher score of the selection.
    """
    return replace(ppa(budget), name="ppdg", tuning=PriorTuning())


def averaging(budget: str, view: View) -> Attack:
    """PPA with its loss averaged over several draws of `view`.

    Full budget: 16 views and as many steps as `ppa`. Reduced: 2 views and 40 steps, which on the built-in faces found
    more than 4 views and 20 steps, at equal passes.
    """
    base = ppa(budget)
    if budget == "full":
        return replace(base, views=(view,) * 16)
    return replace(base, views=(view,) * 2, stages=(replace(base.stages[0], steps=40),))


def taa(budget: str = "reduced") -> Attack:
    """TAA, transformation-averaged attack (AlignMI, NeurIPS 2025): PPA with its image gradient averaged over views.

    The views are crops of 80 to 100 %, aspect ratio 0.9 to 1.1, flips, and rotation by up to 5 degrees. The paper uses
    50 views and finds 20 nearly as good; the full budget here has 20.
    """
    attack = replace(averaging(budget, TAA_VIEW), name="taa")
    return replace(attack, views=(TAA_VIEW,) * 20) if budget == "full" else attack


def paa(budget: str = "reduced") -> Attack:
    """PAA, perturbation-averaged attack (AlignMI, NeurIPS 2025): `taa` with views that add noise, 5 % of the range."""
    base = taa(budget)
    return replace(base, name="paa", views=(GaussianNoise(0.05),) * len(base.views))


def ppa_fast(budget: str = "reduced") -> Attack:
    """PPA for a fraction of its passes: fewer candidates, larger steps, and candidates that retire.

    It returns every candidate, so that none is optimised for nothing. At twice the learning rate of `ppa`, 16 steps
    reach as much as 50 of its steps. In long runs a candidate stops once the target is sure of it and its loss has
    stopped falling.
    """
    full = budget == "full"
    base = ppa(budget)
    stage = replace(base.stages[0], steps=50 if full else 16, optimiser=Adam(0.4, (0.1, 0.1)), retire=Retire())
    selection = MeanOverViews(count=16 if full else 4)
    return replace(base, name="ppa_fast", stages=(stage,), candidates=base.keep, selection=selection)


def gmi_fast(budget: str = "reduced") -> Attack:
    """A faster replacement for GMI: the same prior and one image per person, with PPA's starts, loss and optimiser.

    It has no prior loss; latents within 2 standard deviations are likely enough. 2 candidates of 20 steps find more
    than GMI's 5 restarts of hundreds of steps. Full budget: 5 candidates of 100 steps.
    """
    full = budget == "full"
    stage = Stage(steps=100 if full else 20, optimiser=Adam(0.2, (0.1, 0.1)), constraint=Clamp(2.0), retire=Retire())
    return Attack(
        name="gmi_fast",
        budget=budget,
        init=BestOfSamples(),
        identity_loss="poincare",
        stages=(stage,),
        candidates=5 if full else 2,
        keep=1,
        selection=ByConfidence(),
    )
