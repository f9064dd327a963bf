"""Does it matter that the erased place moves? `python studies/location.py` is `mi-tune location`."""

import sys

from mi_tune.runtime.command import run_command
from studies.commands.location import command

if __name__ == "__main__":
    sys.exit(run_command(command))
