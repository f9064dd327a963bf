"""Where tensors live and in which precision: the only place that asks whether there is a GPU."""

import contextlib
import resource
import sys

import torch


def pick_device() -> torch.device:
    """The first visible CUDA device, else the CPU."""
    return torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")


def use_one_thread() -> None:
    """One CPU thread for this process: trials run side by side, and nets of this size gain nothing from two."""
    torch.set_num_threads(1)


def comfortable_batch(device: torch.device) -> int:
    """Images at once: on a CPU as many as its caches hold the maps of (a third faster than a thousand), else 2048."""
    return 128 if device.type == "cpu" else 2048


def autocast(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """bfloat16 autocast on CUDA; nothing on the CPU, where small convolutions are faster in float32."""
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return contextlib.nullcontext()


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory in MiB: of the CUDA allocator on a GPU, of the whole process on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
