"""Tell a learner which known mistake they made: run each mistake on what the check fed in, and compare the answers.

Exact and offline: a mistake is named only if every call of the check gives what the learner's code gave. The mistakes are the
course's own code, so they run in the grading process, on the trusted side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autograder.catalog import Exercise
from autograder.grading.mistakes import Mistake, MistakeError, apply_mistake, load_mistakes
from autograder.grading.replay import Memory, Replay, keys_of
from autograder.sandbox.proxy import Call, Read
from autograder.sandbox.scratch import Scratch
from autograder.sandbox.sources import SourceFinder
from autograder.testing.failures import NotLoaded
from autograder.testing.local import LocalModule
from autograder.testing.provider import sources_in
from autograder.testing.tasks import Check


@dataclass
class Diagnosis:
    """The known mistakes of one exercise.

    Attributes:
        memory: what they answered before, where many learners' code meets the same checks.
    """

    exercise: Exercise
    memory: Memory | None = None

    @cached_property
    def mistakes(self) -> dict[str, list[tuple[Mistake, LocalModule]]]:
        """By task, each mistake with the reference that has it."""
        path = self.exercise.mistakes
        source = self.exercise.solution.read_text(encoding="utf-8")
        sources = sources_in(self.exercise.course.solutions_dir)
        found: dict[str, list[tuple[Mistake, LocalModule]]] = {}
        for mistake in load_mistakes(path) if path.is_file() else []:
            if mistake.exercise == self.exercise.name:
                filename = f"<{self.exercise.id}: {mistake.task}: {mistake.name}>"
                module = self._module(sources, apply_mistake(source, mistake), filename)
                found.setdefault(mistake.task, []).append((mistake, module))
        return found

    def prepare(self) -> None:
        """Load all of them now, before any fork.

        Raises:
            MistakeError: one cannot be made, or not be loaded.
        """
        for pairs in self.mistakes.values():
            for mistake, module in pairs:
                try:
                    getattr(module, mistake.task)
                except NotLoaded as error:
                    raise MistakeError(f"{self.exercise.name}: {mistake.task}: {mistake.name!r}: {error}") from None

    def _module(self, sources: dict[str, tuple[Path, str]], source: str, filename: str) -> LocalModule:
        """The reference as `source`; under a name of its own, because AutoGraph runs what it reads under that name."""
        name = f"{self.exercise.module}.{self.exercise.name}"
        return LocalModule(SourceFinder(sources | {name: (source.encode(), filename)}), name)

    def name(
        self,
        check: Check,
        trace: Sequence[Call | Read],
        scratch: Scratch | None = None,
        among: Sequence[Mistake] | None = None,
    ) -> list[Mistake]:
        """The mistakes of the check's task that answer everything in `trace` as the learner's code did.

        Args:
            scratch: the folder in which the calls found and left files.
            among: only these, found in an earlier trace.
        """
        if not trace:
            return []
        keys = [] if self.memory is None or check.in_place else keys_of(check.name, trace)
        return [
            mistake
            for mistake, module in self.mistakes.get(check.task, ())
            if among is None or mistake in among
            if Replay(module, check.in_place, scratch, self.memory).agrees(trace, keys)
        ]
