"""What a worker needs of the machine to use an NVIDIA GPU, and what the jail opens for it, no more.

A fork server never touches the GPU: a process forked from one that has a context cannot make its own. Each worker pays for a
context (hundreds of milliseconds, and hundreds of MiB on the device). docs/gpu.md says what this jail can hold and what it cannot.
"""

from __future__ import annotations

import glob
import os
import re
import sys

CPU = "cpu"
NODES = ("/dev/nvidiactl", "/dev/nvidia-uvm")  # beside one /dev/nvidia<number> for each GPU
DESCRIBED_IN = ("/proc/driver/nvidia", "/proc/devices", "/sys/bus/pci", *glob.glob("/sys/devices/pci*"))
OWN_BYTES = 4 << 30  # of private memory that the driver and the framework map for themselves
OPEN_FILES = 512  # a context holds dozens


def numbers() -> list[str]:
    """The GPUs that may be used: those of CUDA_VISIBLE_DEVICES, where that is set, else all that the machine has."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip() and name.strip() != "-1"]
    found = [re.fullmatch(r"/dev/nvidia(\d+)", path) for path in glob.glob("/dev/nvidia[0-9]*")]
    return sorted((match[1] for match in found if match), key=int)


def devices() -> list[str]:
    """The device files that are there. All GPUs' are among them: which of them a program finds is CUDA_VISIBLE_DEVICES' to say."""
    paths = [*NODES, *glob.glob("/dev/nvidia[0-9]*"), *glob.glob("/dev/nvidia-caps/*")]
    return [path for path in paths if os.path.exists(path)]


def readable() -> list[str]:
    """What the driver reads to find its GPUs."""
    return [path for path in DESCRIBED_IN if os.path.exists(path)]


def environment(number: str) -> dict[str, str]:
    """Of a fork server whose workers use this GPU."""
    return {
        "CUDA_VISIBLE_DEVICES": number,
        "CUDA_CACHE_DISABLE": "1",  # no folder to write to
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # sums in the same order each time
        "NVIDIA_TF32_OVERRIDE": "0",  # float32 is float32: tolerances follow from the dtype
    }


def prepare(device: str, memory_bytes: int) -> None:
    """Let torch, in a worker, make its tensors on `device`, exactly and the same each time, in about this much of its memory.

    The bound is torch's own: code that means to can go around it.
    """
    torch = sys.modules.get("torch")
    if torch is None or device == CPU:
        return
    torch.set_default_device(device)
    if device != "cuda":
        return
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, memory_bytes / total))
