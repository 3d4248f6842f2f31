"""When work is due, and what late work keeps of its points: the rules of grading.yml and their arithmetic.

A due time is a time on the clock of the course's time zone. Days are days of that clock: a day late is the same time on the next
day, also where a change to or from summer time makes that 23 or 25 hours. Hours are hours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, model_validator

from autograder.marked_yaml import Fields

Attempts = Literal["best", "last", "average"]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
END_OF_DAY = time(23, 59, 59)
DAY = timedelta(days=1)


def parse_time(value: Any) -> datetime:
    """`2026-03-01 23:59`, on the course's clock or with an offset; a day alone means its end.

    Raises:
        ValueError: it is no such time.
    """
    if isinstance(value, str):
        try:
            value = (
                datetime.fromisoformat(value.strip()) if len(value.strip()) > 10 else date.fromisoformat(value.strip())
            )
        except ValueError:
            raise ValueError("should be a time such as 2026-03-01 23:59, or a day") from None
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, END_OF_DAY)
    raise ValueError("should be a time such as 2026-03-01 23:59, or a day")


def instant(when: datetime, zone: ZoneInfo) -> datetime:
    """The moment, in UTC, of a time on the clock of `zone`, or of one with an offset.

    Of two moments at which the clock shows it, as it does when it is put back, the later one; a time that is skipped when it is put
    forward is as much later as that.
    """
    return (when if when.tzinfo else when.replace(tzinfo=zone, fold=1 if _is_twice(when, zone) else 0)).astimezone(UTC)


def _is_twice(when: datetime, zone: ZoneInfo) -> bool:
    first, second = (when.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first < second


def time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError('should be a time zone such as "Europe/Berlin" or "America/New_York"') from None
    return name


Due = Annotated[datetime, BeforeValidator(parse_time), PlainSerializer(lambda when: when.isoformat(), when_used="json")]
Zone = Annotated[str, AfterValidator(time_zone)]


class LateRules(Fields):
    """What late work loses of the points it earned. Without any rule it is marked late and loses nothing.

    Attributes:
        grace_minutes: the clock starts so long after the due time.
        lose_per_day: the share lost for each day begun.
        lose_per_hour: the share lost for each hour begun.
        keep: by hours, the share kept by work that is at most so late; later than all of them it keeps nothing.
        lose_at_most: the cap on what is lost.
        closed_after_days: work that is later than that keeps nothing, whatever the cap.
    """

    grace_minutes: float = Field(0, ge=0, le=100_000, allow_inf_nan=False)
    lose_per_day: Share | None = None
    lose_per_hour: Share | None = None
    keep: dict[Annotated[float, Field(gt=0, allow_inf_nan=False)], Share] | None = None
    lose_at_most: Share = 1.0
    closed_after_days: float | None = Field(None, ge=0, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _hours_are_numbers(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("keep"), dict):
            return value | {"keep": {_number(hours): share for hours, share in value["keep"].items()}}
        return value

    @model_validator(mode="after")
    def _one_rule(self) -> LateRules:
        given = [name for name in ("lose_per_day", "lose_per_hour", "keep") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are two ways to count; keep one")
        return self

    def kept(self, submitted: datetime, due: datetime, zone: ZoneInfo) -> float:
        """The share of its points, from 0 to 1, that work handed in at `submitted` keeps. Both times have a time zone."""
        start = due + timedelta(minutes=self.grace_minutes)
        if submitted <= start:
            return 1.0
        days = _days(start, submitted, zone)
        if self.closed_after_days is not None and days > self.closed_after_days:
            return 0.0
        return max(self._kept(days, (submitted - start) / timedelta(hours=1)), 1.0 - self.lose_at_most)

    def _kept(self, days: float, hours: float) -> float:
        if self.lose_per_day is not None:
            return max(0.0, 1.0 - self.lose_per_day * math.ceil(days))
        if self.lose_per_hour is not None:
            return max(0.0, 1.0 - self.lose_per_hour * math.ceil(hours))
        if self.keep is not None:
            return next((self.keep[limit] for limit in sorted(self.keep) if hours <= limit), 0.0)
        return 1.0


def _number(text: Any) -> Any:
    try:
        return float(text)
    except (TypeError, ValueError):
        return text


def _days(start: datetime, end: datetime, zone: ZoneInfo) -> float:
    """How many days the clock of `zone` shows between two moments."""
    first, last = (moment.astimezone(zone).replace(tzinfo=None) for moment in (start, end))
    return max((last - first) / DAY, 1e-9)  # an hour that the clock shows twice is late all the same


class Deadline(Fields):
    """What may be said for the course, a module or an exercise; the nearest one counts."""

    due: Due | None = None
    late: LateRules | None = None
    attempts: Attempts | None = None


def nearest(rules: Iterable[Deadline], field: str) -> Any:
    """The field of the first of `rules` that says it; None if none does."""
    return next((value for each in rules if (value := getattr(each, field)) is not None), None)
