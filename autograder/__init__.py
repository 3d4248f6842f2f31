"""Autograded deep-learning exercises: graders that learner code can neither read nor fool."""

__version__ = "0.1.0"
