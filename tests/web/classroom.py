"""A graded class in a gradebook, and its dashboard: made of results, without grading."""

import re
from datetime import UTC, datetime
from html import unescape

from starlette.testclient import TestClient

from autograder.catalog import Course
from autograder.gradebook.store import Gradebook
from autograder.grading.graded import Graded
from autograder.grading.results import CheckResult, ExerciseResult, Outcome, Status
from autograder.grading.submission import Submission
from autograder.policy import Policy
from autograder.web.app import create_app
from autograder.web.desk import Desk
from autograder.web.security import Access
from tests.grading.small import write_small_course

RULES = """\
title: A small course
time_zone: Europe/Berlin
modules:
  week1:
    due: 2026-03-01 18:00
    late: {lose_per_day: 0.5}
    exercises:
      scaling: {points: 8}
      stats: {points: 4}
"""
IN_TIME, A_DAY_LATE, NOW = (datetime(2026, 3, day, 12, tzinfo=UTC) for day in (1, 2, 9))
HERE = "http://127.0.0.1:8000"
EVIL = "<script>alert(1)</script>"
SAYS = "The factor is not used."
CHECKS = {  # by exercise: task, check, sentence
    "scaling": [
        ("scale", "test_scale_doubles", "Without a factor every entry is doubled."),
        ("scale", "test_scale_multiplies", "Every entry is multiplied."),
        ("shift", "test_shift_adds", "The number is added."),
    ],
    "stats": [("centre", "test_centre", "The mean is zero.")],
}


def result(learner, exercise, failed=(), message="", mistakes=()):
    """Of work whose checks pass, but for those in `failed`."""
    checks = []
    for task, name, sentence in CHECKS[exercise]:
        made = {"says": SAYS, "mistakes": list(mistakes)} if mistakes else {}
        wrong = {"status": Status.WRONG, "message": message, "detail": f"fed in {message}"} | made
        status = wrong if name in failed else {"status": Status.PASSED}
        checks.append(CheckResult(task=task, check=name, sentence=sentence, stage="mechanism", **status))
    sha256 = f"{learner} {exercise} {failed}"
    return ExerciseResult(
        learner=learner, module="week1", exercise=exercise, outcome=Outcome.GRADED, sha256=sha256, checks=checks
    )


def hand_in(gradebook, policy, work, when):
    """Take in the results of these learners: theirs, or of work that is right."""
    found = {}
    for learner, results in work.items():
        for exercise in policy.exercises():
            found[learner, exercise.id] = results.get(exercise.name) or result(learner, exercise.name)
    submissions = [Submission(learner) for learner in work]
    gradebook.add_results(Graded(policy, policy.exercises(), submissions, found), dict.fromkeys(work, when))


class Classroom:
    """Ann: a mistake in `scale`, a day late. Bob: all right, in time. Cid: nothing. A fourth has an evil name."""

    def __init__(self, root):
        self.course = Course(write_small_course(root / "course", {"grading.yml": RULES}))
        self.db = root / "gradebook.sqlite"
        with self.gradebook() as gradebook:
            mistake = result("ann", "scaling", ("test_scale_multiplies",), "at [2, 3]", ("forgets the factor",))
            hand_in(gradebook, self.policy, {"ann": {"scaling": mistake}}, A_DAY_LATE)
            wrong = result(EVIL, "scaling", ("test_scale_doubles", "test_shift_adds"), EVIL)
            hand_in(gradebook, self.policy, {"bob": {}, EVIL: {"scaling": wrong}}, IN_TIME)
            gradebook.add_learner("bob", "Bob Ray", "bob@example.edu")
            gradebook.add_learner("cid", "=cmd()", "c@example.edu")

    @property
    def policy(self):
        return Policy.load(Course(self.course.root))

    def gradebook(self, author="prof"):
        return Gradebook(str(self.db), author=author)


class Browser:
    """A session on the dashboard, as a browser has it."""

    def __init__(self, desk, access=None, regrades=None, base_url=HERE):
        self.here = base_url
        self.client = TestClient(
            create_app(desk, access or Access(), regrades, lambda: NOW), base_url=base_url, follow_redirects=False
        )

    def get(self, url, status=200, **headers):
        response = self.client.get(url, headers=headers)
        assert response.status_code == status, response.text
        return response

    def page(self, url):
        """Its text without markup, in one line."""
        text = re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", self.get(url).text, flags=re.S)
        return re.sub(r"\s+", " ", unescape(text))

    def secret(self):
        return re.search(r'name="form_secret" value="([0-9a-f]+)"', self.get("/learners/bob").text)[1]

    def post(self, url, status=303, headers=None, **fields):
        fields = {"form_secret": self.secret(), "learner": "ann", "reason": "it is right"} | fields
        headers = {"Origin": self.here} if headers is None else headers
        response = self.client.post(url, data=fields, headers=headers)
        assert response.status_code == status, response.text
        return response


def desk(classroom):
    return Desk(classroom.course, str(classroom.db), author="prof")
