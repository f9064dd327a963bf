"""One study seed derives every other seed by name."""

import hashlib

import torch


def derive_seed(seed: int, *names: str | int) -> int:
    """Seed in [0, 2**63) for the purpose that `names` spell, e.g. `derive_seed(0, "split")`.

    Neighbouring seeds and names give unrelated results (SHA-256), and the result depends on nothing else, so
    the same trial gives the same numbers on any worker and in any order.
    """
    text = "/".join([str(int(seed)), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Torch generator on `device`, seeded by `derive_seed`."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, *names))
