"""Names that set-up files, commands and attacks share. No imports, so that a command's help is quick."""

from __future__ import annotations

from typing import Literal, get_args

PriorKind = Literal["eigenface", "dcgan", "wgan", "procedural", "import", "style"]
PRIOR_KINDS: tuple[str, ...] = get_args(PriorKind)
PUBLIC_PRIORS = ("eigenface", "dcgan", "wgan")
"""The kinds of priors that are made from the public images alone, so that any attack can be given any of them."""

Budget = Literal["twin", "reduced", "4x", "16x", "full"]
BUDGETS: tuple[str, ...] = get_args(Budget)
"""Budgets of an attack, the smallest first. `twin` only shows that the attack's parts work together; `full` is the
published one, which may be below a multiple."""
