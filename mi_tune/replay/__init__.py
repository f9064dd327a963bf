"""Searches replayed from tables of real trials, and how such tables are made."""
