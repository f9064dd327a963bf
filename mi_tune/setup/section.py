"""What all sections of a set-up have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from mi_tune.runtime.imported import checked_factory

Range = tuple[float, float]


class Section(BaseModel):
    """A section: an unknown key is an error, and nothing changes once it is made."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def checked_network(architecture: str) -> str:
    """The name of an architecture; of one's own network, with the path of its file made absolute."""
    own = ":" in architecture and not architecture.startswith("timm:")
    return checked_factory(architecture) if own else architecture
