"""For instructors: build what learners get from the solutions, and prove that it is right."""
