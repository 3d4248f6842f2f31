"""Checkpoints: files from which a training run goes on as if nothing had happened, in PyTorch.

A run is more than the parameters of a model. Its future also depends on what the optimizer remembers, on where the schedule
of the learning rate stands, and on the random numbers that are still to come.
"""

import math
import os
import random
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


def save_checkpoint(
    path: str | Path,
    model: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler | None = None,
    progress: dict[str, Any] | None = None,
) -> None:
    """Write a file with all that `load_checkpoint` needs to go on: model, optimizer, scheduler, progress, random numbers.

    The random numbers are those of two global generators: torch's (`torch.get_rng_state`), from which dropout draws, and
    that of Python's module `random`, from which home-made augmentation likes to draw.

    The write is atomic: whatever happens, there is either the old file or the whole new one at `path`, never half a file
    and never none. Write to another name *in the same folder* first, bring that file to the disk (`flush`, `os.fsync`), and
    then let `os.replace` give it the right name, which it does in one step. If something goes wrong on the way the
    exception goes on to the caller, the old file stays as it was, and nothing else is left in the folder.

    Args:
        path: of the file, in a folder that exists.
        model, optimizer: whose `state_dict` is kept.
        scheduler: likewise, if there is one.
        progress: what else the run has to remember (epoch, best score): numbers, text, tensors, and lists and dicts of
            them. None for {}.

    Returns:
        None.

    Reference:
        Pillai et al., All file systems are not created equal (2014), sections 2 and 4. PyTorch's page "Reproducibility".

    Example:
        >>> import tempfile
        >>> model = nn.Linear(2, 1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_checkpoint(f"{folder}/last.pt", model, torch.optim.SGD(model.parameters(), lr=0.1))
        ...     os.listdir(folder)
        ['last.pt']
    """
    # BEGIN SOLUTION
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": None if scheduler is None else scheduler.state_dict(),
        "progress": progress or {},
        "torch_rng": torch.get_rng_state(),
        "python_rng": random.getstate(),
    }
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with open(partial, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    # END SOLUTION


def load_checkpoint(
    path: str | Path, model: nn.Module, optimizer: Optimizer | None = None, scheduler: LRScheduler | None = None
) -> dict[str, Any]:
    """Bring a run back to where `save_checkpoint` left it: the next steps are those that would have followed, bit for bit.

    Both global generators go back to their states, too. A checkpoint may come from anybody, and a pickle can hold code that
    runs when it is loaded: have torch load nothing but tensors and plain data (`weights_only=True`). And it may come from a
    machine with a GPU: load it to the CPU, `load_state_dict` takes it from there.

    Args:
        path: of the file.
        model: of the same shape as the one that was saved; changed in place. It stays in the mode in which it is.
        optimizer: made for the parameters of `model`; changed in place. None if the run shall not go on.
        scheduler: made for `optimizer`; changed in place. None if none was saved.

    Returns:
        The progress that was saved.

    Raises:
        FileNotFoundError: there is no such file.
        RuntimeError: the model has other parameters, or others of their shapes, than the one that was saved.
        pickle.UnpicklingError: the file holds more than tensors and plain data.

    Reference:
        PyTorch's page "Saving and loading a general checkpoint"; `torch.load`, argument weights_only.

    Example:
        >>> import tempfile
        >>> model, other = nn.Linear(2, 1), nn.Linear(2, 1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_checkpoint(f"{folder}/last.pt", model, torch.optim.SGD(model.parameters()), progress={"epoch": 3})
        ...     u = torch.rand(5)
        ...     load_checkpoint(f"{folder}/last.pt", other)
        {'epoch': 3}
        >>> torch.equal(model.weight, other.weight), torch.equal(u, torch.rand(5))
        (True, True)
    """
    # BEGIN SOLUTION
    state = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    if optimizer is not None:
        optimizer.load_state_dict(state["optimizer"])
    if scheduler is not None:
        scheduler.load_state_dict(state["scheduler"])
    torch.set_rng_state(state["torch_rng"])
    random.setstate(state["python_rng"])
    return state["progress"]
    # END SOLUTION


class BestK:
    """The k best checkpoints of a run, in a folder; those that fall behind are deleted.

    A checkpoint is written as `save_checkpoint` does it, with the progress {"score": score, "step": step}, to the file
    `step-<step>.pt`. Between equal scores the earlier one is the better. A score that is nan is never among the best. Files
    that were not written by this object are none of its business, and nobody else deletes those that were. And what can
    fail comes first: a checkpoint is deleted only when the better one is safely written, so if writing fails all k are
    still there.

    Args:
        folder: where the files go; made if it does not exist.
        k: how many to keep.
        mode: "max" where a high score is good, as an accuracy is, "min" where a low one is, as a loss is.

    Raises:
        ValueError: k is less than 1, or the mode is neither.

    Reference:
        Prechelt, Early stopping, but when? (1998), section 1.2. Lightning's `ModelCheckpoint`, argument save_top_k.

    Example:
        >>> import tempfile
        >>> model = nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     best = BestK(folder, k=2)
        ...     [best.update(score, step, model, optimizer) for step, score in enumerate([0.5, 0.8, 0.4, 0.9])]
        ...     [os.path.basename(path) for path in best.paths()], sorted(os.listdir(folder))
        [True, True, False, True]
        (['step-3.pt', 'step-1.pt'], ['step-1.pt', 'step-3.pt'])
    """

    def __init__(self, folder: str | Path, k: int = 3, mode: str = "max"):
        # BEGIN SOLUTION
        if k < 1 or mode not in ("max", "min"):
            raise ValueError(f"cannot keep the {k} best by {mode!r}")
        self.folder, self.k, self.sign = Path(folder), k, 1.0 if mode == "max" else -1.0
        self.folder.mkdir(parents=True, exist_ok=True)
        self.kept: list[tuple[float, Path]] = []  # best first, each with its score times the sign
        # END SOLUTION

    def update(
        self, score: float, step: int, model: nn.Module, optimizer: Optimizer, scheduler: LRScheduler | None = None
    ) -> bool:
        """Write a checkpoint if its score is among the k best so far, and delete the one that it drives out.

        Args:
            score: how good the model is at this step.
            step: a number that no earlier call had.
            model, optimizer, scheduler: as for `save_checkpoint`.

        Returns:
            Whether the checkpoint was written.
        """
        # BEGIN SOLUTION
        value = self.sign * score
        rank = sum(other >= value for other, _ in self.kept)
        if math.isnan(score) or rank >= self.k:
            return False
        path = self.folder / f"step-{step}.pt"
        save_checkpoint(path, model, optimizer, scheduler, {"score": score, "step": step})
        self.kept.insert(rank, (value, path))
        for _, driven_out in self.kept[self.k :]:
            driven_out.unlink()
        del self.kept[self.k :]
        return True
        # END SOLUTION

    def paths(self) -> list[str]:
        """The files that are kept, as text, the best first."""
        # BEGIN SOLUTION
        return [str(path) for _, path in self.kept]
        # END SOLUTION
