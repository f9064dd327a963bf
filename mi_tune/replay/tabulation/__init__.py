"""Real trials in a table, from which searchers and schedulers are compared in seconds. No Ray here."""
