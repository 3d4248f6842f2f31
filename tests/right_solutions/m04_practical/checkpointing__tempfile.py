"""A temporary file beside the target, everything in memory first, and a dict of the best."""

import io
import os
import random
import tempfile

import torch


def save_checkpoint(path, model, optimizer, scheduler=None, progress=None):
    objects = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    states = {name: part.state_dict() for name, part in objects.items() if part is not None}
    memory = io.BytesIO()
    generators = [torch.random.get_rng_state(), list(random.getstate()[1]), random.getstate()[2]]
    torch.save({"states": states, "generators": generators, "progress": dict(progress or {})}, memory)
    folder = os.path.dirname(os.path.abspath(path))
    descriptor, name = tempfile.mkstemp(dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(memory.getvalue())
            file.flush()
            os.fsync(descriptor)
        os.rename(name, path)
    except BaseException:
        os.remove(name)
        raise


def load_checkpoint(path, model, optimizer=None, scheduler=None):
    saved = torch.load(str(path), map_location=torch.device("cpu"))
    for name, part in (("model", model), ("optimizer", optimizer), ("scheduler", scheduler)):
        if part is not None:
            part.load_state_dict(saved["states"][name])
    state, numbers, gauss = saved["generators"]
    torch.random.set_rng_state(state)
    random.setstate((3, tuple(numbers), gauss))
    return saved["progress"]


class BestK:
    def __init__(self, folder, k=3, mode="max"):
        if k <= 0:
            raise ValueError("k")
        if mode not in {"min", "max"}:
            raise ValueError("mode")
        os.makedirs(folder, exist_ok=True)
        self.folder, self.k, self.mode, self.scores = str(folder), k, mode, {}

    def _ranking(self, scores):
        """Steps from best to worst; `sorted` is stable, so the earlier of equals comes first."""
        return sorted(scores, key=scores.get) if self.mode == "min" else sorted(scores, key=lambda step: -scores[step])

    def _path(self, step):
        return os.path.join(self.folder, f"step-{step}.pt")

    def update(self, score, step, model, optimizer, scheduler=None):
        if score != score:
            return False
        candidates = {**self.scores, step: score}
        ranking = self._ranking(candidates)
        if step not in ranking[: self.k]:
            return False
        save_checkpoint(self._path(step), model, optimizer, scheduler, {"score": score, "step": step})
        self.scores = candidates
        for behind in ranking[self.k :]:
            del self.scores[behind]
            os.remove(self._path(behind))
        return True

    def paths(self):
        return [self._path(step) for step in self._ranking(self.scores)]
