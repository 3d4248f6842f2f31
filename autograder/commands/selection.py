"""What names on the command line select: modules and exercises; with `--only` learners, too, or the work of one learner."""

from __future__ import annotations

from collections.abc import Sequence

from autograder.catalog import CourseError, Exercise, near
from autograder.grading.run import Pair, handed_in
from autograder.grading.submission import Submission
from autograder.policy import Policy


def exercises_named(policy: Policy, names: Sequence[str]) -> list[Exercise]:
    """Those of modules and exercises with these names, in the order of the course; all where there are no names.

    Raises:
        CourseError: there is nothing of such a name.
    """
    modules = {module.name for module in policy.course.modules}
    wanted = {name if name in modules else policy.course.exercise(name).id for name in names}
    return [each for each in policy.exercises() if not wanted or wanted & {each.module, each.id}]


def select(policy: Policy, submissions: Sequence[Submission], names: Sequence[str]) -> list[Pair]:
    """The pairs of submission and exercise that `names` select, in the order of the class and of the course.

    A name is that of a module or an exercise, which wins, or of a learner; or it is LEARNER/NAME.

    Raises:
        CourseError: a name selects nothing, or not one thing.
    """
    chosen = {(s.learner, e.id) for name in names for s, e in _selected(policy, submissions, name)}
    return [(s, e) for s in submissions for e in policy.exercises() if (s.learner, e.id) in chosen]


def _selected(policy: Policy, submissions: Sequence[Submission], name: str) -> list[Pair]:
    exercises = _exercises(policy, name)
    if exercises:
        return [(submission, exercise) for submission in submissions for exercise in exercises]
    by_name = {submission.learner: submission for submission in submissions}
    if name in by_name:
        return [(by_name[name], exercise) for exercise in handed_in(submissions, policy.exercises())]
    learner, _, rest = name.partition("/")
    if learner in by_name and rest:
        return [(by_name[learner], exercise) for exercise in _exercises(policy, rest) or [policy.course.exercise(rest)]]
    known = [*(m.name for m in policy.course.modules), *(e.name for e in policy.exercises()), *by_name]
    raise CourseError(f"--only {name}: no such module, exercise or learner{near(name, known)}")


def _exercises(policy: Policy, name: str) -> list[Exercise]:
    """Those of a module, or the one of that name or id; none where there is no such thing.

    Raises:
        CourseError: several modules have an exercise of that name.
    """
    if in_module := [exercise for exercise in policy.exercises() if exercise.module == name]:
        return in_module
    if any(name in (exercise.name, exercise.id) for exercise in policy.exercises()):
        return [policy.course.exercise(name)]
    return []
