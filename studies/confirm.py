"""Does the front survive fresh seeds, other judges, and an attacker who knows?

`python studies/confirm.py` is `mi-tune confirm`.
"""

import sys

from mi_tune.runtime.command import run_command
from studies.commands.confirm import confirm

if __name__ == "__main__":
    sys.exit(run_command(confirm))
