"""What a study says: statistics of its folder, figures of these, and pages of both. Nothing here trains a network."""
