"""All random seeds, derived by name from the one seed of a study."""

import hashlib

import torch


def derive_seed(seed: int, *names: str | int) -> int:
    """Derive a seed in [0, 2**63) for one purpose, e.g. `derive_seed(0, "split")`.

    Args:
        seed: the seed to derive from. names: name the purpose, from coarse to fine.

    Similar seeds and names give unrelated results (SHA-256). The result depends on nothing else, so the same trial
    gives the same numbers on any worker and in any order.
    """
    text = "/".join([str(int(seed)), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Torch random generator on `device`, seeded with `derive_seed(seed, *names)`."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, *names))
