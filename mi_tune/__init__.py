"""mi_tune: tune Random Erasing against model inversion."""

__version__ = "0.2.0"
