"""Whose work is where: every layout that the README promises, and everything hostile or broken that somebody may hand in."""

import os
import random
import stat
import struct
import tempfile
import zipfile
from pathlib import Path

import pytest

from autograder.authoring.release import release
from autograder.grading.entries import MAX_FILE
from autograder.grading.submission import SubmissionError, find_submissions
from tests.courses import write_course

RELU = b"def relu(x):\n    return x\n"
LAYER = b"class Layer:\n    pass\n"
ACTIVATIONS, LAYERS = "m00_foundations/activations", "m00_foundations/layers"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Two modules; both have an exercise called layers."""
    files = {
        "solutions/m01_deeper/layers.py": "def dropout(x):\n    # BEGIN SOLUTION\n    return x\n    # END SOLUTION\n",
        "solutions/m01_deeper/norms.py": "def norm(x):\n    # BEGIN SOLUTION\n    return x\n    # END SOLUTION\n",
    }
    return write_course(tmp_path_factory.mktemp("courses") / "course", files)


@pytest.fixture
def find(course):
    """Find the submissions in a folder: by learner."""
    return lambda root: {found.learner: found for found in find_submissions(root, course.exercises)}


@pytest.fixture
def folder(tmp_path):
    """A class folder with one faultless learner, who has to come through whatever the others do."""
    write(tmp_path / "class/zoe/activations.py")
    return tmp_path / "class"


def write(path, content=RELU):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write_zip(path, members, method=zipfile.ZIP_DEFLATED):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return path


def patch_zip(path, offset, value):
    """Overwrite a field of every entry, in the table of contents (at `offset` of its record) and before the data."""
    data = bytearray(path.read_bytes())
    for signature, start in ((b"PK\x01\x02", offset), (b"PK\x03\x04", offset - 2)):
        place = data.find(signature)
        while place >= 0:
            data[place + start : place + start + len(value)] = value
            place = data.find(signature, place + 4)
    path.write_bytes(data)


def said(submission):
    return " ".join([*submission.notes, *submission.refused.values()])


# What the README promises


def test_a_class_of_folders_zips_and_single_files(find, tmp_path):
    write(tmp_path / "ann/m00_foundations/activations.py", b"# ann")
    write(tmp_path / "bob/activations.py", b"# bob")
    write(tmp_path / "cid/homework/first hand-in/m00_foundations/activations.py", b"# cid")
    write_zip(tmp_path / "dan.zip", {"m00_foundations/activations.py": "# dan"})
    write_zip(tmp_path / "eve.ZIP", {"eve's work/m00_foundations/activations.py": "# eve"})
    write(tmp_path / "fay_activations.py", b"# fay")
    write(tmp_path / "gus-activations.py", b"# gus")
    write(tmp_path / "hal.py", RELU)
    found = find(tmp_path)
    read = {learner: submission.files for learner, submission in found.items()}
    assert read.pop("hal") == {ACTIVATIONS: RELU}
    assert read == {
        name: {ACTIVATIONS: f"# {name}".encode()} for name in ("ann", "bob", "cid", "dan", "eve", "fay", "gus")
    }
    assert all(not said(submission) for submission in found.values())


def test_single_files_of_one_learner_belong_together(find, tmp_path):
    write(tmp_path / "ann_activations.py")
    write(tmp_path / "ann_norms.py", b"# norms")
    write(tmp_path / "ann_lee_norms.py", b"# norms")
    found = find(tmp_path)
    assert found["ann"].files == {ACTIVATIONS: RELU, "m01_deeper/norms": b"# norms"}
    assert found["ann_lee"].files == {"m01_deeper/norms": b"# norms"}


def test_a_name_in_two_modules_is_told_by_its_folder(find, tmp_path):
    write(tmp_path / "ann/m00_foundations/layers.py", b"# first")
    write(tmp_path / "ann/m01_deeper/layers.py", b"# second")
    write(tmp_path / "bob/layers.py", b"# which?")
    found = find(tmp_path)
    assert found["ann"].files == {LAYERS: b"# first", "m01_deeper/layers": b"# second"}
    assert found["bob"].files == {}
    assert "m00_foundations/layers, m01_deeper/layers: put it into a folder named like its module" in said(found["bob"])


@pytest.mark.parametrize("inside", ["activations.py", "m00_foundations/activations.py"])
def test_a_path_to_one_folder(find, tmp_path, inside):
    write(tmp_path / "ann" / inside)
    assert find(tmp_path / "ann")["ann"].files == {ACTIVATIONS: RELU}


@pytest.mark.parametrize("name", ["ann_activations.py", "ann.py"])
def test_a_path_to_one_file(find, tmp_path, name):
    assert find(write(tmp_path / name))["ann"].files == {ACTIVATIONS: RELU}


def test_a_path_to_a_file_named_like_its_exercise(find, tmp_path):
    assert find(write(tmp_path / "activations.py"))["activations"].files == {ACTIVATIONS: RELU}


def test_a_path_to_one_zip(find, tmp_path):
    assert find(write_zip(tmp_path / "ann.zip", {"top/activations.py": RELU}))["ann"].files == {ACTIVATIONS: RELU}


def test_the_path_may_be_relative_or_a_link(find, tmp_path, monkeypatch):
    write(tmp_path / "real/activations.py")
    (tmp_path / "ann").symlink_to("real")
    monkeypatch.chdir(tmp_path / "real")
    assert find(Path("."))["real"].files == {ACTIVATIONS: RELU}
    assert find(tmp_path / "ann")["ann"].files == {ACTIVATIONS: RELU}


def test_a_whole_released_repository(find, course, tmp_path):
    release(course, tmp_path / "class/ann")
    write(tmp_path / "class/ann/exercises/m00_foundations/activations.py")
    write(tmp_path / "class/ann/.git/m00_foundations/activations.py", b"# an old version")
    write(tmp_path / "class/ann/.venv/lib/layers.py", b"# somebody else's")
    for root in (tmp_path / "class", tmp_path / "class/ann"):
        submission = find(root)["ann"]
        assert submission.files[ACTIVATIONS] == RELU
        assert submission.files.keys() == {ACTIVATIONS, LAYERS, "m01_deeper/layers", "m01_deeper/norms"}
        assert not said(submission)


def test_what_is_no_submission_is_left_out(find, folder):
    write(folder / "README.md")
    write(folder / ".DS_Store")
    write(folder / "__pycache__/activations.py")
    write_zip(folder / "ann.zip", {"__MACOSX/activations.py": "#", "._activations.py": "#", "activations.py": RELU})
    found = find(folder)
    assert found.keys() == {"ann", "zoe"}
    assert found["ann"].files == {ACTIVATIONS: RELU}
    assert not said(found["ann"])


# Nothing there


def test_a_path_that_is_not_there(find, tmp_path):
    with pytest.raises(SubmissionError, match="no such file or folder"):
        find(tmp_path / "missing")


def test_an_empty_folder(find, tmp_path):
    with pytest.raises(SubmissionError, match="no submissions in it"):
        find(tmp_path)


def test_a_path_that_is_neither_file_nor_folder(find, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SubmissionError, match="neither a file nor a folder"):
        find(tmp_path / "pipe")


def test_an_empty_folder_of_a_learner_is_a_learner_without_work(find, folder):
    (folder / "ann").mkdir()
    write_zip(folder / "bob.zip", {})
    found = find(folder)
    assert found["ann"].files == found["bob"].files == {}


# Twice


def test_the_file_nearest_to_the_top_is_taken(find, folder):
    write(folder / "ann/activations.py", b"# near")
    write(folder / "ann/backup/m00_foundations/activations.py", b"# far")
    ann = find(folder)["ann"]
    assert ann.files == {ACTIVATIONS: b"# near"}
    assert "backup/m00_foundations/activations.py: handed in twice; the first one was graded" in said(ann)


def test_a_learner_with_a_folder_and_a_zip(find, folder):
    write(folder / "ann/activations.py", b"# folder")
    write_zip(folder / "ann.zip", {"activations.py": "# zip", "norms.py": "# zip"})
    write(folder / "ann_norms.py", b"# file")
    ann = find(folder)["ann"]
    assert ann.files == {ACTIVATIONS: b"# folder", "m01_deeper/norms": b"# zip"}
    assert said(ann).count("handed in twice") == 2


def test_a_readable_copy_makes_up_for_an_unreadable_one(find, folder):
    (folder / "ann").mkdir()
    (folder / "ann/activations.py").symlink_to("/etc/passwd")
    write(folder / "ann/copy/activations.py")
    ann = find(folder)["ann"]
    assert (ann.files, ann.refused) == ({ACTIVATIONS: RELU}, {})


# Links and special files


def test_links_are_not_followed(find, folder):
    (folder / "ann").mkdir()
    (folder / "ann/activations.py").symlink_to(folder / "zoe/activations.py")
    (folder / "bob").mkdir()
    (folder / "bob/activations.py").symlink_to("/etc/passwd")
    (folder / "cid").symlink_to("zoe")
    (folder / "dan_activations.py").symlink_to(folder / "zoe/activations.py")
    (folder / "eve").mkdir()
    (folder / "eve/m00_foundations").symlink_to(folder / "zoe")
    (folder / "fay").mkdir()
    (folder / "fay/activations.py").symlink_to("nowhere")
    (folder / "gus.zip").symlink_to("/etc/passwd")
    found = find(folder)
    assert found.keys() == {"ann", "bob", "cid", "dan", "eve", "fay", "gus", "zoe"}
    assert found.pop("zoe").files == {ACTIVATIONS: RELU}
    assert all(submission.files == {} for submission in found.values())
    for learner in ("ann", "bob", "cid", "dan", "fay", "gus"):
        assert "is a link; links are not followed" in said(found[learner])


def test_links_in_a_zip_are_not_followed(find, folder):
    link = zipfile.ZipInfo("activations.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(folder / "ann.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "is a link" in find(folder)["ann"].refused[ACTIVATIONS]


def test_folders_that_link_to_each_other(find, folder):
    write(folder / "ann/m00_foundations/activations.py")
    (folder / "ann/m00_foundations/loop").symlink_to("..")
    (folder / "ann/self").symlink_to("self")
    (folder / "self").symlink_to("self")
    found = find(folder)
    assert found["ann"].files == found["zoe"].files == {ACTIVATIONS: RELU}


def test_a_pipe_is_not_read(find, folder):
    (folder / "ann").mkdir()
    os.mkfifo(folder / "ann/activations.py")
    os.mkfifo(folder / "bob_activations.py")
    os.mkfifo(folder / "cid.zip")
    os.mkfifo(folder / "dan.py")
    found = find(folder)
    assert found["ann"].refused == {ACTIVATIONS: "activations.py is not a regular file"}
    assert "is not a regular file" in found["bob"].refused[ACTIVATIONS]
    assert "cid.zip" in said(found["cid"])
    assert found["zoe"].files == {ACTIVATIONS: RELU}


def test_a_folder_named_like_a_file(find, folder):
    write(folder / "ann/activations.py/activations.py")
    write(folder / "bob.zip/activations.py")
    write(folder / "cid_activations.py/activations.py")
    found = find(folder)
    assert found["ann"].files == found["bob.zip"].files == found["cid_activations.py"].files == {ACTIVATIONS: RELU}


def test_what_cannot_be_read(find, course):
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        root = Path(name)
        root.chmod(0o755)
        for path in ("ann/activations.py", "bob_activations.py", "cid.py", "dan.zip"):
            write(root / path).chmod(0)
        write(root / "eve/activations.py")
        (root / "eve").chmod(0)
        write(root / "zoe/activations.py")
        rights = os.geteuid()
        assert [e.tasks for e in course.exercises]  # read while it may be
        os.seteuid(65534) if rights == 0 else None
        try:
            found = find(root)
        finally:
            os.seteuid(rights)
            (root / "eve").chmod(0o755)
    assert found["ann"].refused == {ACTIVATIONS: "activations.py cannot be read (Permission denied)"}
    assert found["bob"].refused == {ACTIVATIONS: "bob_activations.py cannot be read (Permission denied)"}
    assert "cannot be read (Permission denied)" in said(found["cid"])
    assert "dan.zip cannot be opened as a zip file: Permission denied" in said(found["dan"])
    assert "cannot be read (Permission denied)" in said(found["eve"])
    assert all(submission.files == {} for learner, submission in found.items() if learner != "zoe")
    assert found["zoe"].files == {ACTIVATIONS: RELU}


# Sizes and numbers


def test_large_files_are_told_from_their_size_alone(find, folder):
    for name in ("ann/activations.py", "ann/notes.py", "ann/data.npy", "bob_activations.py", "cid.py"):
        write(folder / name, b"")
        os.truncate(folder / name, 1 << 30)
    found = find(folder)
    for learner in ("ann", "bob"):
        assert f"is too large ({1 << 30} bytes; at most {MAX_FILE})" in found[learner].refused[ACTIVATIONS]
    assert all(found[learner].files == {} for learner in ("ann", "bob", "cid"))
    assert "cid.py" in said(found["cid"])


def test_a_file_of_exactly_the_limit_is_taken(find, folder):
    write(folder / "ann/activations.py", b"#" * MAX_FILE)
    write(folder / "bob/activations.py", b"#" * (MAX_FILE + 1))
    found = find(folder)
    assert len(found["ann"].files[ACTIVATIONS]) == MAX_FILE
    assert "is too large" in found["bob"].refused[ACTIVATIONS]


def test_work_is_found_beside_thousands_of_other_files(find, folder):
    for number in range(6000):
        write(folder / f"ann/data/{number}.png", b"")
    write(folder / "ann/m00_foundations/activations.py")
    write_zip(
        folder / "bob.zip",
        {f"data/{number}.png": b"" for number in range(6000)} | {"m00_foundations/activations.py": RELU},
    )
    found = find(folder)
    for learner in ("ann", "bob"):
        assert found[learner].files == {ACTIVATIONS: RELU}
        assert not said(found[learner])


def test_too_many_python_files_are_said_to_be_too_many(find, folder):
    files = {f"junk/{number % 20}/f{number}.py": b"" for number in range(6000)}
    for name in files:
        write(folder / "ann" / name, b"")
    write_zip(folder / "bob.zip", files)
    found = find(folder)
    assert all("more than 5000 Python files" in said(found[learner]) for learner in ("ann", "bob"))


def test_very_deep_folders(find, folder):
    write(folder / "ann" / "/".join("d" * 11) / "activations.py")
    deep = folder / "bob"
    for _ in range(300):
        deep /= "d"
    write(deep / "activations.py")
    write_zip(folder / "cid.zip", {"d/" * 5000 + "activations.py": RELU})
    found = find(folder)
    assert found["ann"].files == {ACTIVATIONS: RELU}
    assert found["bob"].files == found["cid"].files == {}


def test_notes_stay_few_and_short(find, folder):
    for number in range(200):
        write(folder / f"ann/copy{number}/activations.py")
        write(folder / f"bob/m00_foundations/exercise{number}.py")
    write_zip(folder / "cid.zip", {"x" * 60_000 + "/m00_foundations/other.py": RELU})
    write_zip(folder / "dan.zip", {"activations.py": RELU})
    patch_zip(folder / "dan.zip", 28, struct.pack("<H", 60_000))
    found = find(folder)
    for learner in ("ann", "bob", "cid", "dan"):
        assert len(found[learner].notes) <= 21
        assert len(said(found[learner])) < 10_000


# Zip files


@pytest.mark.parametrize(
    "name",
    ["../activations.py", "a/../../activations.py", "/activations.py", "\\activations.py", "..\\..\\activations.py"],
)
def test_a_zip_cannot_reach_out_of_itself(find, folder, name):
    write_zip(folder / "ann.zip", {name: RELU, "m01_deeper/norms.py": RELU})
    ann = find(folder)["ann"]
    assert ann.files == {"m01_deeper/norms": RELU}
    assert "has a path that leads out of the archive" in ann.refused[ACTIVATIONS]


def test_a_zip_bomb_is_refused(find, folder):
    with zipfile.ZipFile(folder / "ann.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("activations.py", "w") as member:
            for _ in range(200):
                member.write(bytes(1 << 20))
        archive.writestr("norms.py", RELU)
    assert (folder / "ann.zip").stat().st_size < 1 << 20
    ann = find(folder)["ann"]
    assert ann.refused == {ACTIVATIONS: f"activations.py is too large ({200 << 20} bytes; at most {MAX_FILE})"}
    assert ann.files == {"m01_deeper/norms": RELU}


@pytest.mark.parametrize("announced", [0, 10, MAX_FILE])
def test_a_zip_that_lies_about_a_size_is_refused(find, folder, announced):
    write_zip(folder / "ann.zip", {"activations.py": bytes(50 << 20)})
    patch_zip(folder / "ann.zip", 24, struct.pack("<I", announced))
    ann = find(folder)["ann"]
    assert ann.files == {}
    assert "activations.py cannot be read" in ann.refused[ACTIVATIONS]


def test_a_zip_that_announces_too_much_is_refused(find, folder):
    write_zip(folder / "ann.zip", {"activations.py": RELU})
    patch_zip(folder / "ann.zip", 24, struct.pack("<I", 3 << 30))
    assert "is too large" in find(folder)["ann"].refused[ACTIVATIONS]


def test_an_encrypted_member_is_refused(find, folder):
    write_zip(folder / "ann.zip", {"activations.py": RELU})
    patch_zip(folder / "ann.zip", 8, b"\x01\x00")
    assert find(folder)["ann"].refused == {ACTIVATIONS: "activations.py is encrypted"}


def test_a_member_of_an_unknown_compression_is_refused(find, folder):
    write_zip(folder / "ann.zip", {"activations.py": RELU})
    patch_zip(folder / "ann.zip", 10, b"\x63\x00")
    assert "cannot be read" in find(folder)["ann"].refused[ACTIVATIONS]


def test_what_is_no_zip_or_only_the_beginning_of_one(find, folder):
    whole = write_zip(folder / "whole.zip", {"activations.py": RELU * 100}).read_bytes()
    write(folder / "ann.zip", b"")
    write(folder / "bob.zip", b"Rar!\x1a\x07\x00 this is no zip file")
    write(folder / "cid.zip", whole[:-10])
    write(folder / "dan.zip", whole[len(whole) // 2 :])
    write(folder / "eve.zip", bytes(random.Random(0).randbytes(5000)))
    found = find(folder)
    assert found["whole"].files == {ACTIVATIONS: RELU * 100}
    for learner in ("ann", "bob", "cid", "dan", "eve"):
        assert found[learner].files == {}
        assert said(found[learner])


def test_a_zip_with_an_enormous_table_of_contents(find, folder, monkeypatch):
    monkeypatch.setattr("autograder.grading.entries.MAX_CONTENTS", 1 << 16)
    write_zip(folder / "ann.zip", {f"{number}/{'x' * 100}": b"" for number in range(1000)})
    found = find(folder)
    assert "ann.zip cannot be opened as a zip file: its table of contents is too large" in said(found["ann"])
    assert found["zoe"].files == {ACTIVATIONS: RELU}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_no_damage_to_a_zip_is_more_than_its_owners_trouble(find, tmp_path, method):
    path = write_zip(tmp_path / "ann.zip", {"top/m00_foundations/activations.py": RELU * 30, "norms.py": RELU}, method)
    whole, dice = path.read_bytes(), random.Random(method)
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(dice.choice([1, 1, 3, 20])):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        path.write_bytes(damaged[: dice.randrange(len(damaged))] if dice.random() < 0.2 else damaged)
        assert find(path).keys() == {"ann"}


# Contents and names


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 100, b"\x7fELF\x02\x01" + bytes(range(256)), "def f(): …".encode("utf-16")]
)
def test_any_content_is_taken_as_it_is(find, folder, content):
    write(folder / "ann/activations.py", content)
    write_zip(folder / "bob.zip", {"activations.py": content})
    found = find(folder)
    assert found["ann"].files == found["bob"].files == {ACTIVATIONS: content}


def test_files_that_play_the_part_of_other_modules_are_not_taken(find, folder):
    for name in ("torch.py", "numpy.py", "conftest.py", "pytest.ini", "sitecustomize.py", "test_activations.py"):
        write(folder / "ann/m00_foundations" / name)
    write(folder / "ann/m00_foundations/activations.py", b"# mine")
    ann = find(folder)["ann"]
    assert ann.files == {ACTIVATIONS: b"# mine"}
    assert "m00_foundations/torch.py belongs to no exercise of this course; it was not graded" in said(ann)


@pytest.mark.parametrize(
    ("on_disk", "learner"),
    [
        (b"<script>alert(1)<script>", "<script>alert(1)<script>"),
        ("zoë 🦊".encode(), "zoë 🦊"),
        (b"ann\nbob", "ann\nbob"),
        (b"ann\xff\xfe", "ann\\xff\\xfe"),
        (b"=cmd()", "=cmd()"),
        (b"ann..", "ann.."),
        (b"-rf", "-rf"),
        ("m\u202eza".encode(), "m\u202eza"),
    ],
)
def test_any_name_of_a_learner(find, folder, on_disk, learner):
    root = os.fsencode(folder)
    os.mkdir(os.path.join(root, on_disk))
    write(Path(os.fsdecode(os.path.join(root, on_disk))) / "activations.py")
    write(Path(os.fsdecode(os.path.join(root, on_disk + b"2_activations.py"))))
    found = find(folder)
    assert found[learner].files == found[learner + "2"].files == {ACTIVATIONS: RELU}
    learner.encode()  # it can be written into reports


def test_odd_names_inside_a_submission_are_said_in_plain_text(find, folder):
    for name in (b"a\nb\x1b[31m.py", b"bad\xff.py", "\u202egpj.py".encode()):
        write(Path(os.fsdecode(os.path.join(os.fsencode(folder), b"ann", name))))
    write_zip(folder / "bob.zip", {"a\nb\x1b[31m.py": RELU, "m00_foundations/🦊.py": RELU})
    (folder / "cid\x1b[31m\udcff.zip").write_bytes(b"no zip")
    found = find(folder)
    assert len(found["ann"].notes) == 3
    assert len(found["bob"].notes) == 2
    for submission in found.values():
        assert said(submission).isprintable()
