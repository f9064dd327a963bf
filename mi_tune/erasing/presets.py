"""Published erasing laws by name."""

from __future__ import annotations

from pathlib import Path

import yaml

from mi_tune.erasing.law import ErasingLaw
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.wording import did_you_mean

NO_DEFENCE = ErasingLaw(probability=0.0)

REFERENCE_LAWS: dict[str, ErasingLaw] = {
    "no defence": NO_DEFENCE,
    "MIDRE(0.1, 0.4)": ErasingLaw(probability=1.0, area=(0.1, 0.4), fill="midre"),
    "MIDRE(0.1, 0.8)": ErasingLaw(probability=1.0, area=(0.1, 0.8), fill="midre"),
    "Zhong et al.": ErasingLaw(probability=0.5, area=(0.02, 0.4), aspect=(0.3, 3.3), fill="noise"),
}
"""The laws of the reference points, which are in every study. MIDRE has the fill of its released code."""

SHORT_NAMES = dict(zip(("none", "midre-0.4", "midre-0.8", "zhong"), REFERENCE_LAWS.values(), strict=True))
"""The reference laws by short names for the command line."""


def named_law(text: str) -> ErasingLaw | None:
    """The erasing law that the value of `--law` names.

    Args:
        text: a name of `SHORT_NAMES`, a YAML or JSON mapping of a law's parameters, a file with such a mapping, or
            `unknown`, which gives None.

    Raises:
        InputError: unknown name or parameter, or not a mapping.
    """
    if text == "unknown":
        return None
    if text in SHORT_NAMES:
        return SHORT_NAMES[text]
    mapping = text.lstrip().startswith("{")
    if not mapping and not Path(text).is_file():
        known = ("unknown", *SHORT_NAMES)
        raise InputError(f"unknown law '{text}'; {did_you_mean(text, known, most=2)} Or give a mapping or its file")
    try:
        values = yaml.safe_load(text if mapping else Path(text).read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"--law {text}: not valid YAML ({' '.join(str(error).split())})") from error
    if not isinstance(values, dict):
        raise InputError(f"--law {text}: not a mapping of parameters such as probability, area, fill")
    return ErasingLaw.from_dict(values)
