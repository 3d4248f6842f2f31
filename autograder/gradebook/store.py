"""The gradebook's database: who is in the course, every attempt with its results, what was decided by hand, and who did it."""

from __future__ import annotations

import getpass
import hashlib
from collections import ChainMap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session, selectinload

from autograder.catalog import CourseError, near
from autograder.gradebook import tables
from autograder.gradebook.tables import Attempt, Audit, Check, Extension, Learner, Override
from autograder.grading.graded import Graded
from autograder.grading.results import CheckResult, ExerciseResult, Outcome, Status
from autograder.grading.score import Tally

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 30
CHECK_FIELDS = tuple(CheckResult.model_fields)
RESULT_FIELDS = ("outcome", "note", "output", "layers", "seconds")


class GradebookError(CourseError):
    """The gradebook cannot be used, or holds no such thing."""


class Gradebook:
    """An open gradebook; a context manager.

    Args:
        url: of the database, as SQLAlchemy writes it, or the path of an SQLite file. It is made if it does not exist.
        course: which of the courses in it.
        author: who is noted for what is changed; by default the user of this process.

    Raises:
        GradebookError: it cannot be opened, or was written by a newer version.
    """

    def __init__(self, url: str, course: str = "main", author: str = ""):
        self.url = url if "://" in url else f"sqlite:///{url}"
        self.author = author or _user()
        try:
            self.engine = sa.create_engine(self.url, connect_args=self._options())
            if self.engine.dialect.name == "sqlite":
                sa.event.listen(self.engine, "connect", _prepare_sqlite)
                sa.event.listen(self.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
            self._migrate()
            self.session = Session(self.engine)
            self.course = self._course(course)
        except (SQLAlchemyError, ImportError, OSError) as error:
            cause = "not the URL of a database" if isinstance(error, ArgumentError) else getattr(error, "orig", error)
            raise GradebookError(f"the gradebook {url} cannot be opened: {cause}") from None

    def _options(self) -> dict[str, Any]:
        return {"timeout": BUSY_SECONDS} if self.url.startswith("sqlite") else {}

    def _migrate(self) -> None:
        settings = alembic.config.Config()
        settings.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        with self.engine.begin() as connection:
            settings.attributes["connection"] = connection
            try:
                alembic.command.upgrade(settings, "head")
            except CommandError:
                raise GradebookError(f"the gradebook {self.url} was written by a newer version of autograder") from None

    def _course(self, name: str) -> tables.Course:
        if found := self.session.scalar(sa.select(tables.Course).where(tables.Course.name == name)):
            return found
        course = tables.Course(name=name)
        self.session.add(course)
        self.session.commit()
        return course

    def __enter__(self) -> Gradebook:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()
        self.engine.dispose()

    @contextmanager
    def change(self, action: str, *details: dict[str, Any]) -> Iterator[None]:
        """All that is done inside happens, and is noted with the details as they are then, or nothing of it.

        Raises:
            GradebookError: the database refuses it.
        """
        try:
            yield
            noted = dict(ChainMap(*reversed(details)))
            self.session.add(
                Audit(course_id=self.course.id, at=now(), author=self.author, action=action, details=noted)
            )
            self.session.commit()
        except BaseException as error:
            self.session.rollback()
            if isinstance(error, SQLAlchemyError):
                cause = getattr(error, "orig", error)
                raise GradebookError(
                    f"the gradebook {self.url} cannot be written, nothing was changed: {cause}"
                ) from None
            raise

    def learners(self) -> Sequence[Learner]:
        """All of the course, with their attempts (without the checks), overrides and extensions."""
        found = (
            sa.select(Learner)
            .where(Learner.course_id == self.course.id)
            .order_by(Learner.name)
            .options(*map(selectinload, (Learner.attempts, Learner.overrides, Learner.extensions)))
        )
        return self.session.scalars(found).all()

    def tallies(self) -> dict[int, dict[str, Tally]]:
        """How many checks of each task were run and passed, by the id of the attempt."""
        passed = Check.status == Status.PASSED
        counted = (
            sa.select(
                Check.attempt_id,
                Check.task,
                sa.func.count(),
                sa.func.sum(sa.case((passed & ~Check.carried, 1), else_=0)),
                sa.func.sum(sa.case((passed & Check.carried, 1), else_=0)),
            )
            .join(Attempt)
            .join(Learner)
            .where(Learner.course_id == self.course.id, Check.status != Status.NOT_RUN)
            .group_by(Check.attempt_id, Check.task)
        )
        found: dict[int, dict[str, Tally]] = {}
        for attempt, task, checks, passed, carried in self.session.execute(counted):
            found.setdefault(attempt, {})[task] = Tally(checks, passed, carried)
        return found

    def result(self, attempt: int) -> ExerciseResult:
        """What the last grading of an attempt found, as it found it."""
        row = self.session.get_one(Attempt, attempt)
        module, _, exercise = row.exercise.partition("/")
        return ExerciseResult(
            learner=row.learner.name,
            module=module,
            exercise=exercise,
            sha256=row.sha256,
            checks=[CheckResult(**{name: getattr(check, name) for name in CHECK_FIELDS}) for check in row.checks],
            **{name: getattr(row, name) for name in RESULT_FIELDS},
        )

    def learner(self, name: str) -> Learner:
        """Raises: GradebookError: nobody is called so."""
        known = {learner.name: learner for learner in self.course.learners}
        if name not in known:
            raise GradebookError(f"nobody in the gradebook is called {name!r}{near(name, known)}")
        return known[name]

    def audit(self) -> Sequence[Audit]:
        return self.session.scalars(sa.select(Audit).where(Audit.course_id == self.course.id).order_by(Audit.id)).all()

    def add_learner(self, name: str, full_name: str = "", email: str = "") -> Learner:
        """Somebody new, or new facts about somebody; what is empty stays as it is."""
        with self.change("add learner", {"learner": name, "full_name": full_name, "email": email}):
            known = {learner.name: learner for learner in self.course.learners}
            learner = known.get(name) or self._new(name)
            learner.full_name, learner.email = full_name or learner.full_name, email or learner.email
        return learner

    def extend(self, name: str, target: str, until: datetime, reason: str) -> Extension:
        """Give a learner until then for a module, an exercise, or ("") everything; the latest that applies counts."""
        extension = Extension(target=target, until=until, author=self.author, reason=reason, at=now())
        with self.change("extend", {"learner": name, "target": target, "until": until.isoformat(), "reason": reason}):
            self.learner(name).extensions.append(extension)
        return extension

    def override(self, name: str, exercise: str, task: str, points: float | None, reason: str) -> Override:
        """Set points by hand; None takes back what was set. A re-grade never changes them."""
        given = Override(exercise=exercise, task=task, points=points, author=self.author, reason=reason, at=now())
        details = {"learner": name, "exercise": exercise, "task": task, "points": points, "reason": reason}
        with self.change("override", details):
            self.learner(name).overrides.append(given)
        return given

    def add_results(self, graded: Graded, times: dict[str, datetime] | None = None) -> dict[str, int]:
        """Take in the results of a run; doing it twice changes nothing.

        Work that is the same as the learner's latest is no new attempt: its results are replaced and its time stays.

        Args:
            times: when learners handed in, where that is known better than by the files.

        Returns:
            How many results are "new" attempts, "graded again", "unchanged", "open" (still to be graded).
        """
        counts = dict.fromkeys(("new", "graded again", "unchanged", "open"), 0)
        with self.change("import", {"learners": len(graded.submissions)}, counts):
            people = {learner.name: learner for learner in self.learners()}
            for submission in graded.submissions:
                learner = people.get(submission.learner) or self._new(submission.learner)
                learner.notes = list(submission.notes)
                when = (times or {}).get(submission.learner) or moment(submission.submitted) or now()
                for exercise in graded.exercises:
                    result = graded.results[submission.learner, exercise.id]
                    if result.is_open:
                        counts["open"] += 1
                    elif result.outcome is not Outcome.MISSING:
                        counts[self._add_attempt(learner, result, when)] += 1
        return counts

    def _new(self, name: str) -> Learner:
        self.course.learners.append(Learner(name=name, full_name="", email="", notes=[]))
        return self.course.learners[-1]

    def _add_attempt(self, learner: Learner, result: ExerciseResult, when: datetime) -> str:
        earlier = [attempt for attempt in learner.attempts if attempt.exercise == result.exercise_id]
        latest = max(earlier, key=lambda attempt: attempt.submitted_at, default=None)
        same = next((a for a in earlier if a.sha256 == result.sha256 and (a is latest or a.submitted_at == when)), None)
        fingerprint = _fingerprint(result)
        if same and same.fingerprint == fingerprint:
            return "unchanged"
        attempt = same or Attempt(exercise=result.exercise_id, sha256=result.sha256, submitted_at=when)
        for field in RESULT_FIELDS:
            setattr(attempt, field, getattr(result, field))
        attempt.graded_at, attempt.fingerprint = now(), fingerprint
        if same is None:
            learner.attempts.append(attempt)
        self.session.flush()
        self.session.execute(sa.delete(Check).where(Check.attempt_id == attempt.id))
        rows = [
            {"attempt_id": attempt.id, "place": i, **check.model_dump(mode="json")}
            for i, check in enumerate(result.checks)
        ]
        if rows:
            self.session.execute(sa.insert(Check), rows)
        return "graded again" if same else "new"


def _fingerprint(result: ExerciseResult) -> str:
    """Of what was found, whatever time it took."""
    checks = [check.model_copy(update={"seconds": 0.0}) for check in result.checks]
    same = result.model_copy(update={"seconds": 0.0, "checks": checks})
    return hashlib.sha256(same.model_dump_json().encode()).hexdigest()


def now() -> datetime:
    return datetime.now(UTC)


def moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy says BEGIN itself, so that a migration is one transaction, too
    for rule in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {rule}")
