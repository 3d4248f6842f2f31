"""What was handed in, on its way through otter: moved out of otter's reach, graded in the jail, told question by question.

otter runs a submission in a kernel of its own and unpickles its log. Neither may see anything of a learner's: that would be outside
the jail.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from autograder.catalog import CourseError, Exercise
from autograder.gradebook.exports.files import check_text
from autograder.gradebook.gradescope.run import NOT_YOUR_FAULT
from autograder.gradebook.pieces import KERNEL
from autograder.gradebook.report import learner_feedback
from autograder.grading.entries import IGNORED, NOTEBOOK, SOURCES, file_entry, source_of
from autograder.grading.graded import Graded
from autograder.grading.journal import JournalError
from autograder.grading.notebook import OTTERS_OWN
from autograder.grading.pool import NodeError
from autograder.grading.run import grade_class
from autograder.grading.submission import Submission, SubmissionError, find_submissions
from autograder.policy import Policy

ASIDE, LEARNER = "handed_in", "learner"
SHOWN = {"visible": "visible", "after_due_date": "later", "after_published": "later", "hidden": "never"}
BLANK = json.dumps({"cells": [], "metadata": {"kernelspec": KERNEL}, "nbformat": 4, "nbformat_minor": 5})


@dataclass(frozen=True)
class Case:
    """A check, with all that the learner may read about it."""

    passed: bool
    says: str


@dataclass(frozen=True)
class Question:
    """A task, as otter's question."""

    name: str
    earned: float
    possible: float
    cases: list[Case]


@dataclass(frozen=True)
class Outcome:
    """All that otter is told: the questions, words about the whole, and whether learners see them `visible`, `later` or `never`."""

    questions: list[Question]
    says: str = ""
    shown: str = "visible"


def question_names(exercises: Sequence[Exercise]) -> dict[tuple[str, str], str]:
    """The question's name for each exercise and task: the task's own, where only one exercise has it."""
    count = Counter(task for exercise in exercises for task in exercise.tasks)
    return {
        (exercise.id, task): task if count[task] == 1 else f"{exercise.module}.{exercise.name}.{task}"
        for exercise in exercises
        for task in exercise.tasks
    }


def set_aside(submission: Path, stays: Sequence[str] = ()) -> Path:
    """Move what was handed in out of the folder in which otter works, but for what `stays`.

    Returns:
        Where it is now.
    """
    aside = submission.parent / ASIDE / LEARNER
    if not aside.is_dir():
        aside.mkdir(parents=True)
        for path in list(submission.iterdir()):
            if path.name not in stays:
                shutil.move(path, aside / path.name)
    return aside


def find_work(aside: Path, exercises: Sequence[Exercise]) -> Submission:
    """What was set aside, as the work of one learner. otter's own lines in it are left out."""
    known = list({each: None for exercise in exercises for each in (*exercise.imports_exercises, exercise)})
    sources = [path for path in sorted(aside.rglob("*")) if path.suffix in SOURCES and not IGNORED.match(path.name)]
    alone = sources[0] if len(sources) == 1 and sources[0].is_file() and not sources[0].is_symlink() else None
    try:
        [work] = find_submissions(alone or aside.parent, known)
    except SubmissionError:
        work = Submission(LEARNER)
    mains = [path for path in sources if path.parent == aside]
    mains = [path for path in mains if path.suffix == NOTEBOOK] or mains
    if len(exercises) == len(mains) == 1 and exercises[0].id not in work.files | work.refused:
        # otter takes the only notebook, or else the only script, whatever its name is.
        content, problem = source_of(file_entry(mains[0], PurePosixPath(mains[0].name)))
        if problem:
            work.refused[exercises[0].id] = f"{mains[0].name} {problem}"
        else:
            work.files[exercises[0].id] = content
    work.files = {name: OTTERS_OWN.sub(b"pass", text) for name, text in work.files.items()}
    return work


def grade(policy: Policy, exercises: Sequence[Exercise], work: Submission, unsafe: bool = False) -> Outcome:
    """Grade it in the jail. What cannot be graded for reasons of ours is told as that."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            wanted = [(work, exercise) for exercise in exercises]
            graded = grade_class(
                policy, [work], wanted, Path(folder), nodes=os.cpu_count() or 1, seed=policy.seed, unsafe=unsafe
            )
            for fault in graded.system_faults:
                print(f"{fault.exercise_id}: {fault.note or 'a check could not be run'}")  # the staff reads this
            return _outcome(graded, work)
    except (CourseError, JournalError, NodeError, OSError) as error:
        print(f"{type(error).__name__}: {error}")
        names = question_names(exercises)
        zeros = [(e, task, points) for e in exercises for task, points in policy.points(e).items()]
        fault = [Case(False, NOT_YOUR_FAULT)]
        return Outcome([Question(names[e.id, task], 0.0, points, fault) for e, task, points in zeros], NOT_YOUR_FAULT)


def _outcome(graded: Graded, work: Submission) -> Outcome:
    names = question_names(graded.exercises)
    feedback = learner_feedback(graded, work)
    questions = []
    for exercise, told in zip(graded.exercises, feedback["exercises"], strict=True):
        is_open = graded.results[work.learner, exercise.id].is_open
        for task in graded.score(work.learner, exercise).tasks:
            earned = 0.0 if is_open else task.earned
            questions.append(Question(names[exercise.id, task.task], earned, task.possible, _cases(told, task.task)))
    says = [NOT_YOUR_FAULT] if graded.is_open(work.learner) else []
    return Outcome(questions, "\n".join([*says, *feedback["notes"]]), _shown(graded))


def _cases(told: dict[str, Any], task: str) -> list[Case]:
    """What the learner may read about a task, check by check; one sentence where there are none."""
    if "withheld" in told:
        return [Case(False, told["withheld"])]
    checks = next(each["checks"] for each in told["tasks"] if each["task"] == task)
    if told["earned"] is None or not checks:
        return [Case(False, told["note"])]
    return [Case(check["status"] == "passed", check_text(check)) for check in checks if check["status"] != "not_run"]


def _shown(graded: Graded) -> str:
    """otter shows all questions or none: the strictest exercise decides."""
    wanted = {SHOWN[graded.policy.visibility(exercise)] for exercise in graded.exercises}
    return max(wanted, key=list(SHOWN.values()).index, default="visible")
