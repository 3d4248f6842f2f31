"""What everybody's work counts: the attempts in the gradebook, seen with the rules of grading.yml as they are now.

Nothing of this is stored, so that a change of points, deadlines, late rules or of which attempt counts needs no grading.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from autograder.catalog import Exercise
from autograder.gradebook.store import Gradebook
from autograder.gradebook.tables import Attempt, Learner, Override
from autograder.grading.graded import Graded
from autograder.grading.journal import Key
from autograder.grading.results import ExerciseResult, Outcome
from autograder.grading.score import ExerciseScore, TaskScore, score_tallies
from autograder.grading.submission import Submission
from autograder.policy import Policy


@dataclass(frozen=True)
class Counted:
    """One attempt and what it counts.

    Attributes:
        score: by the checks alone.
        kept: the share of it that its lateness leaves, from 0 to 1.
    """

    attempt: Attempt
    score: ExerciseScore
    late: bool
    kept: float

    @property
    def points(self) -> float:
        return self.score.earned * self.kept


@dataclass(frozen=True)
class Standing:
    """One learner's exercise.

    Attributes:
        attempts: in the order in which they were handed in.
        deciding: the attempt whose results are shown; None where nothing was handed in.
        score: what counts, overrides included.
        overrides: those in force, by task; that of the whole exercise is that of "".
        due: with the learner's extensions; None where there is no deadline.
    """

    attempts: Sequence[Counted]
    deciding: Counted | None
    score: ExerciseScore
    overrides: Mapping[str, Override]
    due: datetime | None

    def is_missing(self, at: datetime) -> bool:
        """Whether it was due by then and nothing was handed in."""
        return self.deciding is None and self.due is not None and self.due < at


class Book(Graded):
    """An open gradebook as what reports and exports read: everybody in it, every exercise of the modules that it knows of, and the
    scores that count."""

    def __init__(self, policy: Policy, gradebook: Gradebook):
        self.gradebook = gradebook
        self.people: dict[str, Learner] = {learner.name: learner for learner in gradebook.learners()}
        self.tallies = gradebook.tallies()
        found = {row.exercise for learner in self.people.values() for row in (*learner.attempts, *learner.overrides)}
        modules = {name.partition("/")[0] for name in found}
        exercises = [exercise for exercise in policy.exercises() if exercise.module in modules]
        people = [Submission(learner.name, notes=learner.notes) for learner in self.people.values()]
        super().__init__(policy, exercises, people, _Results(self))

    @cached_property
    def untested(self) -> dict[str, list[str]]:
        tested: dict[str, set[str]] = {}
        for learner in self.people.values():
            for attempt in learner.attempts:
                tested.setdefault(attempt.exercise, set()).update(self.tallies.get(attempt.id, ()))
        missing = {
            e.id: [task for task in e.tasks if task not in tested[e.id]] for e in self.exercises if tested.get(e.id)
        }
        return {name: tasks for name, tasks in missing.items() if tasks}

    @cached_property
    def standings(self) -> dict[Key, Standing]:
        """By learner and exercise id."""
        return {
            (name, exercise.id): self._standing(learner, exercise)
            for name, learner in self.people.items()
            for exercise in self.exercises
        }

    def score(self, learner: str, exercise: Exercise) -> ExerciseScore:
        return self.standings[learner, exercise.id].score

    def remarks(self, learner: str, exercise: Exercise) -> list[str]:
        standing = self.standings[learner, exercise.id]
        remarks = super().remarks(learner, exercise)
        if (deciding := standing.deciding) and deciding.late:
            lateness = in_words(deciding.attempt.submitted_at - standing.due)
            remarks.append(f"Handed in {lateness} after the due time: {deciding.kept:.0%} of the points count.")
        if len(standing.attempts) > 1:
            rule = self.policy.attempts(exercise)
            what = "the mean of them counts" if rule == "average" else f"the {rule} one counts and is shown here"
            remarks.append(f"{len(standing.attempts)} attempts: {what}.")
        for task, override in standing.overrides.items():
            whose = f"{task}: " if task else ""
            remarks.append(f"{whose}{override.points:g} points were given by hand: {override.reason}")
        return remarks

    def by_hand(self, learner: str, exercise: Exercise) -> list[str]:
        given = self.standings[learner, exercise.id].overrides
        return [task for task in super().by_hand(learner, exercise) if not {task, ""} & given.keys()]

    def is_open(self, learner: str) -> bool:
        return False  # what is open is not taken in

    def has_system_fault(self, learner: str) -> bool:
        return False

    def _standing(self, learner: Learner, exercise: Exercise) -> Standing:
        due = self._due(learner, exercise)
        attempts = [
            self._count(attempt, exercise, due) for attempt in learner.attempts if attempt.exercise == exercise.id
        ]
        overrides: dict[str, Override] = {}
        for override in learner.overrides:
            if override.exercise == exercise.id:
                overrides[override.task] = override
        overrides = {task: override for task, override in overrides.items() if override.points is not None}
        rule = self.policy.attempts(exercise)
        latest = attempts[-1] if attempts else None
        best = max(attempts, key=lambda each: each.points, default=None)  # the first of equal ones
        score = self._combined(exercise, attempts if rule == "average" else [best if rule == "best" else latest])
        score = _overridden(score, overrides, self.policy.points(exercise))
        return Standing(attempts, best if rule == "best" else latest, score, overrides, due)

    def _due(self, learner: Learner, exercise: Exercise) -> datetime | None:
        due = self.policy.due(exercise)
        longer = [each.until for each in learner.extensions if each.target in ("", exercise.module, exercise.id)]
        return due and max([due, *longer])

    def _count(self, attempt: Attempt, exercise: Exercise, due: datetime | None) -> Counted:
        tallies = self.tallies.get(attempt.id, {})
        score = score_tallies(tallies, self.points(exercise), self.policy.carried_forward)
        if due is None:
            return Counted(attempt, score, False, 1.0)
        kept = self.policy.late(exercise).kept(attempt.submitted_at, due, self.policy.zone)
        return Counted(attempt, score, attempt.submitted_at > due, kept)

    def _combined(self, exercise: Exercise, attempts: Sequence[Counted | None]) -> ExerciseScore:
        """The mean of these attempts, with what their lateness leaves of them."""
        counted = [each for each in attempts if each is not None]
        if not counted:
            return score_tallies({}, self.points(exercise))
        tasks = [
            replace(
                parts[-1], earned=sum(p.earned * each.kept for p, each in zip(parts, counted, strict=True)) / len(parts)
            )
            for parts in zip(*(each.score.tasks for each in counted), strict=True)
        ]
        return ExerciseScore(tasks)


class _Results(Mapping[Key, ExerciseResult]):
    """The results of the attempts that decide, read when they are asked for."""

    def __init__(self, book: Book):
        self.book = book

    def __getitem__(self, key: Key) -> ExerciseResult:
        deciding = self.book.standings[key].deciding
        if deciding is not None:
            return self.book.gradebook.result(deciding.attempt.id)
        learner, (module, _, exercise) = key[0], key[1].partition("/")
        note = f"{exercise}.py was not handed in"
        return ExerciseResult(learner=learner, module=module, exercise=exercise, outcome=Outcome.MISSING, note=note)

    def __iter__(self) -> Iterator[Key]:
        return iter(self.book.standings)

    def __len__(self) -> int:
        return len(self.book.standings)


def _overridden(score: ExerciseScore, overrides: Mapping[str, Override], points: Mapping[str, float]) -> ExerciseScore:
    """The score with what was decided by hand: no rule about late work or attempts touches that. A task without checks counts from
    then on."""
    by_code = {task.task: task for task in score.tasks}
    tasks = [
        replace(by_code.get(name, TaskScore(name, 0.0, possible, 0, 0)), earned=overrides[name].points)
        if name in overrides
        else by_code[name]
        for name, possible in points.items()
        if name in overrides or name in by_code
    ]
    return ExerciseScore(tasks, overrides[""].points if "" in overrides else None)


def in_words(time: timedelta) -> str:
    """`2 days 3 hours`, `5 minutes`."""
    minutes = max(1, round(time.total_seconds() / 60))
    parts = {"day": minutes // 1440, "hour": minutes // 60 % 24, "minute": minutes % 60}
    words = [f"{count} {unit}{'s' if count > 1 else ''}" for unit, count in parts.items() if count]
    return " ".join(words[:2])
