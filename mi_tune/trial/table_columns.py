"""What each column of the table of trials means, in a line; docs/study_folder.md says more."""

from __future__ import annotations

_INTERVAL_ENDS = {"_low": "low end of its 95 % interval over people", "_high": "high end of its 95 % interval"}


def _with_ends(name: str, meaning: str) -> dict[str, str]:
    return {name: meaning, **{f"{name}{end}": f"{name}: {text}" for end, text in _INTERVAL_ENDS.items()}}


MEANINGS: dict[str, str] = {
    "trial": "number, from 0",
    "state": "complete, infeasible (below the floor, not attacked), failed, stopped (early) or running",
    "reference": "name of the reference point, or empty",
    "probability": "share of training images that are erased",
    "area_low": "least erased share of the image",
    "area_high": "largest erased share of the image",
    "aspect_low": "least height to width of a rectangle",
    "aspect_high": "largest height to width of a rectangle",
    "location": "where rectangles lie",
    "fill": "what rectangles are filled with: a name, or values in [0, 1] per channel",
    "count": "rectangles of an erased image",
    "clean_epochs": "epochs without erasing at the end of training",
    "defences": "the other defences with their parameters, or empty",
    **_with_ends("natural_accuracy", "top-1 of the target on un-erased images that it was not trained on"),
    **_with_ends("attack_accuracy", "share of reconstructions that the judge assigns to the attacked person"),
    "attack_accuracy_top5": "the same, among the judge's first five",
    "people_attacked": "private people whom the attack was run on: all, or the sample of attack.identities",
    **_with_ends("start_attack_accuracy", "attack accuracy of the attack's starts, before it optimises"),
    **_with_ends("identity_error", "drawn faces: distance to the true person; 1 is a random person's"),
    "start_identity_error": "the same for the best prior samples",
    "identification_rate": "drawn faces: share of reconstructions nearest to the true person",
    **_with_ends("recognised", "share of the best reconstructions that the recogniser assigns to the attacked person"),
    "recognised_top5": "the same, among the five most similar people",
    "recognised_accepted": "the same, above the threshold of the stated false accept rate",
    "target_accuracy_on_reconstructions": "share of reconstructions that the target assigns to the attacked person",
    "floor": "natural accuracy below which this trial was infeasible",
    "realised_area": "mean share of pixels erased in training",
    "attack": "attack",
    "budget": "budget of the attack",
    "attacks": "where several attacks were run: the attack accuracy of each, strongest first; the strongest counts",
    "judge": "judge",
    "judge_accuracy": "its accuracy on real held-out images",
    "recogniser": "judge from outside, or empty",
    "recogniser_accuracy": "its rank-1 accuracy on real test images",
    "forward_passes": "images that the attacks sent through the target",
    "backward_passes": "images that the attacks sent back through it",
    "train_seconds": "seconds of training",
    "attack_seconds": "seconds of the attacks",
    "seconds": "seconds in all",
    "peak_memory_mb": "largest memory of the worker in MB",
    "seed": "seed of the study",
    "replicates": "targets trained and attacked; accuracies are their mean",
    "repeat_of": "the trial that ran this law first, or missing",
    "started": "ISO 8601, UTC",
    "finished": "ISO 8601, UTC",
    "artefacts": "folder of the trial in the study's folder",
    "reason": "why it failed, was stopped or is infeasible; or that an attack had to take smaller batches",
}
