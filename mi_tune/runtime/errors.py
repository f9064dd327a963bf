"""The two ways in which things go wrong that are nobody's bug."""


class InputError(ValueError):
    """Something the user gave cannot be used. The message is one line: the culprit and the way out."""


class DivergedError(RuntimeError):
    """Training or an attack produced a number that is not finite. The message says where."""
