"""Gradescope: a bundle to upload as its autograder, and what that runs there."""
