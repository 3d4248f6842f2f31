"""Run the checks of one exercise against one learner's code and say what each one found."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from autograder.catalog import Exercise
from autograder.grading.pool import Job
from autograder.grading.results import CheckResult, Status
from autograder.policy import Limits, Policy
from autograder.sandbox import jail
from autograder.sandbox.client import Worker, Zygote
from autograder.sandbox.errors import WorkerTimeout
from autograder.testing.imports import check_imports
from autograder.testing.plugin import Check, Verdict, use_provider

HANGS_TOLERATED = 3  # a hang costs its limit once a task, and after so many the rest is not tried
