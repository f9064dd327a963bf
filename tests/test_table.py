"""The table of trials."""

from __future__ import annotations

import io

import pandas as pd

from mi_tune.trial.table import spreadsheet_safe


def test_names_that_a_spreadsheet_would_run_are_text():
    names = ["=1+1", "+49", "-x", "@me", "\tx", "anna", "o'neil", "5=5"]
    safe = spreadsheet_safe(names)
    assert not any(name.startswith(("=", "+", "-", "@", "\t", "\r")) for name in safe)
    assert safe[5:] == names[5:]
    read = pd.read_csv(io.StringIO(pd.DataFrame({"class_name": safe}).to_csv(index=False)))
    assert [name.removeprefix("'") for name in read.class_name] == names
