"""Practising alone: a verdict at once, hints, solutions, and a record of how far one is.

`checker` runs the public checks in a warm process (`server`); `record` is what a learner has done so far, in one small file;
`watch` shows a verdict after each save.
"""
