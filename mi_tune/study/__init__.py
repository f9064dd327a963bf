"""Studies on Ray Tune: run, resumed and written to a folder. This room and those above it alone import Ray."""
