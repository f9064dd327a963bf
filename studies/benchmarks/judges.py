"""Which judge shall a search believe? `python studies/benchmarks/judges.py --keep judges.pt [--setup procedural]`

Laws over the whole range of the search space are trained and attacked with several seeds. Every candidate judge scores
the same reconstructions. The truth is the identity error where people are drawn, else a recogniser from outside, which
no candidate has seen. Printed are, for each candidate, Kendall's tau between its scores of the laws and the truth's
(means over seeds; 95 % bootstrap interval over laws), how far its height is from the recogniser's on average, and its
noise: the standard deviation over seeds, in units of that over laws. What is trained and attacked is kept in the file,
so an interrupted run goes on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy import stats

from mi_tune.attacks import make_attack, open_oracle
from mi_tune.erasing import REFERENCE_LAWS, ErasingLaw
from mi_tune.judging import Judge, identity_errors, train_judge
from mi_tune.library.setup_files import setup_file
from mi_tune.nets.training import predict
from mi_tune.runtime.cache import save_atomically
from mi_tune.runtime.device import pick_device, use_one_thread
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed
from mi_tune.setup import Setup, make_setup, read_setup
from mi_tune.trial.assets import StudyData, load_data, prepare_ground
from mi_tune.trial.judges import judge_recipe, prepare_judge, prepare_recogniser, prepare_verifier
from mi_tune.trial.targets import target_training

ATTACK = "map_logit"
PLAIN_CNNS = ("residual_gn", "conv_attention", "strided_cnn")
RESAMPLES = 2000

Score = Callable[[torch.Tensor], np.ndarray]
"""Scores reconstructions uint8 (people, kept, channels, height, width): (people,), higher for a larger leak."""


def laws(count: int) -> dict[str, ErasingLaw]:
    """The reference laws, and random ones that spread over the default search space."""
    random = np.random.default_rng(5)
    found = dict(REFERENCE_LAWS)
    while len(found) < count:
        low = float(random.uniform(0.02, 0.6))
        high = min(0.95, low + float(random.uniform(0, 0.6)))
        aspect, probability = float(random.uniform(1, 3)), float(random.uniform(0.3, 1))
        location = str(random.choice(["inside", "overflow", "periphery"]))
        fill = str(random.choice(["midre", "mean", "noise"]))
        found[f"law {len(found)}"] = ErasingLaw(
            probability, area=(low, high), aspect=(1 / aspect, aspect), location=location, fill=fill
        )
    return found


def reconstructions(setup: Setup, data: StudyData, count: int, seeds: int, keep: Path, console: Console) -> dict:
    """Train and attack every law with every seed; by (law, seed): `nat`, natural accuracy, and the images."""
    device = pick_device()
    ground, attack = prepare_ground(setup, data, 0, device), make_attack(ATTACK, "reduced")
    made = torch.load(keep, weights_only=True) if keep.exists() else {}
    unseen = np.concatenate([data.split.val, data.split.test])
    people = data.private.identities
    for seed in range(seeds):
        for name, law in laws(count).items():
            if (name, seed) in made:
                continue
            run = target_training(setup, data, law, seed, 0, device)
            while not run.finished:
                run.train_epoch()
            answers = predict(run.model, run.images, device, torch.from_numpy(unseen)).argmax(1).numpy()
            oracle = open_oracle(attack.access, run.model, device, people)
            images = attack.run(oracle, ground.knowing(run.law), torch.arange(people), seed).images
            made[name, seed] = {"nat": float((answers == data.private.labels[unseen]).mean()), ATTACK: images}
            save_atomically(keep, lambda path: torch.save(made, path))
            console.print(f"{len(made)} of {count * seeds}: {name}, seed {seed}", highlight=False)
    return made


def candidates(setup: Setup, data: StudyData) -> Iterator[tuple[str, Score, bool]]:
    """The candidate judges: their name, their score, and whether it is a share of recognised people."""
    device, people = pick_device(), torch.arange(data.private.identities)
    recipe = dataclasses.replace(judge_recipe(setup), photographs="all")

    def hits(logits: torch.Tensor, shape: torch.Size) -> np.ndarray:
        return (logits.argmax(1).view(shape) == people[:, None]).float().mean(1).numpy()

    def log_odds(logits: torch.Tensor, shape: torch.Size) -> np.ndarray:
        own = people.repeat_interleave(shape[1])[:, None]
        rest = logits.scatter(1, own, -torch.inf).logsumexp(1)
        return (logits.gather(1, own)[:, 0] - rest).view(shape).mean(1).numpy()

    def classifier(judge: Judge, measure: Callable) -> Score:
        return lambda images: measure(judge.logits(images.flatten(0, 1), device), images.shape[:2])

    trained = {}
    for name in PLAIN_CNNS:
        if name != setup.target.architecture:
            one = dataclasses.replace(recipe, architecture=name)
            trained[name] = train_judge(data.private, data.split, one, derive_seed(0, "judge"), device)
    for name, judge in trained.items():
        yield f"{name}, hits", classifier(judge, hits), True
        yield f"{name}, log odds", classifier(judge, log_odds), False

    def together(images: torch.Tensor) -> torch.Tensor:
        flat = images.flatten(0, 1)
        return torch.stack([judge.logits(flat, device).log_softmax(1) for judge in trained.values()]).mean(0)

    yield f"{len(trained)} CNNs together, hits", lambda images: hits(together(images), images.shape[:2]), True
    yield f"{len(trained)} CNNs together, log odds", lambda images: log_odds(together(images), images.shape[:2]), False
    unseen = dataclasses.replace(recipe, photographs="unseen")
    stranger = train_judge(data.private, data.split, unseen, derive_seed(0, "judge"), device)
    yield f"{unseen.architecture} of unseen photographs, hits (default)", classifier(stranger, hits), True
    yield f"{unseen.architecture} of unseen photographs, log odds", classifier(stranger, log_odds), False
    if data.public.identities > 1:
        verifier = prepare_verifier(setup, data, 0, device)
        yield "verifier, hits", lambda images: verifier.answers(images, people, device).rank1.mean(1), True
        yield "verifier, accepted", lambda images: verifier.answers(images, people, device).accepted.mean(1), True
        yield "verifier, cosine", lambda images: verifier.answers(images, people, device).similarity.mean(1), False


def truths(setup: Setup, data: StudyData) -> Iterator[tuple[str, Score, bool]]:
    """What is taken for the truth, as `candidates` gives it."""
    device, people = pick_device(), torch.arange(data.private.identities)
    if data.identity_parameters is not None:
        parameters, regressor = data.identity_parameters, prepare_judge(setup, data, 0, device).regressor
        assert regressor is not None

        def errors(images: torch.Tensor):
            return identity_errors(regressor, images, parameters, people, device)

        yield "identification rate", lambda images: errors(images).identified, True
        yield "minus identity error", lambda images: -errors(images).per_class, False
        return
    recogniser = prepare_recogniser(setup, data, device)
    if recogniser is None:
        raise InputError("no truth: these people are not drawn, and there is no recogniser (--recogniser faces)")
    yield "recogniser, hits", lambda images: recogniser.answers(images, people, device).rank1.mean(1), True
    yield "recogniser, cosine", lambda images: recogniser.answers(images, people, device).similarity.mean(1), False


def agreement(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float, float]:
    """Kendall's tau of two scores of the laws, with a 95 % bootstrap interval over laws."""
    random = np.random.default_rng(0)
    draws = random.integers(0, len(ours), (RESAMPLES, len(ours)))
    resampled = [stats.kendalltau(ours[draw], theirs[draw]).statistic for draw in draws]
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    return float(stats.kendalltau(ours, theirs).statistic), float(low), float(high)


def noise(scores: np.ndarray) -> float:
    """Standard deviation over seeds, in units of that of the laws' true values; scores (laws, seeds)."""
    within = scores.var(1, ddof=1).mean()
    between = max(scores.mean(1).var(ddof=1) - within / scores.shape[1], 1e-12)
    return float(np.sqrt(within / between))


@click.command()
@click.option("--setup", "name", help="A YAML file, or a name in studies/setups.  [default: procedural, or folder]")
@click.option("--private", type=click.Path(path_type=Path), help="Your images instead, with --recogniser.")
@click.option("--public", type=click.Path(path_type=Path), help="Images of other people.")
@click.option("--identities", type=int, default=30, help="How many identities are private.")
@click.option("--resolution", type=int, default=32, help="Side of the images in pixels.")
@click.option("--recogniser", default="faces", help="The truth of photographs: faces, or path/to/file.py:factory.")
@click.option("--laws", "count", type=int, default=24)
@click.option("--seeds", type=int, default=3)
@click.option("--keep", type=click.Path(path_type=Path), required=True, help="File of what was trained and attacked.")
def main(
    name: str | None,
    private: Path | None,
    public: Path | None,
    identities: int,
    resolution: int,
    recogniser: str,
    count: int,
    seeds: int,
    keep: Path,
) -> None:
    use_one_thread()
    console = Console()
    given = {}
    if private is not None:
        given = {"data.source": "folder", "data.private": str(private), "data.public": str(public)}
        given |= {"data.private_identities": identities, "data.resolution": resolution}
        given |= {"judge.recogniser": recogniser}
    file = setup_file(name or ("folder" if private is not None else "procedural"))
    setup = make_setup(read_setup(file), str(file), given)
    data = load_data(setup, 0)
    made = reconstructions(setup, data, count, seeds, keep, console)
    names = list(laws(count))

    def scored(score: Score) -> np.ndarray:
        return np.array([[score(made[law, seed][ATTACK]).mean() for seed in range(seeds)] for law in names])

    known = [(title, scored(score), share) for title, score, share in truths(setup, data)]
    rows = Table(title=f"{setup.name}, {data.private.identities} people, {count} laws, {seeds} seeds, {ATTACK} reduced")
    rows.add_column("judge")
    for title, _, _ in known:
        rows.add_column(f"tau with {title}", justify="right")
    for title in ("height off by", "height without defence", "noise"):
        rows.add_column(title, justify="right")
    (_, truth, _), *_ = known

    def add(title: str, scores: np.ndarray, share: bool) -> None:
        taus = [agreement(scores.mean(1), other.mean(1)) for _, other, _ in known]
        rows.add_row(
            title,
            *(f"{tau:.2f} [{low:.2f}, {high:.2f}]" for tau, low, high in taus),
            f"{abs(scores.mean(1) - truth.mean(1)).mean():.2f}" if share else "",
            f"{scores[0].mean():.2f}",
            f"{noise(scores):.2f}",
        )

    for title, scores, share in known:
        add(title, scores, share)
    natural = np.array([[made[law, seed]["nat"] for seed in range(seeds)] for law in names])
    add("natural accuracy (no judge)", natural, False)
    for title, score, share in candidates(setup, data):
        add(title, scored(score), share)
    console.print(rows)


if __name__ == "__main__":
    main()
