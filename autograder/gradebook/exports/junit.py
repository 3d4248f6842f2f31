"""JUnit XML (xunit2, as pytest writes it), one file for each learner: a suite for every exercise, a case for every check."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from autograder.gradebook.exports import Options
from autograder.gradebook.exports.files import check_text, per_learner, write
from autograder.grading.graded import Graded

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
SKIPPED = ("not_reached", "not_started", "not_run")
ERRORS = ("error", "timeout", "system")


def export(graded: Graded, out: Path, options: Options) -> list[Path]:
    return [write(path, xml(feedback)) for feedback, path in per_learner(graded, out, ".xml")]


def xml(feedback: dict[str, Any]) -> str:
    root = ElementTree.Element("testsuites", name=_text(feedback["title"]))
    for exercise in feedback["exercises"]:
        checks = [(task, check) for task in exercise.get("tasks", ()) for check in task["checks"]]
        count = [check["status"] for _, check in checks]
        suite = ElementTree.SubElement(
            root, "testsuite", name=exercise["exercise"], tests=str(len(count)), failures=str(count.count("wrong")),
            errors=str(sum(status in ERRORS for status in count)), skipped=str(sum(status in SKIPPED for status in count)),
        )  # fmt: skip
        if exercise.get("earned") is not None:
            properties = ElementTree.SubElement(suite, "properties")
            for name in ("earned", "possible"):
                ElementTree.SubElement(properties, "property", name=name, value=f"{exercise[name]:g}")
        for task, check in checks:
            classname = f"{exercise['exercise'].replace('/', '.')}.{task['task']}"
            case = ElementTree.SubElement(suite, "testcase", classname=classname, name=_text(check["sentence"]))
            if check["status"] != "passed":
                kind = "failure" if check["status"] == "wrong" else "error" if check["status"] in ERRORS else "skipped"
                told = ElementTree.SubElement(case, kind, message=_text(check.get("message") or check["status"]))
                told.text = _text(check_text(check))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _text(text: str) -> str:
    return NOT_XML.sub("?", text)
