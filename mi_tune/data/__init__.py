"""Image banks: their sources, splits and fingerprints."""

from mi_tune.data.arrays import bank_of, store_bank
from mi_tune.data.bank import Bank
from mi_tune.data.own import own_bank, own_sides
from mi_tune.data.procedural import procedural_banks
from mi_tune.data.sources import folder_bank, orl_bank
from mi_tune.data.splits import Split, drop_copies, published_split, split_each_identity, split_identities

__all__ = [
    "Bank",
    "Split",
    "bank_of",
    "drop_copies",
    "folder_bank",
    "orl_bank",
    "own_bank",
    "own_sides",
    "procedural_banks",
    "published_split",
    "split_each_identity",
    "split_identities",
    "store_bank",
]
