"""The set-up files that come with the project, by name."""

from __future__ import annotations

from pathlib import Path

SETUPS = Path(__file__).parents[2] / "studies" / "setups"
"""Their folder. It lies beside this package; nothing of `studies` is imported."""


def setup_file(name: str) -> Path:
    """The file of a set-up: by its name in studies/setups, or any YAML file by its path."""
    file = Path(name)
    return file if file.suffix in (".yaml", ".yml") or file.exists() else SETUPS / f"{name}.yaml"
