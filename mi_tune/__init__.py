"""mi_tune: tune Random Erasing against model inversion."""

__version__ = "0.1.0"
