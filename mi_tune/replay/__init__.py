"""Searches replayed from a table of real trials: what they find and what it would have cost, in seconds. No Ray."""
