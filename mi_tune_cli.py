"""The console command `mi-tune`.

It lies beside the packages and not in one of them, because `mi_tune` imports no upper floor, and another `studies` in
the user's environment would be found in place of ours before ours could say so.
"""

from __future__ import annotations


def main() -> None:
    """Entry point of the console command."""
    from mi_tune.runtime.shadowing import exit_if_hidden

    exit_if_hidden("analysis", "studies")
    from studies.cli import main

    main()
