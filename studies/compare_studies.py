"""Which of my studies found more, and when? `python studies/compare_studies.py` is `mi-tune compare`."""

import sys

from mi_tune.runtime.command import run_command
from studies.commands.compare_studies import compare

if __name__ == "__main__":
    sys.exit(run_command(compare))
