"""Grade one exercise, job by job: fork a disposable child with limits of its own for the checks, against a jailed worker.

What a child leaves unsaid when it dies is said here; what failed is tried once more with the reference upstream.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autograder.catalog import Exercise
from autograder.grading.children import Child, of_checks
from autograder.grading.jailed import JailedProvider
from autograder.grading.judge import Judge, unjudged
from autograder.grading.pool import Job
from autograder.grading.results import ACCEPTED, CheckResult, ExerciseResult, Outcome, Status
from autograder.grading.uses import Task, stand_ins
from autograder.policy import Policy
from autograder.sandbox.client import Zygote
from autograder.sandbox.forking import Forks
from autograder.testing.provider import LocalProvider
from autograder.testing.running import CHECK

REHEARSAL_SECONDS = 150.0
CHILDREN = 5  # a check that kills two of them is tried no more; after so many the rest is left
CHILDS_SHARE, NODES_SHARE = 0.5, 0.9  # of the time for a job: what is left serves the checks behind one that hangs


@dataclass(frozen=True)
class Grader:
    """The checks of one exercise and what they are run with.

    Attributes:
        zygote: where the workers come from, and so the device that they use.
        references: where the checks get the reference.
    """

    exercise: Exercise
    judge: Judge
    policy: Policy
    references: LocalProvider
    zygote: Zygote
    forks: Forks

    def grade(self, job: Job) -> ExerciseResult:
        start, judge = time.monotonic(), self.judge_of(job)
        found: dict[int, CheckResult] = {}
        deadline = start + NODES_SHARE * job.seconds
        closing = self.run(judge, job, deadline, judge.order, found)
        late = time.monotonic() >= deadline
        status = Status.TIMEOUT if late else Status.SYSTEM
        message = "those before it took too long" if late else "this check could not be run"
        if not any(map(judge.is_told, found.values())):
            for index, check in enumerate(judge.checks):
                found.setdefault(index, unjudged(check, status, message))
            self.carry_forward(judge, job, deadline, found)
        return self.result(job, found, time.monotonic() - start, **closing)

    def judge_of(self, job: Job) -> Judge:
        """The checks that a job asks for, on the inputs that it asks for."""
        judge = self.judge
        if job.seed is not None:
            judge = replace(judge, seed=job.seed)
        if job.task is not None:
            judge = replace(judge, items=[item for item in judge.items if item.stash[CHECK].task == job.task])
        if job.mistake is not None:
            judge = replace(judge, mistake=job.mistake, diagnosis=judge.diagnosis if job.mistake else None)
        return judge

    def result(
        self, job: Job, found: dict[int, CheckResult], seconds: float, note: str = "", output: str = ""
    ) -> ExerciseResult:
        return ExerciseResult(
            learner=job.learner,
            module=self.exercise.module,
            exercise=self.exercise.name,
            outcome=Outcome.GRADED,
            sha256=job.sha256,
            device=self.zygote.device,
            checks=[found[index] for index in sorted(found)],
            note=note,
            output=output,
            seconds=round(seconds, 4),
        )

    def rehearse(self) -> str:
        """Grade the exercise's own solution; what goes wrong, if anything does."""
        files = {e.id: e.solution.read_bytes() for e in (*self.exercise.imports_exercises, self.exercise)}
        result = replace(self, judge=replace(self.judge, diagnosis=None)).grade(
            Job("", self.exercise.id, files, "", REHEARSAL_SECONDS)
        )
        wrong = next((check for check in result.checks if check.status not in ACCEPTED), None)
        return f"{wrong.check}: {wrong.detail or wrong.card or wrong.message}" if wrong else ""

    def carry_forward(self, judge: Judge, job: Job, deadline: float, found: dict[int, CheckResult]) -> None:
        """Grade what did not pass once more, with the reference in place of the tasks that it builds on."""
        own = f"{self.exercise.module}.{self.exercise.name}"
        if any(result.status is Status.TIMEOUT for result in found.values()):
            job = replace(job, files={job.exercise: job.files[job.exercise]})  # what it imports may be what hangs
        failed = {index for index, result in found.items() if result.status not in ACCEPTED}
        failed_tasks = {(own, judge.checks[index].task) for index in failed}
        for task in {judge.checks[index].task: None for index in sorted(failed)}:
            replaced = {each for each in stand_ins(self.exercise, task) if each[0] != own or each in failed_tasks}
            if not replaced:
                continue
            waiting = [index for index in judge.order if index in failed and judge.checks[index].task == task]
            again: dict[int, CheckResult] = {}
            self.run(judge, job, deadline, waiting, again, replaced)
            names = ", ".join(sorted(name for _, name in replaced))
            for index, result in again.items():
                if result.status is Status.PASSED:
                    message = f"passes once the reference stands in for {names}"
                    found[index] = result.model_copy(update={"carried": True, "message": message})
                elif found[index].status in (Status.WRONG, Status.ERROR) and not found[index].mistakes:
                    # A slip of its own shows only now, beside that of what it builds on.
                    update = {"says": result.says, "mistakes": result.mistakes}
                    found[index] = found[index].model_copy(update=update)

    def run(
        self,
        judge: Judge,
        job: Job,
        deadline: float,
        wanted: Sequence[int],
        found: dict[int, CheckResult],
        replaced: Collection[Task] = (),
    ) -> dict[str, str]:
        """Run the checks in `wanted`, put the results into `found` and return the closing words; a second and a third child
        take up what one that died has left."""
        closing: dict[str, str] = {}
        suspects: set[int] = set()
        for _ in range(CHILDREN):
            waiting, now = [index for index in wanted if index not in found], time.monotonic()
            if waiting and now < deadline and not closing:
                provider = self.jailed(job, replaced=replaced, has_run=bool(found))
                childs = min(deadline, now + CHILDS_SHARE * job.seconds)
                closing = self.run_child(judge, provider, childs, waiting, found, suspects)
        return closing

    def jailed(self, job: Job, **options: Any) -> JailedProvider:
        """Where the checks get the learner's module from; `options` are those of JailedProvider."""
        return JailedProvider(
            self.zygote,
            self.policy,
            self.exercise,
            job.files,
            self.references,
            wants_scratch=self.judge.wants_scratch,
            **options,
        )

    def run_child(
        self,
        judge: Judge,
        provider: JailedProvider,
        deadline: float,
        waiting: Sequence[int],
        found: dict[int, CheckResult],
        suspects: set[int],
    ) -> dict[str, str]:
        """Fork a child for the checks in `waiting`, put what it reports into `found`, and return its closing words. A check during
        which the child dies becomes a suspect, and at the second time is not tried again."""
        self.forks.prepare()
        child = Child(lambda: messages(judge, provider, waiting, found))
        closing, running, in_time = {}, None, True
        try:
            while message := child.message(deadline):
                if "running" in message:
                    running = message["running"]
                elif "closing" in message:
                    closing = message["closing"]
                else:
                    found[message["index"]] = CheckResult.model_validate(message["result"])
        except TimeoutError:
            in_time = False
        child.end()
        self.zygote.sweep()
        if running is not None and running not in found and in_time and running not in suspects:
            suspects.add(running)
        elif running is not None and running not in found:
            status = Status.SYSTEM if in_time else Status.TIMEOUT
            found[running] = unjudged(
                judge.checks[running], status, "the check was stopped" if in_time else "it took too long"
            )
        return closing


def messages(
    judge: Judge, provider: JailedProvider, waiting: Sequence[int], found: dict[int, CheckResult]
) -> Iterator[dict]:
    """What the child tells the node: of each check, and closing words."""
    yield from of_checks(judge, provider, waiting, found)
    provider.stop()
    note = "\n".join([*provider.notes, *([str(provider.failure)] if provider.failure else [])])
    yield {"closing": {"note": note, "output": provider.output}}
