"""Strips of small face images for the page, each packed into one WebP image."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from analysis.statistics.records import Study

MAX_FACES_PER_STRIP = 48
MAX_STRIPS = 60
"""Laws with a strip: those on the front and the reference points first. More would make the page large."""


@dataclass(frozen=True)
class Strip:
    """Images side by side as a data URI; `identified`: 1 where the judge recognises the person, per image."""

    uri: str
    identified: list[int]


@dataclass(frozen=True)
class FaceStrips:
    """A strip of real images and one strip per trial: `classes` people in the same order, `side` pixels per image."""

    real: Strip
    trials: dict[int, Strip]
    side: int
    classes: int


def face_strips(study: Study) -> FaceStrips | None:
    """Strips with the best reconstruction of up to `MAX_FACES_PER_STRIP` classes; None without real images."""
    real = study.examples()
    if real is None:
        return None
    shown = shown_classes(len(real))
    trials: dict[int, Strip] = {}
    for trial in dict.fromkeys([*study.front.trial, *study.references.trial, *study.complete.trial]):
        if len(trials) == MAX_STRIPS:
            break
        faces = study.faces(int(trial))
        if faces is not None and len(faces.images) == len(real):
            marks = faces.identified[shown, 0].astype(int).tolist()
            trials[int(trial)] = Strip(sprite(faces.images[shown, 0]), marks)
    return FaceStrips(Strip(sprite(real[shown]), []), trials, real.shape[-1], len(shown))


def shown_classes(classes: int, most: int = MAX_FACES_PER_STRIP) -> np.ndarray:
    """Up to `most` evenly spaced classes."""
    return np.unique(np.linspace(0, classes - 1, min(most, classes)).round().astype(int))


def sprite(images: np.ndarray) -> str:
    """Images, uint8 (n, channels, height, width), side by side as a WebP data URI."""
    row = np.concatenate(list(images), axis=2)
    pixels = row[0] if len(row) == 1 else row.transpose(1, 2, 0)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(buffer, "WEBP", quality=88, method=6)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
