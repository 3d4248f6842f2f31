from autograder.grading.mistakes import *  # noqa: F403
