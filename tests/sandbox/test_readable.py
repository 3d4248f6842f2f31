"""What a worker may read: its libraries and what they need, and no other package."""

import os
import sysconfig
from pathlib import Path

import pytest

import autograder
from autograder.sandbox import landlock
from autograder.sandbox.readable import importable_modules, readable_by_others, readable_paths

SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
STDLIB = Path(sysconfig.get_path("stdlib"))


def covers(paths: list[str], place: Path) -> bool:
    """Whether reading `paths` includes `place`."""
    return any(place.resolve().is_relative_to(Path(path).resolve()) for path in paths)


class TestInstalled:
    def test_the_standard_library_without_the_packages_in_it(self):
        paths = readable_paths([])
        for name in ("os.py", "json/__init__.py", "encodings"):
            assert covers(paths, STDLIB / name)
        for folder in (STDLIB / "site-packages", STDLIB / "dist-packages", SITE_PACKAGES):
            assert not covers(paths, folder)

    def test_a_library_and_what_it_needs(self):
        paths = readable_paths(["jaxtyping"])
        assert covers(paths, SITE_PACKAGES / "jaxtyping")
        assert covers(paths, SITE_PACKAGES / "wadler_lindig")

    def test_no_other_package(self):
        installed = [Path(path).name for path in readable_paths(["numpy"]) if Path(path).parent == SITE_PACKAGES]
        assert "numpy" in installed
        assert all(name.startswith("numpy") for name in installed)

    def test_not_this_package(self):
        assert not covers(readable_paths(["numpy", "jaxtyping"]), Path(autograder.__file__))

    def test_not_the_packages_of_other_pythons(self):
        paths = readable_paths(["numpy"])
        for library in ("/usr/lib", "/usr/lib64", "/usr/local/lib"):
            for folder in Path(library).glob("python3*/*-packages"):
                assert not covers(paths, folder)

    def test_neither_homes_nor_processes(self):
        paths = readable_paths(["numpy"])
        for place in ("/", "/home", "/root", "/etc", "/tmp", "/proc", "/usr"):
            assert not covers(paths, Path(place))

    def test_every_path_exists(self):
        assert all(os.path.exists(path) for path in readable_paths(["numpy"]))


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of installed packages on the path; `site(name, files, requires)` installs one."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name, files, requires=(), extras=()):
        info = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        fields = [f"Requires-Dist: {requirement}" for requirement in requires] + [
            f"Provides-Extra: {e}" for e in extras
        ]
        (info / "METADATA").write_text(
            "\n".join(["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *fields, ""])
        )
        (info / "RECORD").write_text("".join(f"{file},sha256=a/b,1\n" for file in [*files, f"{info.name}/RECORD"]))
        for file in files:
            if not file.startswith(("/", "..")):
                (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / file).write_text("")

    install.folder = tmp_path
    install.readable = lambda *libraries: {
        Path(path).name for path in readable_paths(libraries) if Path(path).is_relative_to(tmp_path)
    }
    return install


class TestRecords:
    def test_top_level_folders_files_and_shared_libraries(self, site):
        site("first", ["first/__init__.py", "first.libs/a.so", "single.py", "__pycache__/single.pyc"])
        site("other", ["other/__init__.py", "__pycache__/other.pyc"])
        assert site.readable("first") == {"first", "first.libs", "single.py", "single.pyc", "first-1.0.dist-info"}

    def test_a_library_under_another_name(self, site):
        site("py-second", ["second/__init__.py"])
        assert "second" in site.readable("second")

    def test_requirements_of_requirements(self, site):
        site("first", ["first.py"], ["second>=1"])
        site("second", ["second.py"], ["third"])
        site("third", ["third.py"])
        assert {"first.py", "second.py", "third.py"} <= site.readable("first")

    def test_only_requirements_that_apply_here(self, site):
        site("first", ["first.py"], ['second; sys_platform == "nowhere"', 'third; python_version >= "3"'])
        site("second", ["second.py"])
        site("third", ["third.py"])
        assert {"second.py", "third.py"} & site.readable("first") == {"third.py"}

    def test_extras_only_where_a_requirement_asks_for_them(self, site):
        site("first", ["first.py"], ["second[fast]", 'fourth; extra == "all"'], ["all"])
        site("second", ["second.py"], ['third; extra == "fast"', 'fourth; extra == "slow"'], ["fast", "slow"])
        site("third", ["third.py"])
        site("fourth", ["fourth.py"])
        assert {"third.py", "fourth.py"} & site.readable("first") == {"third.py"}

    def test_requirements_in_a_circle_or_missing(self, site):
        site("first", ["first.py"], ["second", "not-installed"])
        site("second", ["second.py"], ["first"])
        assert {"first.py", "second.py"} <= site.readable("first")

    def test_the_modules_that_can_be_imported(self, site):
        site("first", ["first/__init__.py", "first/part.py", "first.libs/a.so", "../../bin/run"], ["py-second"])
        site("py-second", ["second.py", "_second.cpython-311-x86_64-linux-gnu.so", "__pycache__/second.pyc"])
        site("other", ["other.py"])
        assert importable_modules(["first"]) == ["_second", "first", "second"]

    def test_records_that_point_elsewhere_grant_nothing(self, site):
        site("first", ["first.py", "../../bin/first", "/etc/first"])
        paths = readable_paths(["first"])
        for place in ("/etc", "/", str(site.folder), str(site.folder.parent)):
            assert place not in paths

    def test_a_folder_on_the_path_that_nobody_installed(self, site):
        (site.folder / "loose").mkdir()
        (site.folder / "loose" / "__init__.py").write_text("")
        (site.folder / "alone.py").write_text("")
        assert site.readable("loose", "alone") == {"loose", "alone.py"}


class TestForOthers:
    def test_folders_must_let_others_through(self, tmp_path):
        shut, file = tmp_path / "shut", tmp_path / "shut" / "file"
        shut.mkdir(mode=0o700)
        file.write_text("")
        assert not readable_by_others([str(file)])

    def test_files_must_let_others_read(self, tmp_path):
        assert readable_by_others(["/dev/null", "/usr"])
        secret = tmp_path / "secret"
        secret.write_text("")
        secret.chmod(0o600)
        assert not readable_by_others([str(secret)])


@pytest.mark.skipif(landlock.abi() < 3, reason="this kernel has no Landlock, or too old a one")
def test_enough_to_import_the_library_and_nothing_else(in_child):
    code = """
    from importlib.util import find_spec
    from autograder.sandbox.readable import readable_paths
    paths = readable_paths(["numpy"])
    find_spec("a_module_that_does_not_exist")
    jail.confine_zygote(paths)
    def names():
        import sqlite3, colorsys, ctypes.util, email.mime.text, importlib.metadata
        import numpy as np
        import numpy.polynomial, numpy.random, numpy.testing
        found = [str(np.linalg.svd(np.eye(2))[1]), sqlite3.connect(":memory:").execute("select 1").fetchone()[0]]
        for other in ("pydantic", "rich", "matplotlib"):
            try:
                __import__(other)
            except OSError:
                found.append(other)
        found.append(refused(open, jail.__file__))
        return found
    result = ask(lambda: (jail.lock_down(jail.Limits(), mapped_bytes=1 << 34), names())[1])
    """
    assert in_child(code) == ["[1. 1.]", 1, "pydantic", "rich", "matplotlib", True]
