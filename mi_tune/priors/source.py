"""Code and weights of a user's own generator."""

from __future__ import annotations

from typing import ClassVar

from mi_tune.runtime.imported import OwnModule


class GeneratorSource(OwnModule):
    """A user's own generator: see `OwnModule`."""

    kind: ClassVar[str] = "generator"
    setting: ClassVar[str] = "prior.weights"
