"""An instructor's own notebooks, with their own tests, as exercises of a course."""
