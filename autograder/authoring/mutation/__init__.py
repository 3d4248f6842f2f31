"""Change the references by machine, and show which changes no hidden check notices.

Known mistakes prove the checks against what somebody thought of; this finds what nobody did. `edits` makes the changes,
`run` grades them.
"""

from autograder.authoring.mutation.edits import Mutant, mutants_of
from autograder.authoring.mutation.run import Outcome, mutate

__all__ = ["Mutant", "Outcome", "mutants_of", "mutate"]
