"""Try many pieces of the course's own code, its solution with known mistakes say, one after the other in one child and one worker.

What a learner hands in gets processes of its own, which costs a fork on each side of the wall and the first operations of a
framework. What one piece leaves behind here, a global setting say, the next would meet: therefore the solution is tried now and
then, and where it does not pass, nothing is believed that was found since it last did.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from autograder.grading.children import Child
from autograder.grading.grader import CHILDS_SHARE, Grader
from autograder.grading.jailed import JailedProvider, OwnCode
from autograder.grading.pool import PUBLIC, Job
from autograder.grading.results import ACCEPTED, CheckResult, ExerciseResult
from autograder.sandbox.frameworks import settings_kept
from autograder.sandbox.handle import Worker


def grade_own(grader: Grader, jobs: Sequence[Job]) -> list[ExerciseResult]:
    """The results of jobs for one exercise, the last of which hands in its solution, and others may.

    What was tried between two passes of the solution is believed; what may have spoiled a third, or ended the workbench, is
    graded apart. Nothing is carried forward: what a task builds on is the course's own, too.
    """
    solution = jobs[-1].files
    found: dict[int, ExerciseResult] = {}
    while waiting := [place for place in range(len(jobs)) if place not in found]:
        results = on_workbench(grader, [jobs[place] for place in waiting])
        sure, suspects = 0, waiting[len(results) :][:1]  # what ended it
        for number, result in enumerate(results, 1):
            if jobs[waiting[number - 1]].files == solution:
                if any(check.status not in ACCEPTED for check in result.checks):
                    suspects = waiting[sure:number]
                    break
                sure = number
        found |= dict(zip(waiting[:sure], results, strict=False))
        found |= {place: grader.grade(jobs[place]) for place in suspects or waiting[sure:]}
    return [found[place] for place in range(len(jobs))]


def on_workbench(grader: Grader, jobs: Sequence[Job]) -> list[ExerciseResult]:
    """The results of as many of the jobs as one child and one worker live for."""
    grader.forks.prepare()
    child, results = Child(lambda: tried(grader, jobs)), []
    for job in jobs:
        start = time.monotonic()
        try:
            answer = child.message(start + CHILDS_SHARE * job.seconds)
        except TimeoutError:
            answer = None
        if not answer:
            break
        found = {index: CheckResult.model_validate(check) for index, check in enumerate(answer["checks"])}
        results.append(grader.result(job, found, time.monotonic() - start))
    child.end()
    grader.zygote.sweep()
    return results


def tried(grader: Grader, jobs: Sequence[Job]) -> Iterator[dict]:
    """Of each job the results of its checks, as long as the first worker lives."""
    worker: Worker | None = None
    if grader.judge.diagnosis:
        grader.judge.diagnosis.memory = {}
    for job in jobs:
        judge = grader.judge_of(job)
        provider: JailedProvider | OwnCode
        if job.suite == PUBLIC:
            provider = OwnCode(grader.exercise, job.files)
        else:
            provider = grader.jailed(job, worker=worker, works=len(jobs))
        with settings_kept():
            results = {index: result for index, result in judge.run(provider, judge.order) if result is not None}
        if isinstance(provider, JailedProvider):
            if provider.is_dead or worker not in (None, provider.worker):
                return
            worker = provider.worker
        yield {"checks": [results[index].model_dump(mode="json") for index in sorted(results)]}
