"""Measurements of this project: what the numbers in docs/measurements.md were made with."""
