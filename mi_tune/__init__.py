"""mi_tune: tune Random Erasing against model inversion attacks."""

__version__ = "0.2.0"
