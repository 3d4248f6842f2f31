"""What the pages work with: the gradebook, opened once, and what everybody's work counts, kept from page to page.

To count a large class anew takes seconds, and a page should not. So one `Book` is kept until grading.yml or the gradebook changes.
Every change of a gradebook adds a row to its audit log, in any database, so the last row says whether there was one; then only the
learners whose rows differ are counted again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, selectinload

from autograder.catalog import Course, Exercise
from autograder.gradebook.book import Book
from autograder.gradebook.store import Gradebook
from autograder.gradebook.tables import Attempt, Audit, Extension, Learner, Override
from autograder.grading.score import tallies
from autograder.policy import Policy
from autograder.web.counts import Counts

FEW = 30  # learners that are counted again one by one; where more changed, all are
Rules = tuple[int, int] | None
Mark = tuple[object, ...]


class LiveBook(Book):
    """A Book that can count one learner again."""

    @cached_property
    def _points(self) -> dict[str, dict[str, float]]:
        return {exercise.id: Book.points(self, exercise) for exercise in self.exercises}

    def points(self, exercise: Exercise) -> dict[str, float]:
        return self._points[exercise.id]

    def knows_all_of(self, learner: Learner) -> bool:
        """Whether no module counts now that did not before."""
        modules = {exercise.module for exercise in self.exercises}
        return {row.exercise.partition("/")[0] for row in (*learner.attempts, *learner.overrides)} <= modules

    def tests_the_same(self) -> bool:
        """Whether no task counts now that did not before, and the other way round."""
        before = self.__dict__.pop("untested")
        return self.untested == before

    def count_again(self, learner: Learner) -> None:
        self.people[learner.name] = learner
        self.standings.update({(learner.name, e.id): self._standing(learner, e) for e in self.exercises})


@dataclass
class Work:
    """One moment's state of the gradebook."""

    gradebook: Gradebook
    book: LiveBook
    counts: Counts


class Desk:
    """An open gradebook that pages share; a context manager.

    Args:
        database, name, author: as for `Gradebook`.
    """

    def __init__(self, course: Course, database: str, name: str = "main", author: str = ""):
        self.root = course.root
        self.gradebook = Gradebook(database, name, author)
        self.gradebook.session.expire_on_commit = False  # what is kept from page to page outlasts a transaction
        self.gradebook.session.commit()  # to see what is changed from now on
        sa.event.listen(self.gradebook.session, "after_rollback", self._forget)
        self.lock = threading.Lock()
        self.work: Work | None = None
        self.counts = Counts()
        self.seen: tuple[int, Rules] = (0, None)
        self.marks: dict[int, Mark] = {}
        self.prints: dict[int, str] = {}

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        self.gradebook.__exit__()

    @contextmanager
    def at_work(self) -> Iterator[Work]:
        """The gradebook as it is now, for one thread at a time.

        Raises:
            CourseError: grading.yml is wrong, or the database cannot be used.
        """
        with self.lock:
            self._refresh()
            try:
                yield self.work
            except SQLAlchemyError:
                self.gradebook.session.rollback()
                raise
            finally:
                self.gradebook.session.commit()  # the end of a read: the next page sees what others wrote since

    def warm_up(self) -> None:
        """Count all that pages show before the first of them is asked for."""
        with self.at_work() as work:
            for exercise in work.book.exercises:
                work.counts.of(work, exercise)

    def _refresh(self) -> None:
        try:
            seen, (change, rules) = (self._last_change(), self._rules()), self.seen
            if self.work is None or seen[1] != rules or (seen[0] != change and not self._catch_up(self.work)):
                self.work = self._all()
            self.seen = seen
        except BaseException:
            self.gradebook.session.rollback()
            raise

    def _forget(self, _: Session) -> None:
        """What is kept may be half done, and has to be read again: a rollback takes that from all objects."""
        self.work = None

    def _last_change(self) -> int:
        last = sa.select(sa.func.max(Audit.id)).where(Audit.course_id == self.gradebook.course.id)
        return self.gradebook.session.scalar(last) or 0

    def _rules(self) -> Rules:
        file = Course(self.root).grading_file
        return (file.stat().st_mtime_ns, file.stat().st_size) if file.is_file() else None

    def _all(self) -> Work:
        self.gradebook.session.expire_all()
        self.marks, self.prints = self._marks()
        book = LiveBook(Policy.load(Course(self.root)), self.gradebook)
        book.untested, book.standings  # noqa: B018  counted now
        return Work(self.gradebook, book, self.counts)

    def _catch_up(self, work: Work) -> bool:
        """Count those again whose rows changed; False where everybody has to be."""
        before, prints = self.marks, self.prints
        self.marks, self.prints = self._marks()
        changed = [learner for learner, mark in self.marks.items() if before.get(learner) != mark]
        if self.marks.keys() != before.keys() or len(changed) > FEW:
            return False
        people = self._people(changed)
        graded = [each for person in people for each in person.attempts if prints.get(each.id) != each.fingerprint]
        for attempt in graded:
            work.book.tallies[attempt.id] = tallies(self.gradebook.result(attempt.id))
            self.gradebook.session.expire(attempt, ["checks"])
        if not all(map(work.book.knows_all_of, people)) or (graded and not work.book.tests_the_same()):
            return False
        for learner in people:
            work.book.count_again(learner)
        return True

    def _people(self, ids: list[int]) -> list[Learner]:
        parts = map(selectinload, (Learner.attempts, Learner.overrides, Learner.extensions))
        found = sa.select(Learner).where(Learner.id.in_(ids)).options(*parts)
        return list(self.gradebook.session.scalars(found.execution_options(populate_existing=True)))

    def _marks(self) -> tuple[dict[int, Mark], dict[int, str]]:
        """What tells by learner whether something of theirs changed, and the fingerprints of all attempts."""
        session, ours = self.gradebook.session, Learner.course_id == self.gradebook.course.id
        people = sa.select(Learner.id, Learner.name, Learner.full_name, Learner.email).where(ours)
        marks: dict[int, list[object]] = {id: facts for id, *facts in session.execute(people)}
        for table in (Override, Extension):  # rows are only added there
            last = sa.select(table.learner_id, sa.func.max(table.id)).group_by(table.learner_id)
            for id, row in session.execute(last.join(Learner).where(ours)):
                marks[id].append((table.__name__, row))
        attempts = sa.select(Attempt.learner_id, Attempt.id, Attempt.fingerprint).order_by(Attempt.id)
        prints = {}
        for id, attempt, fingerprint in session.execute(attempts.join(Learner).where(ours)):
            prints[attempt] = fingerprint
            marks[id].append(fingerprint)
        return {id: tuple(facts) for id, facts in marks.items()}, prints
