"""An erasing law as Python code to paste: with torchvision if it can express the law, else with mi_tune."""

import math

from mi_tune.erasing import ErasingLaw


def torchvision_obstacles(law: ErasingLaw, height: int, width: int) -> list[str]:
    """Why torchvision's `v2.RandomErasing` cannot express the law on (height, width) images; empty if it can."""
    reasons = []
    if law.location != "inside":
        reasons.append(f"location '{law.location}'")
    if law.count != 1:
        reasons.append(f"{law.count} rectangles")
    if law.fill in ("noise", "colour", "image_mean", "other_image"):
        reasons.append(f"fill '{law.fill}'")
    pixels = law.area[1] * height * width
    tallest, widest = round(math.sqrt(pixels * law.aspect[1])), round(math.sqrt(pixels / law.aspect[0]))
    if law.probability > 0 and (tallest >= height or widest >= width):
        reasons.append("rectangles that do not always fit, which torchvision would skip")
    return reasons


def law_snippet(law: ErasingLaw, height: int, width: int, channels: int) -> str:
    """Python code that applies the law to images of the given shape.

    The law must be resolved: a `mean` fill given as numbers (`ErasingLaw.resolved`).
    """
    if law.probability == 0:
        return "# no erasing: train without a RandomErasing step"
    lines = []
    if law.clean_epochs:
        lines.append(f"# leave this step out in the last {law.clean_epochs} epochs")
    if torchvision_obstacles(law, height, width):
        default = ErasingLaw()
        given = [
            f"{k}={tuple(_short(x) for x in v) if isinstance(v, tuple) else _short(v)!r}"
            for k, v in vars(law).items()
            if k != "clean_epochs" and (k in ("probability", "area", "aspect", "fill") or v != getattr(default, k))
        ]
        lines += [
            "from mi_tune.erasing import ErasingLaw",
            f"erase = ErasingLaw({', '.join(given)}).transform()",
            "# a step of torchvision.transforms.v2: one image or a batch, in [0, 1] or uint8, before Normalize",
        ]
        return "\n".join(lines)
    value = [_short(v) for v in law.fill_colour(channels)]
    lines += [
        "import torch",
        "from torchvision.transforms import v2",
        "erase = v2.Compose([",
        "    v2.ToImage(),",
        "    v2.ToDtype(torch.float32, scale=True),  # to [0, 1]; erase before Normalize",
        f"    v2.RandomErasing(p={_short(law.probability)}, scale={tuple(map(_short, law.area))}, "
        f"ratio={tuple(map(_short, law.aspect))}, value={value}),",
        "])",
    ]
    return "\n".join(lines)


def _short(value: object) -> object:
    return float(f"{value:.4g}") if isinstance(value, float) else value
