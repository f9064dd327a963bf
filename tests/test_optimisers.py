"""How latents move: each rule against its published form or a known optimum."""

import numpy as np
import pytest
import torch

from mi_tune.attacks.constraints import Clamp, Free, L1Ball
from mi_tune.attacks.evolution import CMAES, Genetic
from mi_tune.attacks.latents import Gaussian, Point
from mi_tune.attacks.optimisers import Adam, Momentum
from mi_tune.attacks.parts import Found
from mi_tune.attacks.repulsion import SphereRepulsion
from mi_tune.attacks.retirement import Retire

GRADIENT_RULES = [Adam(0.1, (0.1, 0.1)), Adam(0.05, (0.9, 0.999)), Momentum(0.02, 0.9)]
SEARCHES = [Genetic(population=30), CMAES(population=16)]


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def start_at(classes: int = 2, candidates: int = 3, dim: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(classes, candidates, dim, generator=random(seed))


def follow(mover, loss_of, steps: int, sure_of=None, stream=None) -> int:
    """Ask and tell `steps` times; the latents that were asked about. loss_of(latents, owners) -> (m,)."""
    asked, stream = 0, stream or random()
    for _ in range(steps):
        drawn = mover.ask(stream)
        if not len(drawn.latents):
            break
        asked += len(drawn.latents)
        leaf = drawn.latents.detach().requires_grad_(mover.follows_gradients)
        loss = loss_of(leaf, drawn.owners)
        gradient = torch.autograd.grad(loss.sum(), leaf)[0] if mover.follows_gradients else None
        sure = torch.zeros(len(leaf)) if sure_of is None else sure_of(drawn.latents, drawn.owners)
        mover.tell(Found(loss.detach(), sure, gradient))
    return asked


def bowl(centres: torch.Tensor, scale: torch.Tensor):
    """A convex function per class, with its least value 0 at the class's centre."""
    return lambda z, owners: (scale * (z - centres[owners]) ** 2).sum(1)


def wavy(z: torch.Tensor, owners: torch.Tensor) -> torch.Tensor:
    return (z**2).sum(1) + torch.sin(3 * z).sum(1) * (1 + owners)


# ----------------------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("rule", [r for r in GRADIENT_RULES if isinstance(r, Adam)])
def test_adam_equals_torchs_step_by_step(rule):
    start = start_at()
    mover = rule.start(start, Point(), Free())
    z = start.flatten(0, 1).clone().requires_grad_(True)
    owners = torch.arange(2).repeat_interleave(3)
    theirs = torch.optim.Adam([z], lr=rule.learning_rate, betas=rule.betas)
    for _ in range(15):
        follow(mover, wavy, 1)
        theirs.zero_grad()
        wavy(z, owners).sum().backward()
        theirs.step()
        torch.testing.assert_close(mover.result(random()).flatten(0, 1), z.detach(), atol=1e-5, rtol=1e-4)


def test_momentum_follows_the_published_update():
    start = torch.tensor([[[1.0, -2.0]]])
    mover = Momentum(learning_rate=0.1, momentum=0.9).start(start, Point(), Free())
    position, velocity = np.array([[1.0, -2.0]]), np.zeros((1, 2))
    for gradient in (np.array([[0.5, 1.0]]), np.array([[-1.0, 2.0]]), np.array([[0.3, 0.3]])):
        mover.ask(random())
        mover.tell(Found(torch.zeros(1), torch.zeros(1), torch.tensor(gradient, dtype=torch.float32)))
        previous, velocity = velocity, 0.9 * velocity - 0.1 * gradient
        position = position - 0.9 * previous + 1.9 * velocity
    np.testing.assert_allclose(mover.result(random())[0].numpy(), position, atol=1e-6)
    assert torch.equal(start, torch.tensor([[[1.0, -2.0]]]))


@pytest.mark.parametrize("rule", GRADIENT_RULES)
@pytest.mark.parametrize("constraint", [Free(), Clamp(0.8), L1Ball(0.2)])
def test_no_candidate_moves_another(rule, constraint):
    start = start_at()
    together = rule.start(start, Point(), constraint)
    follow(together, wavy, 8)
    for k in range(2):
        for c in range(3):
            alone = rule.start(start[k : k + 1, c : c + 1], Point(), constraint)
            follow(alone, lambda z, owners, k=k: wavy(z, owners + k), 8)
            torch.testing.assert_close(alone.result(random())[0, 0], together.result(random())[k, c])


@pytest.mark.parametrize("rule", GRADIENT_RULES)
def test_points_stay_within_their_constraint(rule):
    start = start_at() * 3
    mover = rule.start(start, Point(), Clamp(0.5))
    follow(mover, wavy, 3)
    assert mover.result(random()).abs().max() <= 0.5
    mover = rule.start(start, Point(), L1Ball(0.1))
    follow(mover, wavy, 20)
    assert ((mover.result(random()) - start).abs().mean(2) <= 0.1 + 1e-6).all()


@pytest.mark.parametrize("rule", GRADIENT_RULES)
def test_a_retired_candidate_keeps_still_and_is_not_asked_about_again(rule):
    start = start_at()
    never = rule.start(start, Point(), Free())
    follow(never, wavy, 10)
    # any loss has stopped falling enough for it; what is left to ask is whether the target is sure
    retiring = rule.start(start, Point(), Free(), Retire(confidence=0.9, window=1, gain=100.0))
    # the first class is always sure, the second never
    sure = lambda z, owners: (owners == 0).float()  # noqa: E731
    asked = follow(retiring, wavy, 2, sure)
    held = retiring.result(random())[0].clone()
    asked += follow(retiring, wavy, 8, sure)
    assert asked == 2 * 6 + 8 * 3
    assert torch.equal(retiring.result(random())[0], held)
    torch.testing.assert_close(retiring.result(random())[1], never.result(random())[1])


def test_a_gradient_search_ends_when_every_candidate_has_retired():
    mover = Adam().start(start_at(), Point(), Free(), Retire(0.5, window=1, gain=100.0))
    assert follow(mover, wavy, 10, lambda z, owners: torch.ones(len(z))) == 2 * 6
    assert len(mover.ask(random()).latents) == 0


@pytest.mark.parametrize("constraint", [Free(), Clamp(0.6)])
def test_the_gradients_of_a_gaussian_are_those_of_autograd_through_its_draws(constraint):
    start = start_at(3, 2, 5)
    variable = Gaussian().variable(start)
    variable.constrain(constraint.around(variable.parameters[0].clone()))
    variable.parameters[0].copy_(torch.randn(3, 5, generator=random(1)) * 0.3)
    variable.parameters[1].copy_(torch.randn(3, 5, generator=random(2)))
    mean, log_variance = (p.clone().requires_grad_(True) for p in variable.parameters)
    z = mean + torch.randn(3, 5, generator=random(3)) * (log_variance / 2).exp()
    z = z.clamp(-0.6, 0.6) if isinstance(constraint, Clamp) else z
    expected = torch.autograd.grad(wavy(z, torch.arange(3)).sum(), [mean, log_variance])

    drawn = variable.draw(random(3))
    torch.testing.assert_close(drawn.latents, z.detach())
    leaf = drawn.latents.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(wavy(leaf, drawn.owners).sum(), leaf)
    for got, wanted in zip(variable.pull(gradient), expected, strict=True):
        torch.testing.assert_close(got, wanted)


def test_a_gaussian_asks_once_a_class_and_ends_as_draws_around_its_mean():
    centres = torch.tensor([[1.5, -1.0], [-0.5, 0.5]])
    mover = Adam(0.05, (0.9, 0.999)).start(start_at(2, 200, 2), Gaussian(), Free())
    asked = follow(mover, bowl(centres, torch.tensor([1.0, 1.0])), 400)
    assert asked == 2 * 400
    drawn = mover.result(random(9))
    assert drawn.shape == (2, 200, 2)
    torch.testing.assert_close(drawn.mean(1), centres, atol=0.15, rtol=0)
    # the expected loss is |mean - centre|^2 + variance: a bowl asks for no spread
    assert (drawn.std(1) < 0.5).all()


# ------------------------------------------------------------------------------------------------------ searches


@pytest.mark.parametrize("rule", SEARCHES)
def test_a_search_finds_the_least_of_a_convex_function_of_each_class(rule):
    centres = torch.tensor([[1.0, -1.0, 0.5, 0.0], [-1.5, 0.5, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    loss_of = bowl(centres, torch.tensor([1.0, 3.0, 0.3, 1.0]))
    start = start_at(3, 4)
    mover = rule.start(start, Point(), Free())
    follow(mover, loss_of, 80)
    found = mover.result(random())
    assert found.shape == start.shape
    before = loss_of(start[:, 0], torch.arange(3))
    after = loss_of(found[:, 0], torch.arange(3))
    assert (after < 0.02 * before).all()
    assert after.max() < 0.05


@pytest.mark.parametrize("rule", SEARCHES)
def test_a_search_returns_the_best_that_it_has_seen_the_best_first_and_each_once(rule):
    seen = {0: [], 1: []}

    def loss_of(z, owners):
        loss = wavy(z, owners)
        for latents, owner, value in zip(z, owners.tolist(), loss.tolist(), strict=True):
            seen[owner].append((value, tuple(latents.tolist())))
        return loss

    mover = rule.start(start_at(), Point(), Free())
    follow(mover, loss_of, 12)
    for owner, found in enumerate(mover.result(random()).tolist()):
        best = sorted(set(seen[owner]))[:3]
        assert [tuple(latents) for latents in found] == [latents for _, latents in best]
        assert len({tuple(latents) for latents in found}) == 3


@pytest.mark.parametrize("rule", SEARCHES)
def test_a_class_that_is_solved_is_not_searched_any_more(rule):
    mover = rule.start(start_at(3, 2), Point(), Free())
    sure = lambda z, owners: (owners == 1).float()  # noqa: E731
    asked = follow(mover, wavy, 5, sure)
    assert asked == rule.population * (3 + 4 * 2)


@pytest.mark.parametrize("rule", SEARCHES)
def test_the_other_classes_are_searched_on_as_their_own_once_one_is_solved(rule):
    centres = torch.tensor([[2.0, 2.0], [0.0, 0.0], [-2.0, -2.0]])
    first = []

    def loss_of(z, owners):
        loss = bowl(centres, torch.ones(2))(z, owners)
        first.extend(loss[owners == 1].tolist())
        return loss

    mover = rule.start(start_at(3, 2, 2), Point(), Free())
    follow(mover, loss_of, 40, lambda z, owners: (owners == 1).float())
    found = mover.result(random())
    assert ((found - centres[:, None]).norm(dim=2)[[0, 2]] < 0.3).all()
    assert len(first) == rule.population
    assert float((found[1, 0] ** 2).sum()) == pytest.approx(min(first))


@pytest.mark.parametrize("rule", SEARCHES)
def test_a_search_ends_when_every_class_is_solved(rule):
    mover = rule.start(start_at(3, 2), Point(), Free())
    assert follow(mover, wavy, 5, lambda z, owners: torch.ones(len(z))) == rule.population * 3
    assert torch.isfinite(mover.result(random())).all()


@pytest.mark.parametrize("rule", SEARCHES)
def test_a_search_asks_about_allowed_latents_only(rule):
    asked = []

    def loss_of(z, owners):
        asked.append(z)
        return -z.sum(1)

    mover = rule.start(start_at(), Point(), Clamp(0.9))
    follow(mover, loss_of, 10)
    assert torch.cat(asked).abs().max() <= 0.9
    torch.testing.assert_close(mover.result(random())[:, 0].sum(1), torch.full((2,), 3.6), atol=0.5, rtol=0)


@pytest.mark.parametrize("rule", SEARCHES)
def test_a_search_learns_from_the_losses_of_its_own_class_alone(rule):
    target = bowl(torch.tensor([[1.0, 1.0, 1.0, 1.0], [-1.0, -1.0, -1.0, -1.0]]), torch.ones(4))
    elsewhere = lambda z, owners: torch.where(owners == 1, z.sum(1) * 7, target(z, owners))  # noqa: E731
    results = []
    for loss_of in (target, elsewhere):
        mover = rule.start(start_at(), Point(), Free())
        follow(mover, loss_of, 10)
        results.append(mover.result(random()))
    assert torch.equal(results[0][0], results[1][0])
    assert not torch.equal(results[0][1], results[1][1])


# ----------------------------------------------------------------------------------------------------- repulsion


def ball(centres: torch.Tensor, radius: float):
    """Loss 1 outside of the class's ball, as the share of views that leave the class."""
    return lambda z, owners: ((z - centres[owners]).norm(dim=1) > radius).float()


def test_repulsion_moves_a_point_into_the_middle_of_a_ball_and_its_sphere_grows_to_the_ball():
    centres, radius = torch.tensor([[0.0, 0.0, 0.0], [6.0, 0.0, -4.0]]), 4.0
    side = torch.nn.functional.normalize(torch.randn(2, 3, 3, generator=random(1)), dim=2)
    start = centres[:, None] + 0.85 * radius * side
    rule = SphereRepulsion(points=64, radius=0.5, growth=1.2, patience=60)
    mover = rule.start(start, Point(), Free())
    follow(mover, ball(centres, radius), 250)
    middle = (mover.result(random()) - centres[:, None]).norm(dim=2)
    assert (middle < 0.35 * radius).all()
    # a sphere around the middle fits up to the ball's radius; the next one is too large
    grown = mover.radius / rule.growth
    assert (grown > 0.65 * radius).all()
    assert (grown < 1.15 * radius).all()


def test_repulsion_gives_up_a_point_far_from_its_class_where_it_stood():
    start = torch.full((1, 2, 3), 50.0)
    rule = SphereRepulsion(points=8, patience=5)
    mover = rule.start(start, Point(), Free())
    asked = follow(mover, ball(torch.zeros(1, 3), 1.0), 100)
    assert asked == 5 * 2 * 8
    assert torch.equal(mover.result(random()), start)


def test_repulsion_grows_for_ever_where_the_class_is_everywhere():
    mover = SphereRepulsion(points=8, radius=1.0, growth=1.5, patience=3).start(start_at(), Point(), Free())
    follow(mover, lambda z, owners: torch.zeros(len(z)), 10)
    torch.testing.assert_close(mover.radius, torch.full((6,), 1.5**10))
    assert torch.equal(mover.result(random()), start_at())


def test_repulsion_returns_the_last_place_whose_sphere_was_in_the_class():
    mover = SphereRepulsion(points=16, radius=1.0, patience=10).start(torch.zeros(1, 1, 2), Point(), Free())
    mover.ask(random())
    mover.tell(Found(torch.zeros(16), torch.ones(16), None))
    drawn = mover.ask(random())
    mover.tell(Found((drawn.latents[:, 0] > 0).float(), torch.ones(16), None))
    assert mover.centre[0, 0] < 0
    assert torch.equal(mover.result(random()), torch.zeros(1, 1, 2))


def test_repulsion_steps_against_the_mean_direction_of_the_points_that_left():
    rule = SphereRepulsion(points=16, radius=2.0)
    mover = rule.start(torch.zeros(1, 1, 2), Point(), Free())
    drawn = mover.ask(random())
    left = drawn.latents[:, 0] > 0.5
    mover.tell(Found(left.float(), torch.zeros(16), None))
    np.testing.assert_allclose(drawn.latents.norm(dim=1), 2.0, rtol=1e-5)
    expected = -(2 / 3) * (drawn.latents[left] / 2).mean(0)
    torch.testing.assert_close(mover.result(random())[0, 0], expected)


def test_repulsion_centres_stay_within_their_constraint_and_do_not_move_each_other():
    centres = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]])
    mover = SphereRepulsion(points=16, radius=0.3).start(start_at(2, 3, 3), Point(), Clamp(0.4))
    follow(mover, ball(centres, 0.6), 15)
    moved = mover.centre != start_at(2, 3, 3).flatten(0, 1)
    assert moved.any()
    assert mover.centre[moved].abs().max() <= 0.4
    other = SphereRepulsion(points=16, radius=0.3).start(start_at(2, 3, 3), Point(), Clamp(0.4))
    everywhere = lambda z, owners: torch.where(owners == 1, 0.0, ball(centres, 0.6)(z, owners))  # noqa: E731
    follow(other, everywhere, 15)
    assert torch.equal(other.centre[:3], mover.centre[:3])
    assert not torch.equal(other.centre[3:], mover.centre[3:])
