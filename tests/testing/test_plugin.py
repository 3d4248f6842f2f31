"""What pytest does with the checks of a course: order, statuses, letters, exit code, summary."""

import itertools
import sys

import pytest

from autograder.sandbox import errors
from autograder.testing import NotLoaded, running
from autograder.testing.provider import LocalProvider

SHAPE_LOST = "return np.ravel(x) * 2.0**times"


def lines_after(result, heading):
    lines = result.outlines
    start = next(i for i, line in enumerate(lines) if heading in line)
    return lines[start + 1 :]


def test_a_stub_is_not_started(course):
    result = course.run(course.public)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*test_basics.py n-n *",
            "*= exercises =*",
            "m00_tiny/basics: 2 not started",
            "next: double, exercises/m00_tiny/basics.py:6",
            "*= 2 not started, 1 not reached in *",
        ]
    )
    result.stdout.no_fnmatch_line("*FAILURES*")


def test_words_of_a_verbose_run(course):
    course.solve(softmax="raise NotImplementedError", double=SHAPE_LOST)
    course.run(course.public, "-v").stdout.fnmatch_lines(
        [
            "*::test_double_keeps_the_shape FAILED *",
            "*::test_double_of_known_values NOT REACHED *",
            "*::test_softmax_sums_to_one NOT STARTED *",
        ]
    )


def test_a_finished_exercise_passes(course):
    course.solve(softmax="weights = np.exp(x)\nreturn weights / weights.sum(axis=axis, keepdims=True)")
    result = course.run(course.public)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["m00_tiny/basics: double 2/2, softmax 1/1", "all of these checks pass"])


def test_counts_and_the_next_step(course):
    course.solve(double="return x * 2.5")
    result = course.run(course.public)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["m00_tiny/basics: double 1/2, softmax 0/1", "next: double, exercises/m00_tiny/basics.py:6"]
    )


def test_stages_run_in_order_and_stop_at_the_first_that_fails(course):
    course.write(
        {
            course.public: """\
            import pytest

            @pytest.mark.stage("robust")
            def test_double_d(learner):
                assert learner.double(1)

            @pytest.mark.stage("whole")
            def test_double_c(learner):
                assert learner.double(1) == 3

            def test_softmax(learner):
                assert learner.softmax(1) is None

            @pytest.mark.stage("whole")
            def test_double_e(learner):
                assert learner.double(1) == 2

            def test_double_b(learner):
                assert learner.double(1) == 2

            @pytest.mark.stage("shape")
            def test_double_a(learner):
                assert learner.double(1) == 2
            """
        }
    )
    course.solve()
    result = course.run(course.public, "-v")
    order = [line.split("::")[1].split()[:2] for line in result.outlines if "::" in line and "%]" in line]
    assert order == [
        ["test_double_a", "PASSED"],
        ["test_double_b", "PASSED"],
        ["test_softmax", "PASSED"],
        ["test_double_c", "FAILED"],
        ["test_double_e", "PASSED"],
        ["test_double_d", "NOT"],
    ]


def test_a_file_that_does_not_load_is_shown_once(course):
    course.write({"exercises/m00_tiny/basics.py": "import numpy as np\n\n\ndef double(x:\n    return x\n"})
    result = course.run(course.public)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*test_basics.py F-- *",
            "exercises/m00_tiny/basics.py could not be loaded",
            "SyntaxError: *",
            "  exercises/m00_tiny/basics.py:4",
            "    def double(x:",
            "*^*",
            "m00_tiny/basics: cannot be loaded",
            "next: basics.py has to load, exercises/m00_tiny/basics.py:4",
            "*= 1 failed, 2 not reached in *",
        ]
    )


def test_forbidden_imports_are_told_before_anything_runs(course):
    course.write({"exercises/m00_tiny/basics.py": "import os\nimport torch\nos._exit(3)\n"})
    course.run(course.public).stdout.fnmatch_lines(
        [
            "line 2 imports torch, which this exercise does not allow (allowed: jaxtyping,",
            "  numpy and the standard library)",
        ]
    )


def test_hidden_graders_run_on_the_solutions_by_default(course):
    result = course.run(course.hidden)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["m00_tiny/basics (hidden checks): double 1/1, softmax 1/1"])


def test_another_learners_folder_can_be_named(course):
    course.solve(double="return -x * 2.0**times")
    result = course.run(course.hidden, "--learner-dir", "exercises", "-k", "double")
    result.stdout.fnmatch_lines(
        [
            "all * values of the result are wrong, *",
            "*every value has the wrong sign*",
            "next: pytest graders/m00_tiny/test_basics.py::test_double_equals_the_reference --learner-dir exercises*",
        ]
    )


def test_the_reference_is_not_for_public_checks(course):
    course.write({course.public: "def test_double(learner, reference):\n    pass\n"})
    course.run(course.public).stdout.fnmatch_lines(["*`reference` is for hidden graders*"])


def test_one_seed_gives_the_same_inputs_again(course):
    course.solve(double="raise ValueError(f'{x.sum()}')")
    seeded = [course.run(course.public, "-k", "shape", "--probe-seed", "7").outlines for _ in range(2)]
    texts = [next(line for line in lines if "ValueError" in line) for lines in seeded]
    fresh = course.run(course.public, "-k", "shape").outlines
    assert texts[0] == texts[1]
    assert texts[0] not in fresh
    assert any(line.endswith("::test_double_keeps_the_shape --probe-seed 7") for line in seeded[0])


def test_a_seed_is_a_whole_number(course):
    result = course.run(course.public, "--probe-seed", "x")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--probe-seed: a seed is a whole number from 0, not 'x'*"])


def test_modules_with_files_of_one_name_run_together(course):
    course.write(
        {
            "solutions/m01_other/basics.py": "def triple(x):\n    # BEGIN SOLUTION\n    return 3 * x\n    # END SOLUTION\n",
            "exercises/m01_other/basics.py": "def triple(x):\n    return 3 * x\n",
            "exercises/m01_other/test_basics.py": "def test_triple(learner):\n    assert learner.triple(2) == 6\n",
        }
    )
    result = course.run("exercises")
    result.stdout.fnmatch_lines(["m00_tiny/basics: 2 not started", "m01_other/basics: triple 1/1"])
    assert "1 passed, 2 not started, 1 not reached" in result.outlines[-1]


def test_an_exercise_may_import_another(course):
    course.write(
        {
            "solutions/m00_tiny/deep.py": "def deep(x):\n    # BEGIN SOLUTION\n    return 1\n    # END SOLUTION\n",
            "exercises/m00_tiny/deep.py": "from m00_tiny.basics import double\n\n\ndef deep(x):\n    return double(x)\n",
            "exercises/m00_tiny/test_deep.py": "def test_deep(learner):\n    assert learner.deep(2.0) == 4.0\n",
        }
    )
    result = course.run("exercises/m00_tiny/test_deep.py", "-v")
    result.stdout.fnmatch_lines(["*::test_deep NOT STARTED *", "m00_tiny/deep: 1 not started"])
    course.solve()
    course.run("exercises/m00_tiny/test_deep.py").stdout.fnmatch_lines(["m00_tiny/deep: deep 1/1"])


def test_a_learners_course_has_no_solutions(course):
    for folder in ("solutions", "graders"):
        for path in course.pytester.path.joinpath(folder, "m00_tiny").glob("*.py"):
            path.unlink()
        course.pytester.path.joinpath(folder, "m00_tiny").rmdir()
        course.pytester.path.joinpath(folder).rmdir()
    course.solve()
    course.run(course.public).stdout.fnmatch_lines(["m00_tiny/basics: double 2/2, softmax 0/1"])
    course.write({"exercises/m00_tiny/basics.py": "def dubble(x):\n    return x\n"})
    course.run(course.public).stdout.fnmatch_lines(
        ["basics.py has no function `double`", "m00_tiny/basics: double 0/2*"]
    )


def test_an_error_in_a_check_is_not_the_learners(course):
    course.solve()
    result = course.check("x = undefined\nlearner.double(x)")
    result.stdout.fnmatch_lines(["E   *NameError: name 'undefined' is not defined"])


def test_a_check_that_cannot_run_here_is_not_a_pass(course):
    course.solve()
    result = course.check("pytest.skip('needs a GPU')")
    result.stdout.fnmatch_lines(["m00_tiny/basics: double 0/1", "all of these checks pass, but for 1 that did not run"])


def test_one_check_can_be_named(course):
    course.solve()
    result = course.run(f"{course.public}::test_double_of_known_values")
    result.stdout.fnmatch_lines(["m00_tiny/basics: double 1/1"])


def test_it_works_from_within_the_modules_folder(course, monkeypatch):
    course.solve(double=SHAPE_LOST)
    monkeypatch.chdir(course.pytester.path / "exercises/m00_tiny")
    result = course.run("-k", "keeps", "--probe-seed=3")
    result.stdout.fnmatch_lines(
        ["next: pytest test_basics.py::test_double_keeps_the_shape --probe-seed 3", "next: double, basics.py:6"]
    )


def test_an_exception_that_hides_a_stub_does_not_pass(course):
    result = course.check("with pytest.raises(RuntimeError):\n    learner.double(1.0)", "-v")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*::test_double NOT STARTED *"])


def test_inputs_may_change_only_in_place(course):
    course.solve(double="x *= 2\nreturn x")
    course.check("learner.double(np.ones(2))").stdout.fnmatch_lines(["double changed its 1st argument in place"])
    course.write(
        {
            course.public: """\
            import numpy as np
            import pytest

            @pytest.mark.in_place
            def test_double(learner):
                x = np.ones(2)
                learner.double(x)
                assert x.tolist() == [2.0, 2.0]
            """
        }
    )
    assert course.run(course.public).ret == pytest.ExitCode.OK


def test_the_traceback_can_be_asked_for(course):
    course.solve(double="return x @ x")
    for option in ("--tb=long", "--full-trace"):
        result = course.run(course.public, option, "-k", "keeps")
        result.stdout.fnmatch_lines(["    return x @ x", "learner = *", "E * ValueError: matmul*"])


def test_the_junit_report_has_the_sentence(course):
    course.solve(double=SHAPE_LOST)
    course.run(course.public, "--junitxml=report.xml")
    report = course.pytester.path.joinpath("report.xml").read_text()
    assert "the result has shape (" in report
    assert 'type="pytest.skip" message="not reached: first' in report


@pytest.mark.parametrize(
    ("name", "frame"),
    [("keeps", "> *basics.py(8)double()"), ("softmax", "> *test_basics.py(*)test_softmax_sums_to_one()")],
)
def test_the_debugger_stops_where_the_learner_or_the_check_went_wrong(course, name, frame):
    course.solve(double="return x @ x", softmax="return x")
    command = [sys.executable, "-m", "pytest", "-p", "autograder.testing.plugin", "--pdb", course.public, "-k", name]
    result = course.pytester.run(*command, stdin=b"q\n")
    result.stdout.fnmatch_lines([frame, "*Quitting debugger*"])


def test_parallel_runs_report_the_same_outcomes(course):
    pytest.importorskip("xdist")
    course.solve(double=SHAPE_LOST)
    result = course.pytester.runpytest_subprocess(
        "-p", "xdist", "-p", "autograder.testing.plugin", "-n2", course.public
    )
    result.stdout.fnmatch_lines(["the result has shape *"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_colours_follow_pytest(course):
    assert "\x1b[" not in course.run(course.public, "--color=no").stdout.str()
    course.solve(double=SHAPE_LOST)
    assert "\x1b[31mthe result has shape" in course.run(course.public, "--color=yes").stdout.str()


class TestOtherTests:
    """Files that are no checks run as if the plugin were not there."""

    REPORT = """
    import sys

    def test_plain():
        print(*sorted(name for name in sys.modules))
    """

    def test_nothing_else_is_loaded(self, pytester):
        pytester.makepyfile(test_plain=self.REPORT)
        found = []
        for arguments in ((), ("-p", "no:autograder.testing.plugin")):
            result = pytester.runpytest_subprocess("-s", *arguments)
            result.assert_outcomes(passed=1)
            result.stdout.no_fnmatch_line("*= exercises =*")
            found.append(next(set(line.split()) for line in result.outlines if "_pytest.config" in line))
        assert found[0] - found[1] == {"autograder", "autograder.testing", "autograder.testing.plugin"}

    def test_fixtures_and_markers_of_these_names_are_free(self, pytester):
        pytester.makepyfile(
            """
            import pytest

            @pytest.fixture
            def probe():
                return 3

            def test_own_fixture(probe):
                assert probe == 3

            def test_no_fixture(learner):
                pass
            """
        )
        result = pytester.runpytest_inprocess()
        result.assert_outcomes(passed=1, errors=1)
        result.stdout.fnmatch_lines(["*fixture 'learner' not found"])

    def test_a_failure_keeps_its_traceback_beside_checks(self, course):
        course.write({"exercises/m00_tiny/test_other.py": "def test_other():\n    value = 3\n    assert value == 4\n"})
        course.solve()
        result = course.run("exercises")
        result.stdout.fnmatch_lines([">   *assert value == 4", "E   *assert 3 == 4"])

    def test_the_fixtures_say_where_they_work(self, course):
        course.write({"exercises/m00_tiny/test_other.py": "def test_other(learner):\n    pass\n"})
        course.run("exercises").stdout.fnmatch_lines(
            ["*`learner` is for checks: test_<exercise>.py in a module's folder*"]
        )


class GradingSession:
    """Collects once, then runs the checks on the work of one learner after another."""

    def __init__(self, providers):
        self.providers, self.verdicts = providers, []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        for provider in self.providers:
            running.begin(session.config, provider, seed=1)
            for item, following in itertools.pairwise([*session.items, None]):
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        return True

    def pytest_runtest_logreport(self, report):
        if verdict := getattr(report, "verdict", None):
            self.verdicts.append(verdict)


class TestGradingSession:
    """A grader takes the place of pytest's loop and hands out learners of its own."""

    def verdicts(self, course, *providers):
        session = GradingSession(providers)
        quiet = ["-p", "no:terminal", "-p", "no:cacheprovider", "--capture=no"]
        course.pytester.inline_run("-p", "autograder.testing.plugin", *quiet, course.hidden, plugins=[session])
        return session.verdicts

    def test_each_learner_is_judged_afresh(self, course):
        course.solve(double="return -x", softmax="raise NotImplementedError")
        exercises = course.pytester.path / "exercises"
        verdicts = self.verdicts(course, LocalProvider(), LocalProvider(exercises), LocalProvider())
        assert [verdict.status for verdict in verdicts] == [*["passed"] * 2, "wrong", "not_started", *["passed"] * 2]
        double, softmax = verdicts[2:4]
        assert (double.task, double.stage, double.sentence) == ("double", "whole", "double equals the reference")
        assert (double.visible, softmax.visible) == (False, True)
        assert "double(x float64 (" in double.card
        assert softmax.card == "softmax is not started: exercises/m00_tiny/basics.py:13"

    def test_faults_of_the_sandbox_have_their_own_statuses(self, course):
        class Broken(LocalProvider):
            def __init__(self, error):
                super().__init__()
                self.error = error

            def learner(self, check):
                raise self.error

        faults = [
            errors.WorkerTimeout("no answer in time"),
            errors.WorkerDied("the process ended"),
            errors.WireError("too many values"),
            errors.SandboxError("cannot fork"),
            errors.learner_error("NotImplementedError", "", [(3, "double", "raise NotImplementedError")]),
            errors.learner_error("ValueError", "no", [(3, "double", "x @ x")]),
            errors.MissingName("double", "basics.py"),
            errors.InputChanged("double", 0),
            NotLoaded("basics.py", "SyntaxError: invalid syntax"),
        ]
        verdicts = self.verdicts(course, *map(Broken, faults))
        assert [verdict.status for verdict in verdicts[::2]] == [
            "timeout",
            "error",
            "error",
            "system",
            "not_started",
            "error",
            "error",
            "wrong",
            "error",
        ]
        assert verdicts[-1].status == "not_reached"
