"""The record of a run: what has a line is done, and nothing that was there before is lost."""

import json
import multiprocessing

import pytest

from autograder.grading.graded import StoredResults
from autograder.grading.journal import Journal, JournalError
from autograder.grading.results import CheckResult, ExerciseResult, Outcome, Status

RUN = {"exercises, graders or rules": "abc", "seed": "0"}


def result(learner="ann", sha256="1", status=Status.PASSED, **fields):
    check = CheckResult(task="relu", check="test_relu", sentence="relu", stage="whole", status=status)
    given = {"module": "m", "exercise": "e", "outcome": Outcome.GRADED, "checks": [check]} | fields
    return ExerciseResult(learner=learner, sha256=sha256, **given)


@pytest.fixture
def out(tmp_path):
    """A results folder with the results of Ann and Bob."""
    with Journal(tmp_path / "out", RUN) as journal:
        journal.extend([result("ann")])
        journal.extend([result("bob", output="\x00\n\r\u2028 \udfff".encode("utf-8", "replace").decode())])
    return tmp_path / "out"


def read(out):
    with Journal(out, RUN) as journal:
        return StoredResults(journal.path, journal.entries)


def refusal(out, run=RUN):
    with pytest.raises(JournalError) as caught:
        Journal(out, run)
    return str(caught.value)


def test_a_new_folder_is_made_with_those_above_it(tmp_path):
    assert read(tmp_path / "a/b/out") == {}
    assert json.loads((tmp_path / "a/b/out/journal.jsonl").read_text()) == {"run": RUN}


def test_an_empty_folder_may_be_used(tmp_path):
    assert read(tmp_path) == {}


def test_results_are_there_again_as_they_were(out):
    results = read(out)
    assert results.keys() == {("ann", "m/e"), ("bob", "m/e")}
    assert results["ann", "m/e"] == result("ann")
    assert results["bob", "m/e"].output == "\x00\n\r\u2028 ?"


def test_every_result_is_one_line_that_is_on_disk_at_once(out):
    journal = Journal(out, RUN)
    journal.extend([result("cid")])
    lines = (out / "journal.jsonl").read_bytes().split(b"\n")
    assert [json.loads(line)["learner"] for line in lines[1:4]] == ["ann", "bob", "cid"]
    assert lines[4:] == [b""]


def test_done_means_this_very_file_and_no_fault_of_ours(out):
    with Journal(out, RUN) as journal:
        journal.extend([result("cid", status=Status.SYSTEM)])
        journal.extend([result("dan", outcome=Outcome.SYSTEM, checks=[])])
        assert journal.done("ann", "m/e", "1")
        assert not journal.done("ann", "m/e", "2")
        assert not journal.done("ann", "m/other", "1")
        assert not journal.done("cid", "m/e", "1")
        assert not journal.done("dan", "m/e", "1")


def test_a_later_result_takes_the_place_of_an_earlier_one(out):
    with Journal(out, RUN) as journal:
        journal.extend([result("ann", "2")])
    assert read(out)["ann", "m/e"].sha256 == "2"
    assert len((out / "journal.jsonl").read_bytes().splitlines()) == 4


@pytest.mark.parametrize("kept", range(1, 40, 6))
def test_a_torn_last_line_is_cut_off(out, kept):
    path = out / "journal.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + result("cid").model_dump_json().encode()[:kept])
    with Journal(out, RUN) as journal:
        assert journal.entries.keys() == {("ann", "m/e"), ("bob", "m/e")}
        journal.extend([result("cid")])
    assert read(out).keys() == {("ann", "m/e"), ("bob", "m/e"), ("cid", "m/e")}


@pytest.mark.parametrize("kept", [0, 1, 9, 40])
def test_a_torn_first_line_is_written_again(tmp_path, kept):
    (tmp_path / "journal.jsonl").write_bytes(json.dumps({"run": RUN}).encode()[:kept])
    assert read(tmp_path) == {}
    assert json.loads((tmp_path / "journal.jsonl").read_text()) == {"run": RUN}


def test_a_line_that_cannot_be_read_is_not_passed_over(out):
    path = out / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:50] + b"\n" + lines[2])
    before = path.read_bytes()
    assert f"{path}, line 2 cannot be read" in refusal(out)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["grades.csv", "notes.txt", ".hidden", "feedback/"])
def test_a_folder_of_something_else_is_refused(tmp_path, name):
    (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).write_text("mine")
    assert "is not empty and holds no results of an earlier run; name another folder with --out" in refusal(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "content", [b'{"level": "info"}\n', b"[1]\n", b'"run"\n', b"text\n", b'{"run": 3}\n', b"text", b"\n"]
)
def test_a_journal_of_something_else_is_refused_and_left_as_it_was(tmp_path, content):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(content)
    assert f"{path} is not a journal of grading; name another folder with --out" in refusal(tmp_path)
    assert path.read_bytes() == content


def test_results_of_another_run_are_refused_by_what_differs_and_left_as_they_were(out):
    path = out / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b'{"torn')
    before = path.read_bytes()
    assert f"{out} holds results of a run with other seed;" in refusal(out, RUN | {"seed": "1"})
    message = refusal(out, {name: "other" for name in RUN})
    assert "other exercises, graders or rules and seed; name another folder with --out" in message
    assert path.read_bytes() == before


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "out").write_text("mine")
    assert "is a file; name a folder for the results" in refusal(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("below", ["file/out", "dangling", "loop/out"])
def test_a_folder_that_cannot_be_made(tmp_path, below):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to("nowhere/at/all")
    (tmp_path / "loop").symlink_to("loop")
    assert f"{tmp_path / below} cannot be used for the results" in refusal(tmp_path / below)


def test_a_journal_that_is_a_folder(tmp_path):
    (tmp_path / "journal.jsonl").mkdir()
    assert "cannot be used for the results" in refusal(tmp_path)


def test_two_runs_cannot_write_at_the_same_time(out):
    with Journal(out, RUN):
        assert "is being written by another grading run" in refusal(out)
    assert len(read(out)) == 2


def hold(out, ready):
    journal = Journal(out, RUN)
    journal.extend([result("cid")])
    ready.set()
    multiprocessing.Event().wait()


def test_a_killed_run_leaves_no_lock_behind(out):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=hold, args=(out, ready))
    process.start()
    assert ready.wait(60)
    assert "is being written by another grading run" in refusal(out)
    process.kill()
    process.join()
    assert read(out).keys() == {("ann", "m/e"), ("bob", "m/e"), ("cid", "m/e")}
