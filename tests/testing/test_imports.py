"""What a look at the source says of its imports."""

import pytest

from autograder.testing.imports import check_imports

ALLOWED = {"numpy", "jaxtyping"}
SIBLINGS = ["m00_foundations.layers", "m00_foundations.losses"]


def problems(source, allowed=ALLOWED, forbidden=(), filename="course/m00_foundations/mlp.py"):
    return check_imports(source.encode(), filename, set(allowed), set(forbidden), SIBLINGS)


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nfrom jaxtyping import Float\n",
        "import math, os.path\nfrom __future__ import annotations\n",
        "from m00_foundations.layers import linear_forward\n",
    ],
)
def test_allowed_packages_the_standard_library_and_other_exercises_may_be_imported(source):
    assert problems(source) == []


def test_a_package_that_is_not_allowed_is_named_with_its_line():
    assert problems("import numpy\n\nimport torch.nn as nn\n") == [
        "line 3 imports torch, which this exercise does not allow (allowed: jaxtyping, numpy and the standard library)"
    ]


def test_imports_inside_functions_count():
    assert problems("def f():\n    from torch import nn\n")[0].startswith("line 2 imports torch")


def test_a_forbidden_module_is_told_from_its_package():
    found = problems("import torch\nfrom torch.nn import functional as F\n", {"torch"}, {"torch.nn.functional"})
    assert found == ["line 2 imports torch.nn.functional, which this exercise does not allow"]


def test_the_standard_library_can_be_forbidden():
    assert problems("import os\n", forbidden={"os"}) == ["line 1 imports os, which this exercise does not allow"]


@pytest.mark.parametrize("statement", ["from layers import linear_forward", "import layers"])
def test_a_sibling_imported_by_its_bare_name_gets_the_right_spelling(statement):
    assert problems(statement) == ["line 1 imports layers: write `from m00_foundations.layers import …`"]


def test_a_relative_import_gets_the_right_spelling():
    assert problems("from .layers import linear_forward\n") == [
        "line 1: write `from m00_foundations.layers import …` instead of the relative "
        "`from .layers import linear_forward`"
    ]
    assert "`from m00_foundations.layers import …`" in problems("from . import layers\n")[0]


@pytest.mark.parametrize("source", ["def f(:\n", "x = 1\0", "x = " + "(" * 500])
def test_a_file_that_does_not_parse_has_no_import_problems(source):
    assert problems(source) == []
