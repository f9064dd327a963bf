"""The attack engine: one loop that optimises the candidates of all attacked people at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from mi_tune.attacks.batching import Parts
from mi_tune.attacks.constraints import Free
from mi_tune.attacks.crews import CREW_BYTES, OPTIMISER_COPIES, Crew, Kept, best_of, decoded, joined
from mi_tune.attacks.describing import plain
from mi_tune.attacks.ground import Ground
from mi_tune.attacks.latents import Point
from mi_tune.attacks.losses import check_loss
from mi_tune.attacks.objective import (
    FeatureMatch,
    GradientObjective,
    HardLabelObjective,
    Objective,
    SoftLabelObjective,
)
from mi_tune.attacks.oracle import ORACLES, HardLabel, WhiteBox, soft_label
from mi_tune.attacks.parts import (
    Constraint,
    Found,
    Init,
    Latent,
    Models,
    Mover,
    Optimiser,
    Passes,
    PriorMaker,
    Selection,
    View,
)
from mi_tune.attacks.reconstructions import Reconstructions
from mi_tune.attacks.retirement import Retire
from mi_tune.attacks.students import TargetOnly
from mi_tune.attacks.tuning import PriorTuning
from mi_tune.attacks.views import Identity
from mi_tune.priors.base import Prior, to_uint8
from mi_tune.runtime.device import comfortable_batch
from mi_tune.runtime.errors import DivergedError, InputError
from mi_tune.runtime.seeds import derive_seed


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One optimisation, which begins where the stage before it ended.

    Args:
        steps: how many, at most. optimiser: the rule by which latents move. constraint: where they may go.
        latent: what is optimised: a point per candidate, or a distribution per person.
        block: whose input is optimised: 0 for the prior's latents, deeper for the input of a later block of the
            generator. Deeper blocks need a prior that is cut into blocks (`Prior.blocks`). The engine skips a stage
            whose block the prior does not have.
        retire: when a candidate is done before the steps are used up; None: never.
    """

    steps: int
    optimiser: Optimiser
    constraint: Constraint = Free()
    latent: Latent = Point()
    block: int = 0
    retire: Retire | None = None


@dataclass(frozen=True, kw_only=True)
class Attack:
    """An attack as a row of parts. `run` is the loop that all attacks share.

    Args:
        name, budget: labels that are shown with its results.
        access: the attacker's access to the target: `white-box`, `soft-label` or `hard-label`.
        init: where candidates start.
        views: how the models see each candidate in each step, one draw of every view; the losses are averaged.
        worst: share of the views, those with the highest losses, that is averaged instead of all views (conditional
            value at risk).
        models: what is inverted: the target, students, or both.
        identity_loss: a name from `LOSSES`. identity_weight, prior_weight: weights of the identity loss and the prior
            loss, whose sum is minimised; the prior loss is minus the prior's realism. match: feature regularisation.
        latent_weight: weight of half the squared length of the latents, which is minus their log-density under the
            prior; it is added to the loss in stages at block 0.
        stages: optimisations, one after the other. best_stage: return the images of the stage with the highest mean
            score of the selection (so the target chooses), not those of the last stage.
        candidates: starts per person. merge: candidates of a person whose latents are averaged at the end, so that the
            randomness of the views cancels; 1: none. extra_budget_in_averages: a larger budget goes into candidates
            that are averaged, not into steps (`budgets.scaled`). keep: images returned per person, of candidates or
            averages. selection: score that chooses them.
        maker: trains a prior for every target; None: the given prior is used. tuning: fine-tune the prior on the
            results of a first round, and run a second round.
        batch_limit: largest number of images through prior and target at once. It limits memory alone: where views are
            random, another limit draws other ones. People are attacked in crews (`crews.CREW_BYTES`), for memory too.

    Raises:
        InputError: parts that do not fit together.
    """

    name: str
    budget: str
    access: str = "white-box"
    init: Init
    views: tuple[View, ...] = (Identity(),)
    worst: float = 1.0
    models: Models = TargetOnly()
    identity_loss: str
    identity_weight: float = 1.0
    prior_weight: float = 0.0
    latent_weight: float = 0.0
    match: FeatureMatch | None = None
    stages: tuple[Stage, ...]
    best_stage: bool = False
    candidates: int
    merge: int = 1
    extra_budget_in_averages: bool = False
    keep: int
    selection: Selection
    maker: PriorMaker | None = None
    tuning: PriorTuning | None = None
    batch_limit: int = 2048

    def __post_init__(self) -> None:
        check_loss(self.identity_loss)
        if self.prior_weight and self.maker is not None and not self.maker.discriminator:
            raise InputError(
                f"attack '{self.name}': {type(self.maker).__name__} has no discriminator; set prior_weight 0"
            )
        if self.merge < 1 or self.candidates % self.merge:
            raise InputError(
                f"attack '{self.name}': {self.candidates} candidates cannot be averaged in groups of {self.merge}; "
                "choose a divisor"
            )
        if self.merge > 1 and (self.best_stage or any(stage.block for stage in self.stages)):
            raise InputError(f"attack '{self.name}': only latents at block 0 can be averaged; set merge 1")
        if self.keep > self.results:
            raise InputError(f"attack '{self.name}' keeps {self.keep} of only {self.results} candidates; lower keep")
        blocks = [stage.block for stage in self.stages]
        if blocks != sorted(blocks):
            raise InputError(f"attack '{self.name}': a stage goes back in the blocks {blocks}; order stages by block")
        for rule in (stage.optimiser for stage in self.stages if stage.optimiser.hard_labels_only):
            if self.access != "hard-label" or self.follows_gradients:
                kind = type(rule).__name__
                raise InputError(f"attack '{self.name}': {kind} moves on hard labels alone; set access hard-label")
        if self.identity_loss == "poincare" and self.access == "soft-label" and not self.follows_gradients:
            raise InputError(
                f"attack '{self.name}': poincare needs logits, and soft labels give them only up to a constant; "
                "choose cross_entropy or margin"
            )
        strength = list(ORACLES)
        parts: dict[str, Init | Selection | Models | PriorMaker] = {"init": self.init, "selection": self.selection}
        parts |= {"models": self.models} if self.follows_gradients else {}
        parts |= {"maker": self.maker} if self.maker else {}
        for place, part in parts.items():
            if strength.index(part.access) > strength.index(self.access):
                raise InputError(
                    f"attack '{self.name}': its {place} {type(part).__name__} needs {part.access} access, "
                    f"but the attack has only {self.access}"
                )

    def describe(self) -> dict[str, Any]:
        """Every part with its parameters, as plain values. A part that is repeated is listed once, with its count."""
        return {name: value for name, value in plain(self).items() if name != "kind"}

    @property
    def members(self) -> tuple[Attack, ...]:
        """The attack itself: where a portfolio lists its members, an attack is its only one."""
        return (self,)

    @property
    def follows_gradients(self) -> bool:
        """Whether any stage does."""
        return any(stage.optimiser.follows_gradients for stage in self.stages)

    @property
    def needs_discriminator(self) -> bool:
        """Whether the given prior must have a discriminator."""
        return bool(self.prior_weight) and not (self.maker and self.maker.discriminator)

    @property
    def results(self) -> int:
        """Images per person from which the selection chooses: candidates, or averages of them."""
        return self.candidates // self.merge

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    def check(self, prior: Prior, samples: int) -> None:
        """Raise InputError if the attack cannot run with this prior and number of prior samples."""
        if self.needs_discriminator and prior.realism is None:
            raise InputError(
                f"attack '{self.name}' needs a prior with a discriminator; '{prior.name}' has none: use prior dcgan"
            )
        if self.maker is None and samples < self.init.samples_needed(self.candidates):
            raise InputError(
                f"attack '{self.name}' starts from {self.candidates} of the prior's samples, but there are {samples}; "
                "raise prior.samples"
            )
        if self.tuning is not None and self.maker is None:
            self.tuning.check(prior)
        if self.stages[0].block >= prior.blocks and self.maker is None:
            raise InputError(
                f"attack '{self.name}' starts at block {self.stages[0].block}, but prior '{prior.name}' has only "
                f"{prior.blocks} block(s), counted from 0; begin with a stage at block 0"
            )

    def passes(self, classes: int, samples: int, public: int = 0) -> Passes:
        """Images through the target, at most, without those that a maker asks for.

        There are fewer if candidates are done before their steps are used up, or the prior lacks a stage's block.

        Args:
            classes: number of attacked people. samples: of the prior. public: number of public images.
        """
        conditional = self.maker is not None and self.maker.conditional
        prepared = self.init.passes(classes, self.candidates, samples, conditional)
        rounds = 2 if self.tuning else 1
        chosen = classes * self.results * self.selection.count * (len(self.stages) if self.best_stage else 1)
        # without gradients the loss asks the oracle itself; with gradients it asks the models
        with_target = self.models.with_target or not self.follows_gradients
        if self.follows_gradients:
            prepared += self.models.passes(public, samples)
        matched = public if self.match is not None and self.follows_gradients and with_target else 0
        forward, backward = prepared + rounds * (chosen + matched), 0
        for stage in self.stages if with_target else ():
            one_view = stage.optimiser.passes(stage.latent, classes, self.candidates, stage.steps)
            forward += rounds * len(self.views) * one_view.forward
            backward += rounds * len(self.views) * one_view.backward
        return Passes(forward, backward)

    # ----------------------------------------------------------------------------------------------------- the loop

    def run(self, oracle: HardLabel, ground: Ground, classes: Tensor, seed: int) -> Reconstructions:
        """Attack the people `classes`, int64 (people,), of the oracle's target.

        Raises:
            InputError: see `check`; also an oracle with another access than the attack's.
            DivergedError: a latent or an image became NaN or infinite.
        """
        return self.run_scored(oracle, ground, classes, seed)

    def run_scored(
        self,
        oracle: HardLabel,
        ground: Ground,
        classes: Tensor,
        seed: int,
        each_step: Callable[[int, Tensor], None] | None = None,
    ) -> Reconstructions:
        """`run`, which calls `each_step` after every step of the first stage.

        Args:
            each_step: takes the number of the step, from 1, and the candidates' latents (people * candidates, dim) of
                the crew at work (`crews`).
        """
        if oracle.access != self.access:
            raise InputError(f"attack '{self.name}' is {self.access}, but it was given a {oracle.access} oracle")
        self.check(ground.prior, len(ground.samples.latents))
        begun, device = time.perf_counter(), oracle.device
        forward, backward = oracle.forward_passes, oracle.backward_passes
        classes = classes.to(device)
        total = oracle.classes
        if self.maker is not None:
            ground = self.maker.make(oracle, ground, total, derive_seed(seed, "prior"))
        ground = replace(ground, prior=ground.prior.to(device).eval().requires_grad_(False))
        members = self.models.members(oracle, ground, total, seed) if self.follows_gradients else []
        prepared = time.perf_counter() - begun
        start = self.init(oracle, ground, classes, self.candidates, seed)
        crews = self._crews(ground.prior, start, classes, Parts(min(self.batch_limit, comfortable_batch(device))))
        start_images = torch.cat([crew.draw(crew.start[:, : self.keep]) for crew in crews])
        selection = self.selection.known(ground.law)

        def score_of(crew: Crew, images: Tensor) -> Tensor:
            labels = crew.classes.repeat_interleave(self.results)
            # a random stream of its own, so that the views do not depend on what was drawn before
            return selection(oracle, images, labels, crew.random(seed, "selection"))

        found = self._round(oracle, ground, members, crews, seed, score_of, each_step)
        if self.tuning is not None:
            tuned = self.tuning.tune(
                ground, found.images.flatten(0, 1), found.latents.flatten(0, 1), classes, found.best_scores, seed
            )
            again = derive_seed(seed, "round 2")
            found = found.better_of(self._round(oracle, tuned, members, crews, again, score_of, None), self.keep)
        images, latents, confidence = (
            kept[:, : self.keep] for kept in (found.images, found.latents, found.best_scores)
        )
        return Reconstructions(
            images=(images if images.dtype == torch.uint8 else to_uint8(images)).cpu(),
            latents=latents.cpu(),
            confidence=confidence.cpu(),
            start_images=start_images,
            forward_passes=oracle.forward_passes - forward,
            backward_passes=oracle.backward_passes - backward,
            surrogate_passes=sum(m.forward_passes + m.backward_passes for m in members if m is not oracle),
            prepare_seconds=prepared,
            seconds=time.perf_counter() - begun,
            batch=crews[0].parts.limit if crews[0].parts.halved else None,
        )

    def _crews(self, prior: Prior, start: Tensor, classes: Tensor, parts: Parts) -> list[Crew]:
        """The attacked people in crews, whose candidates' images are in memory together. Raises DivergedError."""
        with torch.no_grad():
            image = prior.finish(start[0, :1], 0, classes[:1])
            hidden = largest = start[0, :1]
            for block in range(max((s.block for s in self.stages if s.block < prior.blocks), default=0)):
                hidden = prior.advance(hidden, block)
                largest = max(largest, hidden, key=Tensor.numel)
        if not torch.isfinite(image).all():
            raise DivergedError(f"attack '{self.name}': prior '{prior.name}' draws images that are not finite")
        size = 4 * max(image.numel(), OPTIMISER_COPIES * largest.numel())
        people = max(1, CREW_BYTES // (size * self.candidates))
        parts.limit = max(1, min(parts.limit, CREW_BYTES // (4 * image.numel())))
        pairs = zip(start.split(people), classes.split(people), strict=True)
        return [Crew(number, prior, parts, *pair) for number, pair in enumerate(pairs)]

    def _objective(self, oracle: HardLabel, ground: Ground, members: list[WhiteBox]) -> Objective:
        views = [view.known(ground.law) for view in self.views]
        if self.follows_gradients:
            features = None
            if self.match is not None:
                with torch.no_grad():
                    shown = (
                        part.to(oracle.device).float() / 255 for part in torch.from_numpy(ground.public).split(512)
                    )
                    features = torch.cat([members[0].features(part) for part in shown]).mean(0)
            return GradientObjective(
                members,
                ground.prior,
                self.identity_loss,
                self.identity_weight,
                views,
                self.worst,
                self.prior_weight,
                self.match,
                features,
            )
        if self.access == "hard-label":
            return HardLabelObjective(oracle, views)
        return SoftLabelObjective(soft_label(oracle), self.identity_loss, views)

    def _round(
        self,
        oracle: HardLabel,
        ground: Ground,
        members: list[WhiteBox],
        crews: list[Crew],
        seed: int,
        score_of: Callable[[Crew, Tensor], Tensor],
        each_step: Callable[[int, Tensor], None] | None,
    ) -> Kept:
        """Run all stages once for every crew in turn; what is kept of the last or the best stage."""
        objective = self._objective(oracle, ground, members)
        each = [self._stages(objective, ground.prior, crew, seed, score_of, each_step) for crew in crews]
        stages = [joined(of_crews) for of_crews in zip(*each, strict=True)]
        return max(stages, key=lambda kept: float(kept.score.mean()))  # one stage, unless the best is returned

    def _stages(
        self,
        objective: Objective,
        prior: Prior,
        crew: Crew,
        seed: int,
        score_of: Callable[[Crew, Tensor], Tensor],
        each_step: Callable[[int, Tensor], None] | None,
    ) -> list[Kept]:
        """Run all stages for one crew; what is kept of each stage with `best_stage`, else of the last."""
        random, classes = crew.random(seed, "views"), crew.classes
        labels = classes.repeat_interleave(self.candidates)
        hidden, block, latents = crew.start.flatten(0, 1), 0, crew.start.flatten(0, 1)
        count, found = max(self.keep, self.tuning.per_class if self.tuning else 0), []
        stages = [stage for stage in self.stages if stage.block < prior.blocks]
        for number, stage in enumerate(stages):
            with torch.no_grad():
                for between in range(block, stage.block):
                    hidden = torch.cat([prior.advance(part, between) for part in hidden.split(self.batch_limit)])
            block = stage.block
            shaped = hidden.view(len(classes), self.candidates, -1)
            mover = stage.optimiser.start(shaped, stage.latent, stage.constraint, stage.retire)
            hidden = self._move(objective, prior, mover, stage, crew, random, None if number else each_step)
            if self.merge > 1 and number == len(self.stages) - 1:
                hidden = hidden.view(-1, self.merge, hidden.shape[1]).mean(1)
                labels = classes.repeat_interleave(self.results)
            latents = hidden if block == 0 else latents
            if not torch.isfinite(hidden).all():
                raise DivergedError(f"attack '{self.name}' diverged: latents are not finite")
            if not (self.best_stage or number == len(stages) - 1):
                continue
            images = decoded(prior, hidden, labels, crew.parts, block)
            if not torch.isfinite(images).all():
                raise DivergedError(f"attack '{self.name}' diverged: images are not finite")
            score = score_of(crew, images).view(len(classes), self.results)
            # the second round is tuned on floats; else bytes are a quarter of the memory, outside the GPU
            found.append(best_of(images if self.tuning else to_uint8(images).cpu(), latents, score, count))
        return found

    def _move(
        self,
        objective: Objective,
        prior: Prior,
        mover: Mover,
        stage: Stage,
        crew: Crew,
        random: torch.Generator,
        each_step: Callable[[int, Tensor], None] | None,
    ) -> Tensor:
        """Run one stage; returns the input of its block for every candidate (people * candidates, size)."""

        def evaluate(latents: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
            leaf = latents.detach().requires_grad_(mover.follows_gradients)
            with torch.set_grad_enabled(mover.follows_gradients):
                worth = objective(prior.finish(leaf, stage.block, labels), labels, random)
                loss = worth.loss
                if self.latent_weight and stage.block == 0:
                    loss = loss + self.latent_weight * leaf.square().sum(1) / 2
            if not mover.follows_gradients:
                return loss, worth.confidence
            # the sum over candidates gives each its own gradient, whatever the batch
            (gradient,) = torch.autograd.grad(loss.sum(), leaf)
            return loss.detach(), worth.confidence, gradient

        for step in range(stage.steps):
            drawn = mover.ask(random)
            if not len(drawn.latents):
                break
            loss, confidence, *gradient = crew.parts(evaluate, drawn.latents, crew.classes[drawn.owners])
            found = Found(loss, confidence, gradient[0] if gradient else None)
            # With gradients a NaN stays in the latents and is found after the stage: each check here would make a GPU
            # wait. A search without gradients would breed from a NaN, so it is checked at once.
            if not (mover.follows_gradients or torch.isfinite(found.loss).all()):
                raise DivergedError(f"attack '{self.name}' diverged: losses are not finite")
            mover.tell(found)
            if each_step is not None:
                # a copy of the generator, so that the caller's look does not change later draws
                aside = torch.Generator(random.device).set_state(random.get_state())
                each_step(step + 1, mover.result(aside).flatten(0, 1))
        return mover.result(random).flatten(0, 1)
