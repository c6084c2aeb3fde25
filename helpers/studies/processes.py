"""What is measured in a process of its own: its memory holds nothing of another's work."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
MB = 2**20


def alone(function: Callable[..., T], *arguments: object) -> T:
    """What a module's function gives in a new process."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def peak_beyond(call: Callable[[], object]) -> float:
    """By how many MB a call's peak of this process's memory exceeds what was held before it.

    Memory that was freed before, but not given back to the system, would be used again unseen: what glibc can give back
    is given back, and the rest is smallest in a new process.

    Raises:
        FileNotFoundError: where there is no ``/proc`` (on another system than Linux).
    """
    gc.collect()
    getattr(ctypes.CDLL(None), "malloc_trim", bool)(0)  # glibc's
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    held = memory_status("VmRSS")
    call()
    return (memory_status("VmHWM") - held) / MB


def memory_status(name: str) -> int:
    """Bytes that Linux says this process holds: ``VmRSS`` now, ``VmHWM`` at the peak."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024
