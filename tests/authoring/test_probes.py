"""The lint of what checks feed in: each fault is found with its line, and nothing is said of checks that are right."""

from textwrap import dedent

import pytest

from autograder.authoring.verify.probes import probe_problems
from autograder.catalog import Course
from tests.courses import write_files

SOLUTION = """\
def norm(x, gamma, eps=1e-5):
    # BEGIN SOLUTION
    return gamma * x / (x.var() + eps) ** 0.5
    # END SOLUTION


def drop(x, p, rng, *, train=True):
    # BEGIN SOLUTION
    return x * (rng.random(x.shape) >= p) / (1.0 - p) if train else x
    # END SOLUTION


def adapt(x, a, b, alpha, rank):
    # BEGIN SOLUTION
    return x + alpha / rank * (x @ a @ b)
    # END SOLUTION


class Meter:
    def __init__(self, start=0.0):
        # BEGIN SOLUTION
        self.total = start
        # END SOLUTION

    def update(self, value, weight=1.0):
        # BEGIN SOLUTION
        self.total += weight * value
        # END SOLUTION

    def forward(self, x, mask=None):
        # BEGIN SOLUTION
        return x if mask is None else x[mask]
        # END SOLUTION
"""
PUBLIC = "def test_nothing_yet(learner):\n    assert learner.norm(1.0, 2.0) == 3.0\n"


@pytest.fixture
def lint(tmp_path):
    """The findings in a hidden grader, as (line, task or first word, fault)."""

    def find(grader, public=PUBLIC):
        files = {
            "solutions/m/e.py": SOLUTION,
            "graders/m/test_e.py": "import pytest\n" + dedent(grader),
            "exercises/m/test_e.py": public,
        }
        write_files(tmp_path, files)
        problems = list(probe_problems(Course(tmp_path).exercise("e")))
        assert {problem.gate for problem in problems} <= {"probes"}
        found = []
        for problem in problems:
            path, _, line = problem.where.rpartition(":")
            assert path in (str(tmp_path / "graders/m/test_e.py"), str(tmp_path / "exercises/m/test_e.py"))
            found.append((int(line), problem.what.partition(":")[0], int(problem.what[-2])))
        return found

    return find


def test_a_shape_with_a_letter_twice_is_square(lint):
    check = """\
        def test_norm(learner, reference, probe):
            x = probe.normal("N D D")
            assert_close(learner.norm(x, probe.normal("D"), eps=0.3), reference.norm(x, 2.0, eps=0.3))
        """
    assert lint(check) == [(3, "norm", 1)]
    for spec in ('"N 3 3"', "2, 3, 3", '"N", 3, 3', '"3 3"', '"D D"'):
        assert lint(check.replace('"N D D"', spec)) == [(3, "norm", 1)]
    for spec in ('"N D"', '"N 1 1"', "1, 1", '"N C D"', '"N", n, n', '"N " + rest', "*sizes", "4, n, n"):
        assert lint(check.replace('"N D D"', spec)) == []


def test_other_makers_of_shapes_are_looked_at_too(lint):
    check = """\
        def test_norm(learner, reference, probe):
            x = probe.%s
            assert_close(learner.norm(x, 2.0, 0.3), reference.norm(x, 2.0, 0.3))
        """
    for call in ('uniform("D D", 0.0, 1.0)', 'integers("D D", high="C")', 'tensor("D D", dtype=d)', 'extreme("D D")'):
        assert lint(check % call) == [(3, "norm", 1)]
    for call in ('uniform("D", 3.0, 3.0)', 'integers("N", 5, 5)', "tensor(probe.normal(n, n))", "choice([3, 3])"):
        assert lint(check % call) == []


def test_a_square_is_fine_beside_the_like_with_different_sizes(lint):
    check = """\
        def test_norm_of_any_image(learner, reference, probe):
            x = probe.normal("%s")
            assert_close(learner.norm(x, 2.0, 0.3), reference.norm(x, 2.0, 0.3))

        def test_norm_of_a_square_one(learner, reference, probe):
            x = probe.normal("N C Y Y")
            assert_close(learner.norm(x, 2.0, 0.3), reference.norm(x, 2.0, 0.3))
        """
    assert lint(check % "N C Y X") == []
    assert lint(check % "N C 3 5") == []
    assert lint(check % "2 4 3 5") == []
    assert lint(check % "F K Y X") == [(7, "norm", 1)]  # another argument, by its letters: a kernel, say
    assert lint(check % "N Y X") == [(7, "norm", 1)]
    assert lint(check % "N X C C") == [(3, "norm", 1), (7, "norm", 1)]


def test_a_constant_that_changes_nothing_is_a_fault_where_no_call_has_another(lint):
    check = """\
        def test_norm(learner, reference, probe):
            x = probe.normal("N D")
            assert_close(learner.norm(x, %s), reference.norm(x, 2.0, 0.3))
        """
    for given in ("2.0, 1e-8", "2.0, 0", "2.0, eps=1e-12", "gamma=2.0, eps=-0.0"):
        assert lint(check % given) == [(4, "norm", 2)]
    assert lint(check % "1.0, 0.3") == lint(check % "gamma=1, eps=0.3") == [(4, "norm", 2)]
    assert lint(check % "1.0, 1e-8") == [(4, "norm", 2), (4, "norm", 2)]
    for given in ("2.0, 0.3", "gamma, eps", "gamma=probe.scalar(0.1, 3.0), eps=0.3", "-1.0, eps=0.1"):
        assert lint(check % given) == []
    another = dedent(check).replace("test_norm", "test_norm_again") % "2.0, 0.3"
    assert lint(dedent(check) % "1.0, 1e-8" + another) == []


def test_probabilities_of_one_half_and_ranks_equal_to_alpha(lint):
    check = """\
        def test_drop(learner, probe):
            x, rng = probe.normal("N D"), probe.generator()
            assert_close(learner.drop(x, %s, rng, train=False), x)
        """
    assert lint(check % "0.5") == lint(check % "0.0") == [(4, "drop", 2)]
    assert lint(check % "0.3") == []
    check = """\
        def test_adapt(learner, probe):
            x, a, b = probe.normal("N D"), probe.normal("D R"), probe.normal("R D")
            assert_close(learner.adapt(x, a, b, %s), x)
        """
    assert lint(check % "4, 4") == lint(check % "alpha=4.0, rank=4") == [(4, "adapt", 2)]
    assert lint(check % "8, 4") == lint(check % "alpha, rank") == []


def test_a_parameter_that_is_never_away_from_its_default(lint):
    check = """\
        def test_norm(learner, reference, probe):
            x = probe.normal("N D")
            assert_close(learner.norm(x, 2.0%s), x)
        """
    assert lint(check % "") == lint(check % ", 1e-5") == lint(check % ", eps=0.00001") == [(2, "norm", 4)]
    assert lint(check % ", 0.1") == lint(check % ", eps=0.1") == lint(check % ", eps=eps") == []
    assert lint(check % ", *rest") == []
    assert lint('options = {"eps": 0.1}\n' + dedent(check % ", **options")) == []
    assert lint('options = {"gamma": 0.1}\n' + dedent(check % ", **options")) == [(3, "norm", 4)]


def test_a_task_that_a_helper_calls(lint):
    helper = """\
        def path(rule, x, **options):
            return [rule(x, 2.0, **options)]

        def test_norm_along_a_path(learner, reference, probe):
            x = probe.normal("N D")
            assert_close(path(learner.norm, x%s), path(reference.norm, x))
        """
    assert lint(helper % ", eps=0.1") == []
    assert lint(helper % "") == [(5, "norm", 4)]
    module = """\
        def both(module, x):
            return module.norm(x, 2.0, eps=0.1)

        def test_norm_of_both(learner, reference, probe):
            x = probe.normal("N D")
            assert_close(both(learner, x), both(reference, x))
        """
    assert lint(module) == []


def test_keywords_and_methods_of_classes(lint):
    check = """\
        @pytest.mark.task("Meter")
        def test_meter(learner, probe):
            meter = learner.Meter(%s)
            meter.update(%s)
            assert meter.total == 7.0
            assert meter(%s) == 1.0
        """
    assert lint(check % ("1.0", "2.0, 3.0", "x, mask")) == []
    assert lint(check % ("", "2.0, weight=3.0", "x, mask=mask")) == [(3, "Meter", 4)]
    assert lint(check % ("1.0", "2.0", "x, mask")) == [(3, "Meter.update", 4)]
    assert lint(check % ("1.0", "2.0, 3.0", "x")) == [(3, "Meter.forward", 4)]
    assert (
        lint(check.replace("meter(%s)", 'learner.vjp("Meter.forward", [meter, %s])') % ("1.0", "2.0, 3.0", "x, m"))
        == []
    )


def test_a_task_of_which_only_shapes_are_looked_at(lint):
    check = """\
        def test_norm(learner, reference, probe):
            y = learner.norm(probe.normal("N D"), 2.0, 0.3)
            %s
        """
    for weak in (
        "assert_shape(y, (3, 5))",
        "assert y.shape == (3, 5)",
        "assert isinstance(y, float) and y.dtype == float",
        "assert len(y) == 3 and not hasattr(y, 'grad')",
        "assert y.dim() == 2",
    ):
        assert lint(check % weak) == [(2, "norm", 6)], weak
    for weak in ("assert_close(y.sum(), 3.0)", "assert_close(float(y.mean()), 3.0)", "assert_close(np.sum(y), 3.0)"):
        assert lint(check % weak) == [(2, "norm", 7)], weak
    slopes = "assert_gradients(%s.norm, [x], [y])"
    assert lint(check % (slopes % "learner")) == [(2, "norm", 7)]
    for strong in (
        "assert_close(y, 3.0)",
        "assert_close(y.sum(axis=1), 3.0)",
        slopes % "reference",
        "assert y == 3.0",
        "assert (y > 0).all()",
        "expect(y)",
    ):
        assert lint(check % strong) == [], strong
    raises = check.replace("y = ", "with pytest.raises(ValueError):\n                ").replace("    %s\n", "")
    assert lint(raises) == []


def test_an_exception_that_is_too_broad(lint):
    check = """\
        def test_norm(learner, reference, probe):
            with %s:
                learner.norm(probe.normal("N D"), 2.0, 0.3)
        """
    for broad in (
        "pytest.raises(Exception)",
        "pytest.raises(BaseException)",
        "suppress(ValueError)",
        "contextlib.suppress(E)",
    ):
        assert lint(check % broad)[0][::2] == (3, 8), broad
    assert lint(check % "pytest.raises(ValueError)") == []


def test_public_checks_may_keep_to_defaults_but_not_to_squares(lint):
    grader = """\
        def test_norm(learner, reference, probe):
            assert_close(learner.norm(probe.normal("N D"), 2.0, 0.3), 1.0)
        """
    assert (
        lint(grader, "def test_norm(learner, probe):\n    assert_shape(learner.norm(probe.normal('N'), 2.0), 3)\n")
        == []
    )
    square = "def test_norm(learner, probe):\n    assert_close(learner.norm(probe.normal('D D'), 2.0), 3)\n"
    assert lint(grader, square) == [(2, "norm", 1)]
