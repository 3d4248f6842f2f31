"""The pages of `autograder serve`: which address shows what, and which form does what."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

import jinja2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from autograder.catalog import CourseError
from autograder.gradebook.report import WORDS
from autograder.gradebook.store import now
from autograder.web import changes, views
from autograder.web.desk import Desk, Work
from autograder.web.grades import grades_csv
from autograder.web.heatmap import heatmap
from autograder.web.person import learner
from autograder.web.regrade import Regrades
from autograder.web.security import Access, Guard, read_form
from autograder.web.views import Filter

TEMPLATES, STATIC = (Path(__file__).parent / name for name in ("templates", "static"))
SAID = {
    "override": "The points are set, and noted below with your reason.",
    "extend": "The extension is given, and noted below with your reason.",
    "regrade": "It is graded anew in the background; this page shows what came of it.",
}


@dataclass
class Pages:
    """What the addresses answer."""

    desk: Desk
    regrades: Regrades | None = None
    clock: Callable[[], datetime] = field(default=now)

    def overview(self, request: Request) -> Response:
        return self.show(request, "overview", lambda work, _: views.overview(work, self.clock()))

    def heatmap(self, request: Request) -> Response:
        return self.show(request, "heatmap", lambda work, asked: heatmap(work, asked, self.clock()))

    def learners(self, request: Request) -> Response:
        return self.show(request, "learners", lambda work, asked: views.learners(work, asked, self.clock()))

    def checks(self, request: Request) -> Response:
        return self.show(request, "checks", views.checks)

    def mistakes(self, request: Request) -> Response:
        return self.show(request, "mistakes", views.mistakes)

    def learner(self, request: Request) -> Response:
        name = request.path_params["name"]

        def data(work: Work, _: Filter) -> dict[str, Any]:
            if name not in work.book.people:
                raise HTTPException(404, f"Nobody in the gradebook is called {name!r}.")
            runs = self.regrades.of(name) if self.regrades else []
            return learner(work, name, self.clock()) | {"runs": runs, "can_regrade": self.regrades is not None}

        return self.show(request, "learner", data)

    def grades(self, request: Request) -> Response:
        with self.desk.at_work() as work:
            text = grades_csv(work, Filter.of(request.query_params), self.clock())
        headers = {"Content-Disposition": 'attachment; filename="grades.csv"'}
        return Response(text, media_type="text/csv", headers=headers)

    def override(self, form: Mapping[str, str]) -> None:
        with self.desk.at_work() as work:
            changes.override(work, form)

    def extend(self, form: Mapping[str, str]) -> None:
        with self.desk.at_work() as work:
            changes.extend(work, form)

    def regrade(self, form: Mapping[str, str]) -> None:
        with self.desk.at_work() as work:
            name, exercise = changes.known_learner(work, form), form.get("exercise", "")
            if exercise:
                changes.known_exercise(work, exercise)
        self.regrades.ask(name, exercise)

    def show(self, request: Request, template: str, data: Callable[[Work, Filter], dict[str, Any]]) -> Response:
        asked = Filter.of(request.query_params)
        with self.desk.at_work() as work:
            facts = data(work, asked)
            facts |= {"page": template, "asked": asked, "policy": work.book.policy, "at": self.clock(), "words": WORDS}
            facts |= {"all_modules": list(dict.fromkeys(exercise.module for exercise in work.book.exercises))}
            facts |= {"form_secret": request.state.form_secret, "said": SAID.get(request.query_params.get("said", ""))}
            return HTMLResponse(_template(template).render(facts))


def create_app(
    desk: Desk, access: Access | None = None, regrades: Regrades | None = None, clock: Callable[[], datetime] = now
) -> ASGIApp:
    """The dashboard as an ASGI application.

    Args:
        regrades: what grades work anew; without it the pages have no button for that.
        clock: the time at which work is missing.
    """
    pages = Pages(desk, regrades, clock)
    forms = [_form("/override", pages.override), _form("/extend", pages.extend)]
    if regrades:
        forms.append(_form("/regrade", pages.regrade))

    @asynccontextmanager
    async def until_the_end(_: Starlette) -> AsyncIterator[None]:
        yield
        if regrades:
            await run_in_threadpool(regrades.close)

    app = Starlette(
        routes=[
            Route("/", pages.overview),
            Route("/heatmap", pages.heatmap),
            Route("/learners", pages.learners),
            Route("/learners/{name:path}", pages.learner),
            Route("/checks", pages.checks),
            Route("/mistakes", pages.mistakes),
            Route("/grades.csv", pages.grades),
            *forms,
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        exception_handlers={HTTPException: _not_found, CourseError: _unusable},
        lifespan=until_the_end,
    )
    return Guard(app, access or Access())


def _form(path: str, act: Callable[[Mapping[str, str]], None]) -> Route:
    """A form of a learner's page; what it says is done, and that page comes again."""

    async def endpoint(request: Request) -> Response:
        form = await read_form(request)
        if form is None:
            return _message("This form is not one of this session; load the page again and send it once more.", 403)
        try:
            await run_in_threadpool(act, form)
        except CourseError as error:
            return _message(f"Nothing was changed: {error}.", 400)
        done = path.removeprefix("/")
        anchor = done if done == "regrade" else quote(form.get("exercise", ""), safe="/")
        return RedirectResponse(f"{learner_path(form['learner'])}?said={done}{anchor and '#' + anchor}", 303)

    return Route(path, endpoint, methods=["POST"])


def learner_path(name: str) -> str:
    return f"/learners/{quote(name, safe='')}"


def _not_found(request: Request, error: HTTPException) -> Response:
    return _message(error.detail, error.status_code)


def _unusable(request: Request, error: CourseError) -> Response:
    return _message(str(error), 500)


def _message(says: str, status: int) -> Response:
    return HTMLResponse(_template("message").render(says=says, page="message"), status)


@cache
def _environment() -> jinja2.Environment:
    templates = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(
        loader=templates, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {
        "number": number,
        "percent": percent,
        "clock": clock,
        "learner_path": learner_path,
        "moment": moment,
    }
    environment.globals["query"] = query
    return environment


def _template(name: str) -> jinja2.Template:
    return _environment().get_template(f"{name}.html.j2")


def number(value: float) -> str:
    """With two digits where it needs them."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def percent(share: float) -> str:
    """All is said to be 100 % only where it is."""
    return f"{int(100 * share + 1e-9)} %"


def clock(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"


def moment(text: str, zone: ZoneInfo) -> str:
    """A time of the audit log on the course's clock."""
    return clock(datetime.fromisoformat(text), zone)


def query(asked: Filter, **changed: str) -> str:
    """The query of the same page with other filters."""
    return "?" + urlencode({name: value for name, value in (vars(asked) | changed).items() if value})
