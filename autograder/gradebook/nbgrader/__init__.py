"""nbgrader courses: our exercises as its assignments, its submissions in our jail, our scores in its gradebook."""
