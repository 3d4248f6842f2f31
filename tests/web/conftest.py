import shutil

import pytest

from tests.web.classroom import Browser, Classroom, desk


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    return Classroom(tmp_path_factory.mktemp("classroom"))


@pytest.fixture
def classroom(made, tmp_path):
    """That class, to be changed."""
    copy = Classroom.__new__(Classroom)
    copy.course, copy.db = type(made.course)(tmp_path / "course"), tmp_path / "gradebook.sqlite"
    shutil.copytree(made.course.root, copy.course.root)
    shutil.copy(made.db, copy.db)
    return copy


@pytest.fixture
def browser(classroom):
    with desk(classroom) as opened:
        yield Browser(opened)
