"""The text of a mix of defences, as tables and commands have it: `neg_ls:alpha=-0.05+bido:a1=0.05,a2=0.5`.

It knows nothing of the defences themselves, so that a search can read and write it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mi_tune.runtime.errors import InputError

Values = dict[str, float]
SEPARATOR = "+"
"""What stands between the defences of a mix."""


def mix_text(mix: Iterable[tuple[str, Mapping[str, float]]]) -> str:
    """The text of defences, each its kind and its parameters; "" without any."""
    return SEPARATOR.join(
        f"{kind}:{','.join(f'{name}={value:.10g}' for name, value in values.items())}" for kind, values in mix
    )


def mix_values(text: str) -> list[tuple[str, Values]]:
    """Kinds and parameters from a text. A value without a name is called by its place: "0", "1", ...

    Raises InputError for a value that is no number.
    """
    found = []
    for part in text.split(SEPARATOR) if text.strip() else ():
        kind, _, rest = part.strip().partition(":")
        values: Values = {}
        for place, item in enumerate(rest.split(",") if rest.strip() else ()):
            name, _, value = item.rpartition("=")
            name = name.strip() or str(place)
            try:
                values[name] = float(value)
            except ValueError:
                raise InputError(f"defence {part.strip()}: '{value.strip()}' is no number") from None
        found.append((kind.strip(), values))
    return found
