import pytest

from autograder.policy import Policy, PolicyError
from tests.courses import write_course, write_files


@pytest.fixture
def course(tmp_path):
    return write_course(tmp_path)


def load(course, text):
    write_files(course.root, {"grading.yml": text})
    return Policy.load(course)


def problems(course, text):
    with pytest.raises(PolicyError) as caught:
        load(course, text)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


@pytest.mark.parametrize("text", [None, "", "# nothing\n", "modules:\n", "modules:\n  m00_foundations:\n"])
def test_nothing_said_means_the_defaults(course, text):
    policy = Policy.load(course) if text is None else load(course, text)
    exercise = course.exercise("activations")
    assert (policy.title, policy.seed, policy.visibility(exercise)) == ("Deep learning exercises", 0, "visible")
    assert policy.points(exercise) == {"relu": 1.0, "softmax": 1.0}
    assert policy.limits(exercise).model_dump() == {
        "wall_seconds": 10,
        "cpu_seconds": 20,
        "memory_mb": 1024,
        "output_kb": 64,
        "gpu_memory_mb": 4096,
    }


def test_points_of_a_module_are_shared_by_number_of_tasks(course):
    policy = load(course, "modules: {m00_foundations: {points: 30}}")
    assert policy.points(course.exercise("activations")) == {"relu": 10.0, "softmax": 10.0}
    assert policy.points(course.exercise("layers")) == {"Layer": 10.0}


def test_given_points_are_taken_first_and_the_others_share_the_rest(course):
    policy = load(
        course,
        """\
        modules:
          m00_foundations:
            points: 100
            exercises:
              activations: {points: 20, tasks: {softmax: 15}}
        """,
    )
    assert policy.points(course.exercise("activations")) == {"relu": 5.0, "softmax": 15.0}
    assert policy.points(course.exercise("layers")) == {"Layer": 80.0}


def test_points_of_all_tasks_fix_those_of_the_exercise(course):
    rules = "{points: 10, exercises: {activations: {tasks: {relu: 1, softmax: 2.5}}}}"
    policy = load(course, f"modules: {{m00_foundations: {rules}}}")
    assert policy.points(course.exercise("activations")) == {"relu": 1.0, "softmax": 2.5}
    assert policy.points(course.exercise("layers")) == {"Layer": 6.5}


def test_points_of_some_tasks_leave_the_others_at_one(course):
    policy = load(course, "modules: {m00_foundations: {exercises: {activations: {tasks: {relu: 3}}}}}")
    assert policy.points(course.exercise("activations")) == {"relu": 3.0, "softmax": 1.0}


def test_zero_points_make_an_exercise_optional(course):
    policy = load(course, "modules: {m00_foundations: {points: 4, exercises: {layers: {points: 0}}}}")
    assert policy.points(course.exercise("layers")) == {"Layer": 0.0}
    assert policy.points(course.exercise("activations")) == {"relu": 2.0, "softmax": 2.0}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("{points: 5, exercises: {layers: {points: 9}}}", "its exercises add up to 9 points, but the module has 5"),
        (
            "{points: 9, exercises: {layers: {points: 3}, activations: {points: 3}}}",
            "its exercises add up to 6 points, but the module has 9",
        ),
        ("{points: 9, exercises: {layers: {points: 9}}}", "nothing is left of its 9 points for activations"),
        (
            "{exercises: {layers: {points: 2, tasks: {Layer: 1}}}}",
            "its tasks add up to 1 points, but the exercise has 2",
        ),
        ("{exercises: {activations: {points: 2, tasks: {relu: 2}}}}", "nothing is left of its 2 points for softmax"),
    ],
)
def test_sums_that_cannot_be_are_reported(course, rules, message):
    (problem,) = problems(course, f"modules: {{m00_foundations: {rules}}}")
    assert message in problem


def test_limits_of_an_exercise_change_only_what_they_name(course):
    policy = load(
        course,
        """\
        limits: {wall_seconds: 3, memory_mb: 512}
        modules: {m00_foundations: {exercises: {layers: {limits: {wall_seconds: 60}}}}}
        """,
    )
    limits = policy.limits(course.exercise("layers"))
    assert (limits.wall_seconds, limits.memory_mb, limits.cpu_seconds) == (60, 512, 20)
    assert policy.limits(course.exercise("activations")).wall_seconds == 3


def test_visibility_of_an_exercise_wins_over_that_of_the_course(course):
    policy = load(
        course,
        """\
        visibility: after_due_date
        modules: {m00_foundations: {exercises: {layers: {visibility: hidden}}}}
        """,
    )
    assert policy.visibility(course.exercise("layers")) == "hidden"
    assert policy.visibility(course.exercise("activations")) == "after_due_date"


def test_imports_are_added_and_taken_away(course):
    policy = load(
        course,
        """\
        modules:
          m00_foundations:
            exercises:
              layers: {allow_imports: [scipy], forbid_imports: [jaxtyping, numpy.linalg]}
        """,
    )
    exercise = course.exercise("layers")
    assert policy.allowed_imports(exercise) == {"numpy", "scipy", "m00_foundations"}
    assert policy.forbidden_imports(exercise) == {"jaxtyping", "numpy.linalg"}
    assert policy.forbidden_imports(course.exercise("activations")) == frozenset()


def test_forbidding_what_the_exercise_needs_is_an_error(course):
    rules = "{activations: {forbid_imports: [numpy]}, layers: {allow_imports: [scipy], forbid_imports: [scipy]}}"
    found = problems(course, f"modules: {{m00_foundations: {{exercises: {rules}}}}}")
    assert "forbid_imports.0: the exercise itself imports numpy" in found[0]
    assert "forbid_imports.0: scipy is both allowed and forbidden" in found[1]


def test_exercises_come_in_the_order_of_the_file_then_by_name(tmp_path):
    course = write_course(tmp_path, {"solutions/m00_foundations/aardvark.py": ""})
    policy = load(course, "modules: {m00_foundations: {exercises: {layers: , activations: }}}")
    assert [e.name for e in policy.exercises()] == ["layers", "activations", "aardvark"]


def test_every_problem_is_listed_at_once_with_its_place_and_a_near_name(course):
    found = problems(
        course,
        """\
        title: Fundamentals
        sed: 3
        limits: {wall_seconds: -1, memory_mb: 1}
        modules:
          m00_foundations:
            exercises:
              activations:
                pionts: 20
                tasks: {sofmax: 4, relu: .nan}
              activation:
          m01_foundations: {points: -2}
        """,
    )
    exercises = "modules.m00_foundations.exercises"
    assert found == [
        'grading.yml:2:1: sed: unknown field; did you mean "seed"?',
        "grading.yml:3:24: limits.wall_seconds: should be greater than 0, not -1",
        "grading.yml:3:39: limits.memory_mb: should be greater than or equal to 64, not 1",
        f'grading.yml:8:9: {exercises}.activations.pionts: unknown field; did you mean "points"?',
        f'grading.yml:9:17: {exercises}.activations.tasks.sofmax: no such task; did you mean "softmax"?',
        f"grading.yml:9:34: {exercises}.activations.tasks.relu: should be a finite number, not NaN",
        f'grading.yml:10:7: {exercises}.activation: no such exercise; did you mean "activations"?',
        'grading.yml:11:3: modules.m01_foundations: no such module; did you mean "m00_foundations"?',
        "grading.yml:11:29: modules.m01_foundations.points: should be greater than or equal to 0, not -2",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a\n", "grading.yml:1:1: should be a mapping of fields, not a list"),
        ("modules: []", "grading.yml:1:10: modules: should be a mapping of names, not a list"),
        ("seed: 1\nseed: 2\n", "grading.yml:2:1: seed: given twice; first on line 1"),
        ("seed: yes", "grading.yml:1:7: seed: should be a valid integer, not true"),
        ("seed: 1.5", "grading.yml:1:7: seed: should be a valid integer, not 1.5"),
        (
            "limits: {wall_seconds: .inf}",
            "grading.yml:1:24: limits.wall_seconds: should be a finite number, not Infinity",
        ),
        ("limits: {memory_mb: 99999999}", "less than or equal to 1048576, not 99999999"),
        ("visibility: everyone", "or 'hidden', not \"everyone\""),
        ("title: 2026-13-40", "grading.yml:1:8: title: cannot read '2026-13-40' as a value"),
        ("title: !!python/name:os.system x", "grading.yml:1:8: title: cannot read 'x' as a value"),
        ("title: &t [*t]", "grading.yml:1:8: title.0: refers to itself"),
        ("title: [1,\n", "grading.yml:2:1: not YAML: while parsing a flow node"),
        ("a:\n\t- b\n", "grading.yml:2:1: not YAML: "),
        ("a: 1\n---\nb: 2\n", "grading.yml:2:1: not YAML: expected a single document"),
        ("title: a\nseed: \0\n", "grading.yml:2:1: not YAML: the character U+0000 is not allowed"),
    ],
)
def test_a_file_that_cannot_be_understood(course, text, problem):
    found = problems(course, text)
    assert any(problem in each for each in found), found


def test_a_file_that_is_not_utf8(course):
    course.grading_file.write_bytes(b"title: ok\nseed: \xff\n")
    with pytest.raises(PolicyError, match=r"^grading\.yml:2:1: not UTF-8 text"):
        Policy.load(course)
