"""From submissions to results.

`submission` finds whose work is where; a `pool` of grading nodes (`node`: one pytest session with the hidden graders collected,
one jailed worker per submission) grades it; `score` counts points; `run` does this for a class and keeps a journal.
"""
