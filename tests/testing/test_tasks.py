"""What a check is about, told from its markers, its source and its name."""

import pytest

from autograder.testing.running import CHECK

THREE_TASKS = """\
def relu(x):
    # BEGIN SOLUTION
    return x
    # END SOLUTION


def relu_grad(x, slope=0.0):
    # BEGIN SOLUTION
    return x
    # END SOLUTION


class DeepMLP:
    def __init__(self, sizes):
        # BEGIN SOLUTION
        self.sizes = sizes
        # END SOLUTION

    def forward(self, x):
        return x
"""


class Collected:
    def pytest_collection_finish(self, session):
        self.checks = {item.name: item.stash[CHECK] for item in session.items}


@pytest.fixture
def collect(course):
    """The checks of a hidden grader with this source, by name."""

    def run(source, solution=THREE_TASKS):
        course.write({"solutions/m00_tiny/basics.py": solution, course.hidden: "import pytest\n\n" + source})
        collected = Collected()
        quiet = ["-p", "no:terminal", "-p", "no:cacheprovider", "--collect-only"]
        course.pytester.inline_run("-p", "autograder.testing.plugin", *quiet, course.hidden, plugins=[collected])
        return collected.checks

    return run


def task_of(collect, source, **options):
    (check,) = collect(source, **options).values()
    return check.task


def test_a_marker_decides(collect):
    assert (
        task_of(collect, "@pytest.mark.task('relu')\ndef test_relu_grad(learner):\n    learner.relu_grad(1)") == "relu"
    )


def test_the_only_task_called_decides(collect):
    assert task_of(collect, "def test_relu_grad(learner):\n    learner.LIMIT\n    learner.relu(1)") == "relu"


def test_a_helper_counts_as_part_of_the_check(collect):
    source = "def helper(learner):\n    return learner.relu(1)\n\ndef test_it(learner):\n    helper(learner)"
    assert task_of(collect, source) == "relu"


def test_a_gradient_asked_for_by_name_is_a_call(collect):
    assert task_of(collect, "def test_it(learner):\n    learner.vjp('relu', [1], 1)") == "relu"


def test_the_longest_name_in_the_tests_name_decides_between_several(collect):
    both = "    learner.relu(1)\n    learner.relu_grad(1)"
    assert task_of(collect, f"def test_the_relu_grad_is_a_slope(learner):\n{both}") == "relu_grad"
    assert task_of(collect, f"def test_the_relu_grads_are_slopes(learner):\n{both}") == "relu"
    assert task_of(collect, "def test_a_deep_mlp_learns(learner):\n    train(learner)") == "DeepMLP"


def test_else_the_first_call_decides(collect):
    assert task_of(collect, "def test_slopes(learner):\n    learner.relu_grad(1)\n    learner.relu(1)") == "relu_grad"


def test_an_exercise_of_one_task_needs_no_telling(collect):
    solution = "def only(x):\n    # BEGIN SOLUTION\n    return x\n    # END SOLUTION\n"
    assert task_of(collect, "def test_it(learner):\n    check(learner)", solution=solution) == "only"


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (
            "def test_it(learner):\n    check(learner)",
            '*test_it: which task is this about?*add @pytest.mark.task("…")*relu, *',
        ),
        ("@pytest.mark.task('rellu')\ndef test_it():\n    pass", "*there is no task 'rellu'; did you mean \"relu\"?"),
        ("@pytest.mark.task\ndef test_it():\n    pass", '*write the task as one name, @pytest.mark.task("softmax")'),
        ("@pytest.mark.stage('end')\ndef test_relu():\n    pass", "*'end' is none of shape, mechanism, whole, robust"),
    ],
)
def test_an_unclear_check_stops_the_run_and_says_what_to_add(course, source, complaint):
    course.write({"solutions/m00_tiny/basics.py": THREE_TASKS, course.hidden: "import pytest\n\n" + source})
    result = course.run(course.hidden)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([complaint])


def test_sentences_stages_and_flags(collect):
    checks = collect(
        '''
        @pytest.mark.stage("robust")
        @pytest.mark.visible
        @pytest.mark.in_place
        def test_relu_of_zero(learner):
            """The slope at zero is zero.

            More words.
            """

        @pytest.mark.parametrize("n", [1, 2])
        def test_relu_of_many(learner, n):
            pass

        class TestGroup:
            def test_relu_in_a_class(self, learner):
                learner.relu(1)
        '''.replace("\n        ", "\n")
    )
    one, two, grouped, first = checks.values()  # in the order of their stages
    assert (first.sentence, first.stage, first.visible, first.in_place) == (
        "The slope at zero is zero",
        "robust",
        True,
        True,
    )
    assert (one.sentence, one.name, one.stage) == ("relu of many [1]", "test_relu_of_many[1]", "mechanism")
    assert (two.visible, two.in_place, two.hidden) == (False, False, True)
    assert (grouped.task, grouped.sentence) == ("relu", "relu in a class")


def test_parameters_are_known_from_the_solution(collect):
    (check,) = collect("def test_relu():\n    pass").values()
    assert check.parameters == {
        "relu": ("x",),
        "relu_grad": ("x", "slope"),
        "DeepMLP": ("sizes",),
        "DeepMLP.__init__": ("sizes",),
        "DeepMLP.forward": ("x",),
    }
