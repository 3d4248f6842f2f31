"""The tables of the gradebook. What a score comes to is never stored: it follows from these and from grading.yml (`book`)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, MetaData, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

CONVENTION = {  # names that migrations can refer to, in any database
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Moment(TypeDecorator[datetime]):
    """A moment in UTC, in databases that keep no time zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return value and value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return value and value.replace(tzinfo=UTC)


class Table(DeclarativeBase):
    metadata = MetaData(naming_convention=CONVENTION)
    type_annotation_map = {datetime: Moment, list[str]: JSON, dict[str, Any]: JSON}


class Course(Table):
    """A course, or one year's class of it: several may share a database."""

    __tablename__ = "course"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    learners: Mapped[list[Learner]] = relationship(back_populates="course", order_by="Learner.name")


class Learner(Table):
    """Somebody in a course; `name` is that of their submissions."""

    __tablename__ = "learner"
    __table_args__ = (UniqueConstraint("course_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    course_id: Mapped[int] = mapped_column(ForeignKey("course.id", ondelete="CASCADE"))
    name: Mapped[str]
    full_name: Mapped[str] = mapped_column(default="")
    email: Mapped[str] = mapped_column(default="")
    notes: Mapped[list[str]] = mapped_column(default=list)
    course: Mapped[Course] = relationship(back_populates="learners")
    attempts: Mapped[list[Attempt]] = relationship(
        back_populates="learner", order_by="Attempt.submitted_at, Attempt.id"
    )
    overrides: Mapped[list[Override]] = relationship(back_populates="learner", order_by="Override.id")
    extensions: Mapped[list[Extension]] = relationship(back_populates="learner", order_by="Extension.id")


class Attempt(Table):
    """One state of a learner's work on one exercise, and what the last grading of it found (`fingerprint` is the hash of that)."""

    __tablename__ = "attempt"

    id: Mapped[int] = mapped_column(primary_key=True)
    learner_id: Mapped[int] = mapped_column(ForeignKey("learner.id", ondelete="CASCADE"), index=True)
    exercise: Mapped[str] = mapped_column(index=True)
    sha256: Mapped[str]
    fingerprint: Mapped[str]
    submitted_at: Mapped[datetime]
    graded_at: Mapped[datetime]
    outcome: Mapped[str]
    note: Mapped[str] = mapped_column(default="")
    output: Mapped[str] = mapped_column(default="")
    layers: Mapped[list[str]] = mapped_column(default=list)
    seconds: Mapped[float] = mapped_column(default=0.0)
    learner: Mapped[Learner] = relationship(back_populates="attempts")
    checks: Mapped[list[Check]] = relationship(back_populates="attempt", order_by="Check.place", viewonly=True)


class Check(Table):
    """The result of one check; the fields of `grading.results.CheckResult`."""

    __tablename__ = "check_result"
    __table_args__ = (UniqueConstraint("attempt_id", "place"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id", ondelete="CASCADE"))
    place: Mapped[int]
    task: Mapped[str]
    check: Mapped[str]
    sentence: Mapped[str]
    stage: Mapped[str]
    status: Mapped[str]
    message: Mapped[str]
    card: Mapped[str]
    detail: Mapped[str]
    seconds: Mapped[float]
    says: Mapped[str]
    mistakes: Mapped[list[str]]
    margin: Mapped[float | None]
    carried: Mapped[bool]
    attempt: Mapped[Attempt] = relationship(back_populates="checks", viewonly=True)


class Override(Table):
    """Points that somebody gave by hand, for an exercise or (`task`) a part of it. The last one counts; without points it takes
    back those before it."""

    __tablename__ = "override"

    id: Mapped[int] = mapped_column(primary_key=True)
    learner_id: Mapped[int] = mapped_column(ForeignKey("learner.id", ondelete="CASCADE"), index=True)
    exercise: Mapped[str]
    task: Mapped[str] = mapped_column(default="")
    points: Mapped[float | None]
    author: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]
    learner: Mapped[Learner] = relationship(back_populates="overrides")


class Extension(Table):
    """A later due time for one learner: of an exercise, of all of a module, or of everything (empty `target`)."""

    __tablename__ = "extension"

    id: Mapped[int] = mapped_column(primary_key=True)
    learner_id: Mapped[int] = mapped_column(ForeignKey("learner.id", ondelete="CASCADE"), index=True)
    target: Mapped[str] = mapped_column(default="")
    until: Mapped[datetime]
    author: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]
    learner: Mapped[Learner] = relationship(back_populates="extensions")


class Audit(Table):
    """What was done to the gradebook, by whom; rows are only ever added."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    course_id: Mapped[int] = mapped_column(ForeignKey("course.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime]
    author: Mapped[str]
    action: Mapped[str]
    details: Mapped[dict[str, Any]]
