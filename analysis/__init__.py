"""Statistics of a study folder, figures of the statistics, and HTML pages of both. Nothing here trains a network."""
