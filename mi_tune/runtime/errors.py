"""The two expected errors: wrong input, and numbers that are not finite."""


class InputError(ValueError):
    """An input of the user cannot be used. The message is one line: what is wrong and how to correct it."""


class DivergedError(RuntimeError):
    """Training or an attack produced NaN or an infinite value. The message says where."""


def require(kept: bool, part: object, broken: str) -> None:
    """Raise InputError unless a part keeps a promise; the message names the part, by its class if it is no name."""
    if not kept:
        raise InputError(f"{part if isinstance(part, str) else type(part).__name__}: {broken}")
