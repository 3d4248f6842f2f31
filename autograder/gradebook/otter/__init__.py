"""otter: our exercises as its assignments, and an autograder zip that its own tools run, with our jail and checks inside."""
