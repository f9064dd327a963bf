"""The words that a user sets a study up with: keywords of the library, and with dashes options of the commands."""

from __future__ import annotations

from typing import Any

KEYS = {
    "private": "data.private",
    "public": "data.public",
    "data": "data.private",
    "data_root": "data.root",
    "identities": "data.private_identities",
    "resolution": "data.resolution",
    "recogniser": "judge.recogniser",
    "recogniser_weights": "judge.recogniser_weights",
    "architecture": "target.architecture",
    "trainer": "target.trainer",
    "epochs": "target.epochs",
    "pretrained": "target.pretrained",
    "start_from": "target.start_from",
    "freeze": "target.freeze",
    "pretrain": "target.pretrain",
    "compile": "target.compile",
    "replicates": "target.replicates",
    "prior": "prior.kind",
    "generator": "prior.generator",
    "generator_weights": "prior.weights",
    "judge": "judge.kind",
    "judge_weights": "judge.weights",
    "attack": "attack.preset",
    "budget": "attack.budget",
    "other_attacks": "attack.others",
    "defences": "search.space.defences",
    "attack_identities": "attack.identities",
    "sampler": "search.sampler",
    "trials": "search.trials",
    "repeats": "search.repeats",
    "stopping": "search.stopping.scheduler",
    "warm_start": "search.warm_start",
    "min_accuracy": "search.min_accuracy",
    "controls": "search.controls",
}
"""The key of the set-up that each word sets."""

SMOKE: dict[str, Any] = {
    "target.epochs": 4,
    "target.report_every": 2,
    "target.replicates": 1,
    "judge.epochs": 2,
    "judge.regressor_steps": 20,
    "judge.verifier_views": 400,
    "prior.samples": 200,
    "prior.gan_steps": 20,
    "search.trials": 6,
    "search.startup": 1,
    "search.min_accuracy_kept": 0.0,
    "search.controls": False,
}
"""What a study sets that only shows that everything works."""
