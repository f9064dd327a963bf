"""One law from training to verdict, and what trials share. Nothing here knows Ray."""
