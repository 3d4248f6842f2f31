"""Results in the formats of other systems: exact files, and what their readers make of them."""

import base64
import csv
import json
from xml.etree import ElementTree

import pytest

from tests.grading.small import SCALING, grade, run_here, scaling, write_class, write_small_course

CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Quiz (11),week1 (22),Final Score
    Points Possible,,,,,10,,
"Li, Ann",101,s101,ann,A,9.00,,90
"Ray, Bob",102,s102,bob@x.edu,B,8.00,1.00,80
"Out, Nobody",103,s103,nobody,B,7.00,,70
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A graded class: Ann is right, Bob wrong, `=evil` unfinished, Cid's work is not graded yet."""
    root = tmp_path_factory.mktemp("export")
    write_small_course(root / "course")
    stub = scaling("raise NotImplementedError", "raise NotImplementedError")
    work = {"ann": {}, "bob": {"scaling": SCALING.replace("factor * x", "2.0 * x")}, "=evil": {"scaling": stub}}
    write_class(root / "class", work)
    assert grade(root / "course", root / "class", "--out", root / "out").returncode == 0
    write_class(root / "class", {"cid": {}})
    only = ("--only", "cid/scaling")
    assert grade(root / "course", root / "class", "--out", root / "out", *only).returncode == 0
    return root


@pytest.fixture
def exported(root, tmp_path):
    def export(system, *options):
        done = run_here(
            "--course", root / "course", "export", root / "out", "--to", system, "--out", tmp_path, *options
        )
        assert done.exit_code == 0, done.output
        return tmp_path

    return export


def rows(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_canvas_without_a_template(exported):
    assert rows(exported("canvas") / "canvas.csv") == [
        ["Student", "ID", "SIS Login ID", "Section", "week1"],
        ["    Points Possible", "", "", "", "3.00"],
        ["'=evil", "", "'=evil", "", "1.00"],
        ["ann", "", "ann", "", "3.00"],
        ["bob", "", "bob", "", "2.50"],
    ]


def test_canvas_finds_students_in_its_own_gradebook_and_touches_nothing_else(exported, tmp_path):
    (tmp_path / "gradebook.csv").write_text(CANVAS)
    assert rows(exported("canvas", "--template", tmp_path / "gradebook.csv") / "canvas.csv") == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "week1 (22)"],
        ["    Points Possible", "", "", "", "", "3.00"],
        ["Li, Ann", "101", "s101", "ann", "A", "3.00"],
    ]
    titled = exported("canvas", "--template", tmp_path / "gradebook.csv", "--title", "Quiz")
    assert rows(titled / "canvas.csv")[0][-1] == "Quiz (11)"


def test_a_file_that_is_no_canvas_gradebook_is_an_error(root, tmp_path):
    (tmp_path / "other.csv").write_text("name,points\nann,3\n")
    words = ("export", root / "out", "--to", "canvas", "--template", tmp_path / "other.csv")
    refused = run_here("--course", root / "course", *words)
    assert refused.exit_code == 2 and "no gradebook that Canvas exported" in refused.output


def test_gradescope_has_a_test_for_each_task_whose_points_add_up(exported):
    folder = exported("gradescope")
    bob = json.loads((folder / "bob.json").read_text())
    points = [(test["name"], test["number"], test["score"], test["max_score"], test["status"]) for test in bob["tests"]]
    assert points == [
        ("scaling: scale", "1.1", 0.5, 1.0, "failed"),
        ("scaling: shift", "1.2", 1.0, 1.0, "passed"),
        ("stats: centre", "2.1", 1.0, 1.0, "passed"),
    ]
    assert "wrong: scale multiplies by the factor" in bob["tests"][0]["output"]
    assert bob["stdout_visibility"] == "hidden"
    cid = json.loads((folder / "cid.json").read_text())
    assert "score" not in cid["tests"][-1]  # not graded yet: no zero


def test_classroom_reads_points_and_status(exported):
    folder = exported("classroom")
    said = json.loads(base64.b64decode((folder / "bob.classroom").read_text()))
    assert (said["version"], said["status"], said["max_score"]) == (3, "fail", 3)
    assert sum(test["score"] for test in said["tests"]) == 2.5
    assert json.loads(base64.b64decode((folder / "ann.classroom").read_text()))["status"] == "pass"
    assert not (folder / "cid.classroom").exists()


def test_junit_counts_what_failed(exported):
    suites = ElementTree.parse(exported("junit") / "bob.xml").getroot()
    counts = {suite.get("name"): (suite.get("tests"), suite.get("failures"), suite.get("skipped")) for suite in suites}
    assert counts == {"week1/scaling": ("6", "1", "1"), "week1/stats": ("2", "0", "0")}
    assert {p.get("name"): p.get("value") for p in suites[0].iter("property")} == {"earned": "1.5", "possible": "2"}


def test_no_export_holds_what_a_hidden_check_fed_in(exported, root):
    for system in ("canvas", "gradescope", "classroom", "junit", "lti", "oneroster", "autolab"):
        for path in exported(system).rglob("*"):
            if path.is_file():
                text = path.read_bytes()
                text += base64.b64decode(text) if path.suffix == ".classroom" else b""
                assert b"31337" not in text, path


def test_lti_scores_are_full_or_pending(exported):
    lines = (exported("lti") / "lti-scores.jsonl").read_text().splitlines()
    said = {score["userId"]: score for score in map(json.loads, lines)}
    assert (said["bob"]["scoreGiven"], said["bob"]["scoreMaximum"]) == (2.5, 3.0)
    assert said["bob"]["gradingProgress"] == "FullyGraded"
    assert said["cid"]["gradingProgress"] == "Pending" and "scoreGiven" not in said["cid"]


def test_oneroster_results_belong_to_line_items(exported):
    folder = exported("oneroster")
    items, results = rows(folder / "lineItems.csv"), rows(folder / "results.csv")
    assert [row[3] for row in items[1:]] == ["week1"] and items[1][11] == "3.0"
    found = {row[4]: dict(zip(results[0], row, strict=True)) for row in results[1:]}
    assert {row["lineItemSourcedId"] for row in found.values()} == {items[1][0]}
    assert (found["bob"]["score"], found["bob"]["scoreStatus"]) == ("2.5", "fully graded")
    assert (found["cid"]["score"], found["cid"]["scoreStatus"]) == ("", "submitted")
    assert ["file.results", "bulk"] in rows(folder / "manifest.csv")


def test_autolab_prints_scores_and_scoreboard(exported):
    said = json.loads((exported("autolab") / "bob.autolab.json").read_text())
    assert said == {"scores": {"week1/scaling": 1.5, "week1/stats": 1.0}, "scoreboard": [2.5]}


@pytest.mark.parametrize(
    "words, says", [(("--to", "canvs"), 'did you mean "canvas"?'), (("--to", "lti"), "holds no results")]
)
def test_what_cannot_be_exported_is_said(root, tmp_path, words, says):
    folder = root / "out" if "canvs" in words else tmp_path
    refused = run_here("--course", root / "course", "export", folder, *words)
    assert refused.exit_code == 2 and says in refused.output
