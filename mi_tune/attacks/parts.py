"""The parts of an attack: what each kind of part can do, and what it says about itself.

The engine and the budgets ask a part only through these protocols. A new part needs no base class: it has the members
of its kind. `mi_tune.attacks.contracts` checks them. Unless said otherwise, images are float (n, channels, height,
width) in [0, 1], and latents are in standard deviations of the prior.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, Self

import torch
from torch import Tensor

from mi_tune.attacks.constraints import Project
from mi_tune.attacks.ground import Ground
from mi_tune.attacks.oracle import HardLabel, WhiteBox
from mi_tune.attacks.retirement import Retire
from mi_tune.erasing import ErasingLaw


class Passes(NamedTuple):
    """Images through the target: all forward passes, and how many of them are also followed by a backward pass."""

    forward: int
    backward: int


class Draw(NamedTuple):
    """Latents to evaluate in one step.

    latents: (m, dim). owners: (m,), position of each latent's person among the attacked people. rows: (m,), row of each
    latent among the optimised vectors.
    """

    latents: Tensor
    owners: Tensor
    rows: Tensor


class Found(NamedTuple):
    """The evaluation of m latents.

    loss: (m,). confidence: (m,), the target's confidence in the attacked class. gradient: (m, dim), for optimisers that
    follow it.
    """

    loss: Tensor
    confidence: Tensor
    gradient: Tensor | None


class Constraint(Protocol):
    """Where latents may go."""

    def around(self, start: Tensor) -> Project:
        """The projection onto the allowed latents, given the latents (m, dim) at the start of the stage."""


class Variable(Protocol):
    """What a gradient optimiser changes; the state of a `Latent` during one stage."""

    parameters: list[Tensor]
    """Optimised in place, one row for each optimised vector."""

    def draw(self, random: torch.Generator) -> Draw:
        """The latents to evaluate in this step."""

    def pull(self, gradient: Tensor) -> list[Tensor]:
        """Gradients of the parameters' rows, given the gradient (m, dim) of the drawn latents (chain rule)."""

    def constrain(self, project: Project) -> None:
        """From now on, evaluate and return only latents that `project` allows."""

    def settle(self) -> None:
        """Move the parameters that the last step changed back to where they are allowed."""

    def retire(self, solved: Tensor) -> None:
        """Stop moving those of the drawn rows that are solved, bool (m,)."""

    def result(self, random: torch.Generator) -> Tensor:
        """Latents (people, candidates, dim)."""


class Latent(Protocol):
    """What is optimised for a person: for example a point per candidate, or a distribution."""

    @property
    def extra_budget_in_steps(self) -> bool:
        """Whether a longer budget goes into steps alone, because more candidates would not use it."""

    def count(self, people: int, candidates: int) -> int:
        """Latents that are evaluated in one step, at most."""

    def variable(self, start: Tensor) -> Variable:
        """The state of a stage that begins at `start` (people, candidates, dim)."""


class Mover(Protocol):
    """An optimiser at work in one stage. The engine asks for latents, evaluates them, and tells what it found."""

    follows_gradients: bool

    def ask(self, random: torch.Generator) -> Draw:
        """Latents to evaluate; none when every candidate is done."""

    def tell(self, found: Found) -> None:
        """Take in the evaluation of the latents that were asked for last."""

    def result(self, random: torch.Generator) -> Tensor:
        """Latents (people, candidates, dim)."""


class Optimiser(Protocol):
    """The rule by which latents move."""

    @property
    def follows_gradients(self) -> bool:
        """Whether it needs the gradient of the loss."""

    @property
    def hard_labels_only(self) -> bool:
        """Whether it needs the loss of hard labels, the share of views outside the class, and understands no other."""

    @property
    def extra_budget_in_steps(self) -> bool:
        """Whether a longer budget goes into steps alone; otherwise steps and candidates share it."""

    def scaled(self, factor: int) -> Self:
        """The same rule for `factor` times as many steps; for a factor of 1, an equal one."""

    def passes(self, latent: Latent, people: int, candidates: int, steps: int) -> Passes:
        """Passes of one stage, at most, where the loss looks at one view through one model."""

    def start(self, start: Tensor, latent: Latent, constraint: Constraint, retire: Retire | None = None) -> Mover:
        """Begin a stage at `start` (people, candidates, dim). retire: when a candidate is done early."""


class Init(Protocol):
    """Where candidates start."""

    @property
    def access(self) -> str:
        """The weakest access to the target that is enough."""

    def __call__(self, oracle: HardLabel, ground: Ground, classes: Tensor, candidates: int, seed: int) -> Tensor:
        """Latents (people, candidates, latent_dim) for the people `classes`, int64 (people,)."""

    def passes(self, people: int, candidates: int, samples: int, conditional: bool) -> int:
        """Images through the target, forwards only, at most. samples: of the prior. conditional: whether the prior is
        class-conditional."""

    def samples_needed(self, candidates: int) -> int:
        """How many prior samples must exist for it to find `candidates` starts."""


class View(Protocol):
    """A transformation of an image, through which a model sees it: one image in, one image out.

    Differentiable. It may leave [0, 1] where it changes the light.
    """

    def __call__(self, images: Tensor, random: torch.Generator) -> Tensor:
        """A view of each image, in the shape of `images`."""

    def known(self, law: ErasingLaw | None) -> View:
        """The same view for an attacker who knows that the defender trains with `law`; None: it does not know."""


class Selection(Protocol):
    """The score by which candidates are chosen."""

    @property
    def access(self) -> str:
        """The weakest access to the target that is enough."""

    @property
    def count(self) -> int:
        """Images through the target for each candidate, forwards only."""

    def known(self, law: ErasingLaw | None) -> Selection:
        """The same rule for an attacker who knows that the defender trains with `law`; None: it does not know."""

    def __call__(self, oracle: HardLabel, images: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        """Scores (n,) of the images for their labels, int64 (n,); higher is better."""


class Models(Protocol):
    """The models that are inverted: the target, students, or both."""

    @property
    def access(self) -> str:
        """The weakest access to the target that is enough."""

    @property
    def with_target(self) -> bool:
        """Whether the target is among the inverted models."""

    @property
    def trained(self) -> int:
        """How many networks it trains: students, or changed copies of the target."""

    def passes(self, public: int, samples: int) -> int:
        """Images that the target is asked about before the optimisation, forwards only, for this many public images
        and prior samples."""

    def lessons(self, public: int, samples: int) -> int:
        """Training images of one of the trained networks, counted once for every epoch."""

    def members(self, oracle: HardLabel, ground: Ground, classes: int, seed: int) -> list[WhiteBox]:
        """The models to invert, with `classes` logits each; the target is the first, if it is among them."""


class PriorMaker(Protocol):
    """Trains a prior for one target."""

    @property
    def access(self) -> str:
        """The weakest access to the target that is enough."""

    @property
    def discriminator(self) -> bool:
        """Whether the trained prior has a discriminator."""

    @property
    def conditional(self) -> bool:
        """Whether the trained prior is class-conditional."""

    def make(self, oracle: HardLabel, ground: Ground, classes: int, seed: int) -> Ground:
        """The ground with the new prior and its samples. The passes are charged to the oracle."""
