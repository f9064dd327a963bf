"""Whether an architecture can take images of a size, found without computing anything."""

from __future__ import annotations

import torch

from mi_tune.nets import ARCHITECTURES, check_architecture
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.imported import one_line


def check_size(name: str, resolution: int) -> None:
    """Raise InputError unless the architecture can be trained on squares of `resolution` pixels.

    A network of torchvision is built on torch's `meta` device, which has shapes but no numbers, and is shown two images
    there. This project's own take every size that a set-up allows.
    """
    check_architecture(name)
    if name in ARCHITECTURES:
        return
    from torchvision.models import get_model  # slow to import and rarely needed

    options = {"init_weights": False, "aux_logits": False} if name in ("inception_v3", "googlenet") else {}
    try:
        # the builder of a regnet computes with numbers
        with torch.device("cpu" if name.startswith("regnet") else "meta"), torch.random.fork_rng(devices=[]):
            model = get_model(name, weights=None, num_classes=2, **options).to("meta").train()
        with torch.no_grad():
            model(torch.empty(2, 3, resolution, resolution, device="meta"))
    except Exception as error:
        raise InputError(
            f"architecture '{name}' cannot take images of {resolution} px ({one_line(error)}); change the "
            "resolution or the architecture"
        ) from error
