"""The settings that a report prints: everything of a folder's description but what belongs to the user alone."""

from __future__ import annotations

import json
from typing import Any

import yaml


def settings_text(config: dict[str, Any]) -> str:
    """The description of a folder as YAML, without the command line and without paths of the user's images."""
    settings = json.loads(json.dumps(config, default=str))
    settings.pop("command", None)
    data = settings.get("config", {}).get("data", {})
    for side in ("private", "public"):
        if data.get(side):
            data[side] = "(own folder)"
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
