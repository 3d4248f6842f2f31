"""The folder in which a worker may write, when a check asks for one."""

import os
from pathlib import Path

import pytest

from autograder.sandbox.client import Zygote
from autograder.sandbox.errors import LearnerError
from autograder.sandbox.jail import Limits
from autograder.sandbox.scratch import Scratch, names

SOURCE = b"""
import os
from pathlib import Path

def write(path, text="kept"):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)

def read(path):
    return Path(path).read_text()

def listing(path):
    return os.listdir(path)

def replace(path, other):
    os.replace(path, other)

def link(path, target):
    os.symlink(target, path)

def hard_link(path, target):
    os.link(target, path)
"""
SOURCES = {"course.files": SOURCE}


@pytest.fixture(scope="module")
def zygote():
    with Zygote(["numpy"]) as zygote:
        yield zygote


@pytest.fixture
def worker(zygote):
    with zygote.worker(Limits(output_bytes=1000), scratch=True) as worker:
        yield worker
    zygote.sweep()


@pytest.fixture
def learner(worker):
    return worker.load(SOURCES, "course.files")


@pytest.fixture
def folder(worker):
    return worker.scratch.empty()


def test_files_are_written_and_read_on_both_sides(learner, folder):
    learner.write(str(folder / "runs" / "a.txt"))
    assert (folder / "runs" / "a.txt").read_text() == "kept"
    (folder / "b.txt").write_text("from the check")
    assert learner.read(str(folder / "b.txt")) == "from the check"


def test_a_file_can_be_replaced_at_once(learner, folder):
    learner.write(str(folder / "new"), "new")
    learner.write(str(folder / "old"), "old")
    learner.replace(str(folder / "new"), str(folder / "old"))
    assert (folder / "old").read_text() == "new"


def test_nothing_can_be_written_elsewhere(zygote, learner, folder, tmp_path):
    with zygote.worker(Limits(), scratch=True) as other:
        for place in (tmp_path, folder.parent, other.scratch.path):
            with pytest.raises(LearnerError):
                learner.write(str(place / "found"))
            assert not (place / "found").exists()


def test_the_folders_of_other_workers_cannot_be_found(zygote, learner, folder):
    with zygote.worker(Limits(), scratch=True), pytest.raises(LearnerError, match="Permission denied"):
        learner.listing(str(folder.parent))
    assert learner.listing(str(folder)) == []


def test_a_worker_without_a_folder_writes_nowhere(zygote, tmp_path):
    with zygote.worker(Limits()) as worker:
        learner = worker.load(SOURCES, "course.files")
        with pytest.raises(LearnerError):
            learner.write(os.path.join(zygote.scratch, "found"))


def test_links_cannot_be_made(learner, folder):
    with pytest.raises(LearnerError):
        learner.link(str(folder / "link"), "/etc/passwd")
    with pytest.raises(LearnerError):
        learner.hard_link(str(folder / "link"), "/etc/passwd")
    assert not os.path.lexists(folder / "link")


def test_a_file_cannot_grow_beyond_the_limit(learner, folder):
    with pytest.raises(LearnerError):
        learner.write(str(folder / "large"), "x" * 5000)
    assert (folder / "large").stat().st_size <= 1000


def test_the_folder_goes_with_its_worker(zygote):
    with zygote.worker(Limits(), scratch=True) as worker:
        path = worker.scratch.path
        (path / "left").write_text("")
    assert not path.exists()


def test_the_fork_server_leaves_nothing_behind():
    with Zygote(["numpy"]) as zygote, zygote.worker(Limits(), scratch=True):
        root = Path(zygote.scratch)
        assert root.is_dir()
    assert not root.exists()


def test_files_are_remembered_and_put_back(tmp_path):
    scratch = Scratch(str(tmp_path))
    (scratch.path / "a" / "b").mkdir(parents=True)
    (scratch.path / "a" / "b" / "c").write_bytes(b"1")
    kept = scratch.files()
    (scratch.path / "a" / "b" / "c").write_bytes(b"2")
    (scratch.path / "d").write_bytes(b"3")
    scratch.restore(kept)
    assert scratch.files() == kept == {"a/b/c": b"1"}


def test_a_file_that_changes_and_keeps_its_size_is_read_again(tmp_path):
    scratch = Scratch(str(tmp_path))
    for content in (b"1", b"2", b"3"):
        (scratch.path / "a").write_bytes(content)  # so fast that its time may stay as well
        assert [scratch.files(), scratch.files()] == [{"a": content}] * 2
    os.utime(scratch.path / "a", ns=(0, 0))
    assert scratch.files() == {"a": b"3"}
    (scratch.path / "a").write_bytes(b"4")
    assert scratch.files() == {"a": b"4"}


def test_times_and_process_ids_do_not_tell_files_apart():
    assert names({"events.1732.host.77": b"x"}) == names({"events.1733.host.8": b"y"}) != names({"model.pt": b"x"})


def test_sizes_tell_files_apart():
    assert names({"model.pt": b"xy"}) != names({"model.pt": b"x"})
