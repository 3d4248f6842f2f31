"""The commands of `autograder`, a file for each group. Heavy imports stand inside the functions: help is instant."""
