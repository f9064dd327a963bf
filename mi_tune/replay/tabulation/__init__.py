"""Makes tables of real trials, from which search methods are replayed in seconds. Only `run` uses Ray."""
