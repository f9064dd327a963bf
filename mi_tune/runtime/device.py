"""The device and precision that networks compute in. Only this module asks whether there is a GPU."""

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
    """Limit this process to one CPU thread: trials run in parallel, and small networks gain nothing from a second."""
    torch.set_num_threads(1)


def cpu_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def comfortable_batch(device: torch.device) -> int:
    """Number of images to compute at once: 2048 on a GPU, 128 on a CPU.

    A CPU's caches hold the feature maps of 128 images, which is a third faster than 1000 at once.
    """
    return 128 if device.type == "cpu" else 2048


def precision(device: torch.device) -> torch.dtype:
    """Precision that networks compute in: bfloat16 on CUDA and on CPUs with bfloat16 instructions, else float32.

    On such a CPU a small network trains twice as fast, and an attack's gradient takes less than half of the time
    (`studies/benchmarks/benchmark_precision.py`). `MI_TUNE_PRECISION` (`float32` or `bfloat16`) overrides this.

    Raises:
        InputError: `MI_TUNE_PRECISION` has another value.
    """
    override = os.environ.get("MI_TUNE_PRECISION")
    if override:
        if override not in ("float32", "bfloat16"):
            raise InputError(f"MI_TUNE_PRECISION is '{override}'; choose float32 or bfloat16, or leave it unset")
        return getattr(torch, override)
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        native = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
        return torch.bfloat16 if native else torch.float32
    return torch.bfloat16


def autocast(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Context that autocasts to `precision(device)`; it does nothing if that is float32."""
    dtype = precision(device)
    return contextlib.nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype=dtype)


GPU_SHARE = 0.5
"""Share of a GPU's free memory that images may take; networks and their activations need the rest."""


def home_of(images: torch.Tensor, device: torch.device, free: int | None = None) -> torch.Tensor:
    """Images where a training keeps them: on its device, or where they are too many, in pinned memory of the host.

    Args:
        images: on the CPU. free: bytes of the device's free memory; default: what it says.
    """
    if device.type == "cuda" and free is None:
        free = torch.cuda.mem_get_info(device)[0]
    if free is None or images.nbytes <= GPU_SHARE * free:
        return images.to(device)
    return images.pin_memory() if torch.cuda.is_available() else images


def fetched(images: torch.Tensor, indices: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The images at `indices` on `device`, from wherever `home_of` keeps them."""
    return images[indices.to(images.device)].to(device, non_blocking=True)


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory so far in MiB: of the CUDA allocator on a GPU, of the whole process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
