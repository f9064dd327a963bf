"""What is said of a published set-up: how a field is known, the sources, and the compared defences."""

from __future__ import annotations

Statement = dict[str, str]


def _says(value: str, status: str, where: str) -> Statement:
    return {"value": value, "status": status, "where": where}


def verified(value: str, where: str) -> Statement:
    """Read in public code or configuration."""
    return _says(value, "verified", where)


def reported(value: str, where: str) -> Statement:
    """Told by reviews or digests."""
    return _says(value, "reported", where)


def reconstructed(value: str, where: str) -> Statement:
    """Put together from verified parts."""
    return _says(value, "reconstructed", where)


UNKNOWN: Statement = {"status": "unknown"}

# sources, in short
LOMMA = "code of LOMMA (CVPR 2023)"
KED = "code of KED-MI (ICCV 2021)"
PLG = "code of PLG-MI (AAAI 2023)"
PPA = "code and configurations of PPA (ICML 2022)"
MIDRE = "released code of MIDRE, the one set-up that it holds"
REVIEWS = "reviews of the paper (OpenReview vikwIayXOx)"
ALIGN = "AlignMI (NeurIPS 2025), its tables"
ATAT = "AT-AT (ICLR 2026), by a digest"

COMPARED = ("mid", "bido", "neg_ls", "tl_dmi", "rolss")
DEFENCES = reported("no defence, MID, BiDO, negative label smoothing, TL-DMI, RoLSS; not all in every set-up", REVIEWS)
