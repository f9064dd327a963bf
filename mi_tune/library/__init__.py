"""The library's face: what `mi_tune.__all__` lists, and what the command lines share with it.

This is the top floor of `mi_tune`, and its one room that knows `analysis`, because a study that one holds in hand also
draws its figures and writes its report.
"""
