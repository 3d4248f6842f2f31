"""What a framework needs before a process that has imported it forks, and before it runs in the jail."""

from __future__ import annotations

import importlib
import itertools
import os
import random
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec
from types import ModuleType

from autograder.sandbox.sources import SourceFinder

# No thread but the one that forks: a fork has no other, and would wait for the others' work for ever.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}
TENSORFLOW = frozenset({"tensorflow", "keras"})  # Keras brings it in

_numbers = itertools.count()


def load(libraries: Iterable[str]) -> None:
    """Import libraries, and nothing that does not go together with them."""
    if TENSORFLOW.intersection(libraries):
        hide_triton()
    for library in libraries:
        importlib.import_module(library)


def hide_triton() -> None:
    """Let torch do without triton, its compiler for GPUs: imported after TensorFlow it crashes, for both hold an LLVM."""
    sys.modules.setdefault("triton", None)


def must_not_run_before_a_fork(libraries: Iterable[str]) -> bool:
    """TensorFlow starts threads with its first operation, whatever it is told, and a fork would wait for them for ever."""
    return bool(TENSORFLOW.intersection(libraries))


def settle() -> None:
    """Make the imported frameworks fit for forks and for the jail. Called by the fork server while it is still free."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
        importlib.import_module("torch._dynamo")  # making an optimizer imports it, and it wants to make a folder
    if "tensorflow" in sys.modules:
        kernels = importlib.import_module("tensorflow.python.framework.kernels")
        kernels.get_registered_kernels_for_op("NoOp")  # looks for plug-ins where the program lies, once; runs nothing
        loader = importlib.import_module("tensorflow.python.autograph.pyct.loader")
        loader.load_source = load_generated


@contextmanager
def settings_kept() -> Iterator[None]:
    """Whatever runs inside: afterwards torch records operations or not as before, and has the default dtype that it had; random
    numbers go on from where they were."""
    import numpy as np

    python, numpy, torch = random.getstate(), np.random.get_state(), sys.modules.get("torch")
    before = (torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_rng_state()) if torch else ()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        if torch:
            recording, dtype, drawn = before
            torch.set_grad_enabled(recording)
            torch.set_default_dtype(dtype)
            torch.set_rng_state(drawn)


def has_other_threads() -> bool:
    """Whether a fork of this process would lack some of its threads."""
    return len(os.listdir("/proc/self/task")) > 1


def load_generated(source: str, delete_on_exit: bool) -> tuple[ModuleType, str]:
    """In place of AutoGraph's own, which writes the code that it generates into a temporary file: a worker has none."""
    name = f"autograph_generated_{next(_numbers)}"
    finder = SourceFinder({name: (source.encode(), f"{name}.py")})
    module = sys.modules[name] = module_from_spec(finder.find_spec(name))
    finder.exec_module(module)
    return module, module.__file__
