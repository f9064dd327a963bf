"""Where tensors live and in which precision: the only place that asks whether there is a GPU."""

import contextlib
import os
import resource
import sys

import torch

from mi_tune.runtime.errors import InputError


def pick_device() -> torch.device:
    """The first visible CUDA device, else the CPU."""
    return torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")


def use_one_thread() -> None:
    """One CPU thread for this process: trials run side by side, and nets of this size gain nothing from two."""
    torch.set_num_threads(1)


def comfortable_batch(device: torch.device) -> int:
    """Images at once: on a CPU as many as its caches hold the maps of (a third faster than a thousand), else 2048."""
    return 128 if device.type == "cpu" else 2048


def precision(device: torch.device) -> torch.dtype:
    """What networks compute in: bfloat16 on CUDA and on CPUs that multiply it themselves, else float32.

    On such a CPU a small network trains twice as fast, and an attack's gradient takes less than half of the time
    (`studies/benchmarks/benchmark_precision.py`). `MI_TUNE_PRECISION` (`float32` or `bfloat16`) overrules this.

    Raises:
        InputError: `MI_TUNE_PRECISION` is neither.
    """
    wanted = os.environ.get("MI_TUNE_PRECISION")
    if wanted:
        if wanted not in ("float32", "bfloat16"):
            raise InputError(f"MI_TUNE_PRECISION is '{wanted}'; choose float32 or bfloat16, or leave it unset")
        return getattr(torch, wanted)
    if device.type == "cpu":
        can = torch.cpu.get_capabilities()
        native = can.get("avx512_bf16") or can.get("amx_bf16") or can.get("bf16")
        return torch.bfloat16 if native else torch.float32
    return torch.bfloat16


def autocast(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Autocast to `precision`; nothing where that is float32."""
    kind = precision(device)
    return contextlib.nullcontext() if kind == torch.float32 else torch.autocast(device.type, dtype=kind)


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory in MiB: of the CUDA allocator on a GPU, of the whole process on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
