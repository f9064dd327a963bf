"""Studies on Ray Tune: run, resume and store them. Only this package and those built on it import Ray."""
