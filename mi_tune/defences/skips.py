"""RoLSS and SSF: the skip connections of the last stage, removed or scaled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from mi_tune.defences.defence import Defence, Limits
from mi_tune.runtime.errors import InputError


class Scaled(nn.Module):
    """Multiplies by a constant; has no weights, so that the names of those around it stay."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


def last_stage(model: nn.Module) -> list[nn.Module]:
    """The blocks with skip connections in the last stage that has any; empty without skip connections.

    Of torchvision's residual networks these are the blocks of `layer4`. Others mark their blocks by an attribute
    `skip_scale`; those of the last run of blocks with one number of features count as the last stage.
    """
    stage = next((m for name, m in model.named_modules() if name.rpartition(".")[2] == "layer4"), None)
    if stage is not None:
        return [block for block in stage.children() if hasattr(block, "downsample")]
    marked = [module for module in model.modules() if hasattr(module, "skip_scale")]
    width = [next(p for p in reversed(list(block.parameters())) if p.ndim == 4).shape[0] for block in marked]
    return [block for block, one in zip(marked, width, strict=True) if one == width[-1]]


@dataclass(frozen=True)
class SkipScaling(Defence):
    """Skip connections of the last stage times `scale`: 0 removes them (RoLSS), 0.2 is SSF; 1 changes nothing.

    Koh et al., "On the Vulnerability of Skip Connections to Model Inversion Attacks" (ECCV 2024), who keep those of the
    first three stages.

    Args:
        scale: factor of the skip connections.
    """

    scale: float = 0.0

    kind: ClassVar[str] = "rolss"
    title: ClassVar[str] = "RoLSS"
    part: ClassVar[str] = "skip connections"
    limits: ClassVar[dict[str, Limits]] = {"scale": Limits(0, 1, (0.0, 0.9))}
    undone_by: ClassVar[tuple[str, ...]] = ("brepmi:reduced", "clean_student:reduced")  # it holds gradients back

    @property
    def active(self) -> bool:
        return self.scale != 1

    @property
    def name(self) -> str:
        return "RoLSS" if self.scale == 0 else f"SSF {self.scale:.4g}"

    def check(self, model: nn.Module, classes: int) -> None:
        if not last_stage(model):
            raise InputError(
                "defence rolss: the network has no skip connections; choose a residual one such as resnet18"
            )

    def rebuild(self, model: nn.Module, seed: int) -> None:
        for block in last_stage(model):
            if hasattr(block, "skip_scale"):
                setattr(block, "skip_scale", self.scale)  # noqa: B010  # of no type that is known here
            elif isinstance(block.downsample, nn.Sequential):
                block.downsample.append(Scaled(self.scale))
            else:
                block.downsample = Scaled(self.scale)
