"""One module for each way to grade the same class with the same checks."""
