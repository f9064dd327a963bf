"""The promises that a confirmation relies on in a judge, as a check that a user's own can be put through."""

from __future__ import annotations

from typing import get_args

import numpy as np
import torch
from torch import Tensor

from mi_tune.judging.panel import Learned, PanelJudge
from mi_tune.runtime.errors import require

_CPU = torch.device("cpu")


def check_judge(judge: PanelJudge, images: Tensor) -> None:
    """Check a judge of a panel on some images of every class.

    images: uint8 (classes, kept, channels, height, width), with two or more of each class.

    Raises InputError unless the judge

    - answers with one truth value per image, the same when asked again;
    - judges each image on its own, whatever else it is shown;
    - is asked about the attacked class: of several classes each image is a hit of its own row only;
    - knows its accuracy on real images, by class and in all, and which private images trained it.
    """
    people, kept = images.shape[:2]
    classes = torch.arange(people)
    hits = judge.hits(images, classes, _CPU)
    right = isinstance(hits, np.ndarray) and hits.shape == (people, kept) and hits.dtype == bool
    require(right, judge, f"answers with {getattr(hits, 'shape', type(hits))}, not truth values ({people}, {kept})")
    require(bool((hits == judge.hits(images, classes, _CPU)).all()), judge, "answers otherwise when asked again")
    turned = judge.hits(images.flip(0, 1), classes.flip(0), _CPU)[::-1, ::-1]
    require(bool((hits == turned).all()), judge, "judges an image by the others that it is shown")
    alone = judge.hits(images[:2], classes[:2], _CPU)
    require(bool((alone == hits[:2]).all()), judge, "judges fewer people otherwise")
    ceiling = judge.ceiling
    shares = ceiling.shape == (people,) and bool(((ceiling >= 0) & (ceiling <= 1)).all())
    require(shares, judge, "has no accuracy on real images for each class")
    require(abs(judge.held_out.value - ceiling.mean()) < 1e-6, judge, "has another mean accuracy than its classes'")
    require(judge.learned in get_args(Learned), judge, f"says that it learned '{judge.learned}'")
    require(bool(judge.name and judge.key and judge.question), judge, "lacks a name, a key or a question")
