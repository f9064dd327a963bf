"""Attack one trained model with many attacks `python studies/attack.py` is `mi-tune attack`."""

import sys

from mi_tune.runtime.command import run_command
from studies.commands.attack import attack

if __name__ == "__main__":
    sys.exit(run_command(attack))
