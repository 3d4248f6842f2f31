"""Many pieces of the course's own code in one child and one worker: graded as a learner's work is, each as if it were alone."""

from dataclasses import replace

import pytest

from autograder.grading.pool import HIDDEN, PUBLIC, Job, NodeSettings, Pool
from tests.courses import write_files

SOLUTION = '''\
import numpy as np


def magnitude(x):
    """The size of every entry, without its sign."""
    # BEGIN SOLUTION
    return np.abs(x)
    # END SOLUTION


def largest(x):
    """The largest entry."""
    # BEGIN SOLUTION
    return x.max()
    # END SOLUTION
'''

GRADER = """\
from autograder.testing import assert_close


def test_magnitude_equals_the_reference(learner, reference, probe):
    x = probe.normal("N D")
    assert_close(learner.magnitude(x), reference.magnitude(x))


def test_largest_equals_the_reference(learner, reference, probe):
    x = probe.normal("N D")
    assert_close(learner.largest(x), reference.largest(x))
"""

PUBLIC_CHECKS = """\
from autograder.testing import assert_close


def test_magnitude_has_no_sign(learner, probe):
    x = probe.normal("N D")
    assert_close(learner.magnitude(x), learner.magnitude(-x))


def test_largest_is_there(learner, probe):
    assert learner.largest(probe.normal("N D")) > 0.0
"""

SAVE = """

def save(folder, x):
    # BEGIN SOLUTION
    with open(f"{folder}/x", "w") as file:
        file.write(str(x))
    # END SOLUTION
"""

TEST_SAVE = """

def test_save_writes(learner, scratch):
    learner.save(str(scratch), 3)
    assert (scratch / "x").read_text() == "3"
"""

MISTAKES = """\
sizes:
- {task: magnitude, name: keeps the sign, replace: np.abs(x), by: x, says: The sign is kept.}
- {task: largest, name: takes the smallest, replace: max, by: min, says: It is the smallest.}
"""

FILES = {
    "solutions/week1/sizes.py": SOLUTION,
    "solutions/week1/mistakes.yml": MISTAKES,
    "graders/week1/test_sizes.py": GRADER,
    "exercises/week1/test_sizes.py": PUBLIC_CHECKS,
}
KEEPS_THE_SIGN = SOLUTION.replace("np.abs(x)", "x")
SMALLEST = SOLUTION.replace("max", "min")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    write_files(root, FILES)
    return root


@pytest.fixture(scope="module")
def pool(root):
    with Pool(NodeSettings(str(root), ["week1/sizes"], ["jaxtyping", "numpy"], 0), 1) as pool:
        yield pool


def job(text, suite=HIDDEN):
    return Job("verify", "week1/sizes", {"week1/sizes": text.encode()}, "", 60.0, suite=suite)


def found(result):
    """Of each check its status, and the mistakes it is told to come from."""
    assert not result.has_system_fault, result
    return {check.check.split("_")[1]: (str(check.status), check.mistakes) for check in result.checks}


def tried(pool, *texts, suite=HIDDEN):
    """What comes out for each of them, with the solution after them."""
    *results, last = map(found, pool.grade_own([job(text, suite) for text in (*texts, SOLUTION)]))
    assert {status for status, _ in last.values()} == {"passed"}
    return results


PASSES = {"magnitude": ("passed", []), "largest": ("passed", [])}


def test_own_code_is_judged_and_named_as_a_learners_is(pool):
    texts = [KEEPS_THE_SIGN, SMALLEST, SOLUTION, "def magnitude(x): return None", "no Python", "import secrets"]
    assert tried(pool, *texts) == [found(pool.grade(job(text))) for text in texts]
    assert found(pool.grade(job(SMALLEST)))["largest"] == ("wrong", ["takes the smallest"])


def test_they_share_one_worker(pool):
    marks = SOLUTION.replace("return np.abs(x)", "np.mark = True; return np.abs(x)")
    sees = SOLUTION.replace("return np.abs(x)", "return x if hasattr(np, 'mark') else np.abs(x)")
    assert tried(pool, marks, sees)[1]["magnitude"][0] == "wrong"
    assert tried(pool, sees) == [PASSES], "the next workbench has another"


def test_where_one_spoils_what_follows_each_is_graded_by_itself(pool):
    spoils = SOLUTION.replace("return np.abs(x)", "np.abs = np.negative; return np.abs(x)")
    assert tried(pool, SOLUTION, spoils, SOLUTION, SMALLEST) == [
        PASSES,
        found(pool.grade(job(spoils))),
        PASSES,
        found(pool.grade(job(SMALLEST))),
    ]


def test_what_the_solution_passed_after_stays_believed(pool):
    marks = SOLUTION.replace("return np.abs(x)", "np.mark = True; return np.abs(x)")
    sees = SOLUTION.replace("return np.abs(x)", "return x if hasattr(np, 'mark') else np.abs(x)")
    spoils = SOLUTION.replace("return np.abs(x)", "np.abs = np.negative; return np.abs(x)")
    results = tried(pool, marks, sees, SOLUTION, spoils, sees)
    assert results[1]["magnitude"][0] == "wrong", "one worker with what marks it"
    assert results[4] == PASSES, "graded apart"


def test_the_first_need_not_want_the_folder_that_another_does(tmp_path):
    solution, grader = SOLUTION + SAVE, GRADER + TEST_SAVE
    write_files(tmp_path, FILES | {"solutions/week1/sizes.py": solution, "graders/week1/test_sizes.py": grader})
    marks = solution.replace("return np.abs(x)", "np.mark = True; return np.abs(x)")
    sees = solution.replace("str(x)", "str(x) + '!' * hasattr(np, 'mark')")
    with Pool(NodeSettings(str(tmp_path), ["week1/sizes"], ["jaxtyping", "numpy"], 0), 1) as pool:
        results = pool.grade_own([replace(job(marks), task="magnitude"), job(sees), job(solution)])
    assert found(results[1])["save"][0] == "wrong", "one worker with what marks it"
    assert {status for status, _ in found(results[2]).values()} == {"passed"}


def test_a_solution_that_ends_its_process_is_graded_by_itself_with_what_was_before_it(pool):
    ends = SOLUTION.replace("return x.max()", "import os; os._exit(0)")
    results = pool.grade_own([job(KEEPS_THE_SIGN), job(ends)])
    assert [found(result)["magnitude"][0] for result in results] == ["wrong", "passed"]
    assert found(results[1])["largest"][0] == "error"


@pytest.mark.parametrize("end", ["import os; os._exit(0)", "while True: pass"])
def test_one_that_ends_its_process_or_hangs_ends_no_other(pool, end):
    ends = SOLUTION.replace("return np.abs(x)", f"{end}\n    return np.abs(x)" if "while" not in end else end)
    first, ended, last = tried(pool, KEEPS_THE_SIGN, ends, SMALLEST)
    assert ended == found(pool.grade(job(ends)))
    assert ended["magnitude"][0] in ("error", "timeout")
    assert (first, last) == (found(pool.grade(job(KEEPS_THE_SIGN))), found(pool.grade(job(SMALLEST))))


def test_where_the_solution_does_not_pass_everything_is_graded_by_itself(pool):
    marks = SOLUTION.replace("return np.abs(x)", "np.mark = True; return np.abs(x)")
    sees = SOLUTION.replace("return np.abs(x)", "return x if hasattr(np, 'mark') else np.abs(x)")
    results = pool.submit_own([job(marks), job(sees), job(SMALLEST)]).result()  # the last is no solution
    assert [found(result) for result in results] == [PASSES, PASSES, found(pool.grade(job(SMALLEST)))]


def test_public_checks_try_them_in_one_process_too(root):
    settings = NodeSettings(str(root), ["week1/sizes"], ["jaxtyping", "numpy"], 0, own=True)
    with Pool(settings, 1) as pool:
        results = tried(pool, KEEPS_THE_SIGN, SMALLEST, "no Python", suite=PUBLIC)
    assert [result["magnitude"][0] for result in results] == ["wrong", "passed", "error"]


def test_a_grader_that_cannot_be_used_is_a_fault_of_the_system(tmp_path):
    write_files(tmp_path, FILES | {"graders/week1/test_sizes.py": "import nothing_of_this_name\n"})
    with Pool(NodeSettings(str(tmp_path), ["week1/sizes"], ["jaxtyping", "numpy"], 0), 1) as pool:
        results = pool.submit_own([job(SMALLEST), job(SOLUTION)]).result()
    assert [(str(result.outcome), "nothing_of_this_name" in result.note) for result in results] == [
        ("system", True)
    ] * 2


def test_nodes_that_were_stopped_start_no_more(root):
    pool = Pool(NodeSettings(str(root), ["week1/sizes"], ["jaxtyping", "numpy"], 0), 0)
    assert found(pool.grade(job(SOLUTION))) == PASSES, "with no nodes of its own it starts one for the thread that asks"
    pool.close()
    result = pool.grade(job(SOLUTION))
    assert (str(result.outcome), result.note) == ("system", "the grading nodes were stopped")
