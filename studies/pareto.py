"""Search Random Erasing laws `python studies/pareto.py` is `mi-tune pareto`."""

import sys

from mi_tune.runtime.command import run_command
from studies.commands.pareto import pareto

if __name__ == "__main__":
    sys.exit(run_command(pareto))
