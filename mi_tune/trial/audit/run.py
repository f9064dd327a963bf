"""Run many attempts on one model and judge each. Rows that the folder already holds are not computed again."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from torch import Tensor

from mi_tune import attacks, judging
from mi_tune.attacks import Ground, SoftLabel, code_of, open_oracle
from mi_tune.attacks.inits import BestOfSamples
from mi_tune.judging import Judge, class_interval, identity_errors, judge_images
from mi_tune.judging.panel import ClassifierJudge, GalleryJudge, PanelJudge
from mi_tune.judging.same_people import pairs_sentence
from mi_tune.nets.training import predict
from mi_tune.priors.base import to_uint8
from mi_tune.runtime.cache import content_key
from mi_tune.runtime.errors import DivergedError, InputError
from mi_tune.runtime.provenance import provenance
from mi_tune.runtime.seeds import derive_seed
from mi_tune.runtime.wording import duration
from mi_tune.search.state import State
from mi_tune.trial.assets import prepare_ground
from mi_tune.trial.attempts import Attempt
from mi_tune.trial.audit.folder import AuditFolder, artefact_name
from mi_tune.trial.audit.subject import Subject
from mi_tune.trial.ceiling import ceiling_sentence, measure_ceilings
from mi_tune.trial.judges import possible_pairs, prepare_judge, prepare_recogniser
from mi_tune.trial.table import spreadsheet_safe

CHANCE, BEST_SAMPLES = "chance", "best prior samples"
"""The `attack` of the two baseline rows."""
BASELINE_STATE = "baseline"
"""The `state` of the baseline rows."""
BASELINE_KEPT = 4
"""Prior samples per class in the baseline: as many as most presets return at the reduced budget."""


@dataclass(frozen=True)
class AuditOptions:
    """Options of an audit.

    Args:
        seed: of the attacks.
        classes: attack only the first `classes` classes; None attacks all.
        law_known: whether erasing-aware attacks are given the law.
        images: whether folder and report may contain faces.
        force: compute every row again, and remove rows of attacks on another model.
    """

    seed: int
    classes: int | None = None
    law_known: bool = True
    images: bool = True
    force: bool = False


def run_audit(
    subject: Subject,
    attempts: list[Attempt],
    folder: Path,
    options: AuditOptions,
    device: torch.device,
    console: Console,
) -> pd.DataFrame:
    """Run the attempts that the folder does not hold yet.

    An attack that fails becomes a row with the state `failed` and its reason. The next run tries it again.

    Returns:
        The rows of the baselines, then of `attempts` in their order.

    Raises:
        InputError: there are more classes than the model has; the folder cannot be used; or every attack failed.
    """
    identities = subject.data.private.identities
    count = identities if options.classes is None else options.classes
    if not 1 <= count <= identities:
        raise InputError(f"--classes {count}: the model has {identities} classes; give 1 to {identities}")
    audit = AuditFolder(folder)
    audit.claim(SoftLabel(subject.model, device, identities).key, options.force)
    try:
        return _Audit(subject, audit, options, device, console).run(attempts)
    finally:
        audit.release()


class _Audit:
    def __init__(
        self, subject: Subject, folder: AuditFolder, options: AuditOptions, device: torch.device, console: Console
    ) -> None:
        self.subject, self.folder, self.options = subject, folder, options
        self.device, self.console = device, console
        self.bank = subject.data.private
        self.classes = torch.arange(self.bank.identities if options.classes is None else options.classes)
        self.law = subject.law if options.law_known else None
        self.model_key = SoftLabel(subject.model, device, self.bank.identities).key
        self.grounds: dict[str, Ground] = {}
        self.ceilings: dict[str, list[dict[str, Any]]] = {}
        self.baselines: set[str] = set()
        self.done: set[str] = set()
        if not options.force:
            self.done = {row["key"] for row in folder.rows() if row["state"] in (State.COMPLETE, BASELINE_STATE)}

    def run(self, attempts: list[Attempt]) -> pd.DataFrame:
        with self.console.status("training the judge, or loading it from the cache"):
            subject = self.subject
            self.judge: Judge = prepare_judge(subject.setup, subject.data, subject.seed, self.device)
            self.recogniser = prepare_recogniser(subject.setup, subject.data, self.device)
        self._describe()
        wanted = [self._chance()]
        for number, attempt in enumerate(attempts, start=1):
            wanted += self._attempt(attempt, f"{number}/{len(attempts)}")
        wanted = sorted(dict.fromkeys(wanted), key=lambda key: key not in self.baselines)
        table = pd.DataFrame(self.folder.rows())
        table = table.set_index("key").loc[wanted].reset_index()
        tried = table[table.state != BASELINE_STATE]
        if (tried.state == State.FAILED).all():
            raise InputError(f"every attack failed; the first one: {tried.reason.iloc[0]}")
        return table

    # ------------------------------------------------------------------------------------------------ shared assets

    def _ground(self, kind: str) -> Ground:
        if kind not in self.grounds:
            setup = self.subject.setup
            setup = setup.model_copy(update={"prior": setup.prior.model_copy(update={"kind": kind})})
            with self.console.status(f"making the prior {kind}, or loading it from the cache"):
                self.grounds[kind] = prepare_ground(setup, self.subject.data, self.subject.seed, self.device)
        return self.grounds[kind].knowing(self.law)

    def _describe(self) -> None:
        subject, bank = self.subject, self.bank
        what, indices = subject.measured_on
        logits = predict(subject.model, bank.tensors()[0], self.device, torch.from_numpy(indices))
        accuracy = float((logits.argmax(1).numpy() == bank.labels[indices]).mean())
        if "read" in subject.about:
            self.console.print(subject.about["read"], highlight=False, markup=False, soft_wrap=True)
        if accuracy < 0.5:
            self.console.print(
                f"the model classifies only {accuracy:.0%} of the {what} correctly; check its normalisation and "
                "--resolution, and that its classes are the folders in sorted order",
                style="yellow",
                highlight=False,
            )
        held_out = self.judge.held_out
        self.description: dict[str, Any] = {
            "name": subject.name,
            "model": {**subject.about, "fingerprint": self.model_key, "accuracy": accuracy, "measured_on": what},
            "law": subject.law.to_dict() if subject.law else None,
            "images_allowed": self.options.images,
            "data": {
                "private": {"fingerprint": bank.fingerprint(), "identities": bank.identities, "images": len(bank)},
                "public": {
                    "fingerprint": subject.data.public.fingerprint(),
                    "identities": subject.data.public.identities,
                    "images": len(subject.data.public),
                },
                "channels": bank.channels,
                "resolution": bank.resolution,
            },
            "seed": subject.seed,
            "judge": {
                "name": self.judge.name,
                "fingerprint": self.judge.key,
                "held_out_accuracy": held_out.value,
                "held_out_low": held_out.low,
                "held_out_high": held_out.high,
            },
            **provenance(self.device),
        }
        if self.recogniser is not None:
            data = subject.data
            pairs = possible_pairs(data, self.recogniser, self.device)
            self.description["recogniser"] = {**self.recogniser.describe(), "pairs_with_public": len(pairs)}
            if pairs:
                text = pairs_sentence(pairs, data.private, data.public, self.recogniser.name)
                self.console.print(text, highlight=False, markup=False, soft_wrap=True, style="yellow")
        self.folder.write_description(self.description)
        _, first = np.unique(bank.labels[subject.data.split.train], return_index=True)
        examples = bank.images[subject.data.split.train[first]] if self.options.images else None
        self.folder.write_examples(examples, bank.names)

    def _add_ceilings(self, attempt: Attempt, ground: Ground) -> None:
        """Measure the ceilings of a prior of the set-up, once, and add them to the description."""
        if attempt.prior in self.ceilings:
            return
        data = self.subject.data
        judges: list[PanelJudge] = [
            ClassifierJudge(self.judge.name, self.judge, in_search=True)
        ] * self.judge.saw_private
        if self.recogniser is not None:
            judges.append(GalleryJudge(self.recogniser, "rank-1", outside=True))
        found = measure_ceilings(attempt.attack, ground, data, data.split.test, judges, self.device)
        self.ceilings[attempt.prior] = [one.as_plain() for one in found]
        self.folder.write_description(self.description | {"ceilings": self.ceilings})
        text = ceiling_sentence(attempt.prior, self.ceilings[attempt.prior])
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    # -------------------------------------------------------------------------------------------------------- rows

    def _row(self, **values: Any) -> dict[str, Any]:
        return {
            "law_known": self.law is not None,
            "classes": len(self.classes),
            "seed": self.options.seed,
            "judge": self.judge.name,
            "judge_accuracy": self.judge.held_out.value,
            "recogniser": "" if self.recogniser is None else self.recogniser.name,
            "recogniser_accuracy": None if self.recogniser is None else self.recogniser.held_out_rank1.value,
            "model": self.model_key,
            **values,
        }

    def _key(self, *parts: Any, code: tuple[ModuleType, ...] = (attacks.inits, attacks.oracle)) -> str:
        """Content key of a row: it changes with everything that decides the row's numbers."""
        law = self.law.to_dict() if self.law else None
        modules = (*code, judging.verdicts, judging.intervals)
        recogniser = None if self.recogniser is None else self.recogniser.key
        return content_key(self.model_key, self.judge.key, recogniser, len(self.classes), law, *parts, modules=modules)

    def _chance(self) -> str:
        row = self._row(attack=CHANCE, budget="", access="", prior="", state=BASELINE_STATE, key=self._key(CHANCE))
        row["seed"] = self.subject.seed
        self.folder.put({**row, "attack_accuracy": 1 / self.bank.identities})
        self.baselines.add(row["key"])
        return row["key"]

    def _best_samples(self, kind: str) -> str:
        """Baseline without optimisation: the prior's samples that the target gives the highest confidence."""
        ground = self._ground(kind)
        key = self._key(BEST_SAMPLES, ground.key)
        if key not in self.done | self.baselines:
            begun = time.perf_counter()
            oracle = SoftLabel(self.subject.model, self.device, self.bank.identities)
            start = BestOfSamples()(oracle, ground, self.classes.to(self.device), BASELINE_KEPT, self.subject.seed)
            with torch.no_grad():
                images = torch.cat(
                    [to_uint8(ground.prior.decode(part)).cpu() for part in start.flatten(0, 1).split(256)]
                )
            images = images.view(*start.shape[:2], *images.shape[1:])
            row = self._row(
                attack=BEST_SAMPLES, budget="", access=oracle.access, prior=kind, key=key, state=BASELINE_STATE
            )
            row |= {"seed": self.subject.seed, "forward_passes": oracle.forward_passes, "backward_passes": 0}
            row |= {"surrogate_passes": 0, "prepare_seconds": 0.0, "seconds": time.perf_counter() - begun}
            confidence = oracle.confidence(images.flatten(0, 1)).cpu()
            own = confidence.gather(1, self.classes.repeat_interleave(BASELINE_KEPT)[:, None]).view(len(images), -1)
            self._finish(row, images, own, None)
        self.baselines.add(key)
        return key

    def _attempt(self, attempt: Attempt, position: str) -> list[str]:
        """Run one attempt; return the keys of its baseline row and of its own row."""
        attack = attempt.attack
        title = f"{position} {attack.name} ({attack.budget}, {attack.access}, prior {attempt.prior_name})"
        row = self._row(attack=attack.name, budget=attack.budget, access=attack.access, prior=attempt.prior_name)
        # before the ground is made, only the kind of its prior is known
        row["key"] = self._key(attempt.prior, attack.describe(), self.options.seed, code=code_of(attack))
        baseline: list[str] = []
        begun = time.perf_counter()
        try:
            # priors are made when first needed, so that the training of a GAN does not delay the other attacks
            baseline = [self._best_samples(attempt.prior)]
            ground = self._ground(attempt.prior)
            row["key"] = self._key(ground.key, attack.describe(), self.options.seed, code=code_of(attack))
            if row["key"] in self.done:
                self._say(f"{title}: already in the folder")
                return [*baseline, row["key"]]
            with self.console.status(title):
                attack.check(ground.prior, len(ground.samples.latents))
                self._add_ceilings(attempt, ground)
                oracle = open_oracle(attack.access, self.subject.model, self.device, self.bank.identities)
                # the seed of a trial's first target, so that the study's own attack reproduces the study's numbers
                result = attack.run(oracle, ground, self.classes, derive_seed(self.options.seed, "attack", 0))
        except (InputError, DivergedError) as error:
            return [*baseline, self._fail(row, title, str(error))]
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            return [*baseline, self._fail(row, title, f"out of GPU memory: {str(error).splitlines()[0]}")]
        except Exception as error:
            # one broken attack must not lose the work of the others
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"({type(error).__name__}, {Path(where.filename).name}:{where.lineno})"
            return [*baseline, self._fail(row, title, f"{' '.join(str(error).split())} {place}".strip())]
        row |= {
            "state": State.COMPLETE,
            "forward_passes": result.forward_passes,
            "backward_passes": result.backward_passes,
            "surrogate_passes": result.surrogate_passes,
            "seconds": result.seconds,
            "prepare_seconds": result.prepare_seconds,
        }
        row = self._finish(row, result.images, result.confidence, result.start_images)
        self._say(
            f"{title}: attack accuracy {row['attack_accuracy']:.1%} "
            f"[{row['attack_accuracy_low'] * 100:.0f}, {row['attack_accuracy_high'] * 100:.0f}], "
            f"{duration(time.perf_counter() - begun)}"
        )
        return [*baseline, row["key"]]

    def _fail(self, row: dict, title: str, reason: str) -> str:
        self.folder.put({**row, "state": State.FAILED, "reason": reason})
        self.console.print(f"{title}: failed: {reason}", style="red", highlight=False, markup=False, soft_wrap=True)
        return row["key"]

    def _finish(self, row: dict, images: Tensor, confidence: Tensor, start: Tensor | None) -> dict:
        """Judge uint8 images (classes, kept, channels, height, width), and write the artefacts and the row."""
        verdicts = judge_images(self.judge, images, self.classes, self.device)
        estimate = class_interval(verdicts.accuracy)
        own = predict(self.subject.model, images.flatten(0, 1), self.device).argmax(1).view(len(images), -1)
        on_target = (own == self.classes[:, None]).float()
        per_class = pd.DataFrame(
            {
                "class_name": spreadsheet_safe(self.bank.names[: len(images)]),
                "attack_accuracy": verdicts.accuracy,
                "attack_accuracy_top5": verdicts.accuracy_top5,
                "target_accuracy_on_reconstructions": on_target.mean(1).numpy(),
            }
        )
        row |= {
            "attack_accuracy": estimate.value,
            "attack_accuracy_low": estimate.low,
            "attack_accuracy_high": estimate.high,
            "attack_accuracy_top5": float(verdicts.accuracy_top5.mean()),
            "target_accuracy_on_reconstructions": float(on_target.mean()),
        }
        if self.recogniser is not None:
            answers = self.recogniser.answers(images, self.classes, self.device)
            found = class_interval(answers.rank1.mean(1))
            per_class["recognised"] = answers.rank1.mean(1)
            row |= {"recognised": found.value, "recognised_low": found.low, "recognised_high": found.high}
            row["recognised_accepted"] = float(answers.accepted.mean())
        people, regressor = self.subject.data.identity_parameters, self.judge.regressor
        if people is not None and regressor is not None:
            errors = identity_errors(regressor, images, people, self.classes, self.device)
            per_class["identity_error"] = errors.per_class
            row |= {"identity_error": errors.summary().value, "identification_rate": float(errors.identified.mean())}
        if start is not None:
            start_accuracy = judge_images(self.judge, start, self.classes, self.device).accuracy
            per_class["start_attack_accuracy"] = start_accuracy
            row["start_attack_accuracy"] = float(start_accuracy.mean())
        row["artefacts"] = artefact_name(row)
        arrays = {
            "images": images.numpy(),
            "judge_top1": verdicts.top1,
            "target_confidence": confidence.numpy(),
            "class_names": np.array(self.bank.names[: len(images)]),
        }
        self.folder.put_artefacts(row["artefacts"], per_class, arrays)
        self.folder.put(row)
        return row

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)
