"""Is it the part that counts? `python studies/partial_erasure.py` is `mi-tune partial-erasure`."""

import sys

from mi_tune.runtime.command import run_command
from studies.commands.partial_erasure import command

if __name__ == "__main__":
    sys.exit(run_command(command))
