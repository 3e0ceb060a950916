"""Conductor's form of a definition, and its mapping to ours (`reading.py`) and back (`writing.py`). Pure.

A list of tasks is a chain of steps. FORK_JOIN, JOIN and SWITCH stay steps of their own, so that the way back is the
same structure: a branch of a SWITCH is a condition on its first step, what follows a SWITCH joins the branches that
were taken, and a DO_WHILE over one task is that step's repetition. What our form has no word for (a task's rate limit,
its `asyncComplete`) is kept from the document that it came from; `words.py` has what both ways share.
Invariant: what has no form on the other side is refused by name, and never left out.
"""

from consumer.workflows.conductor.reading import definition_of
from consumer.workflows.conductor.words import OPERATORS, UnmappedDefinition
from consumer.workflows.conductor.writing import document_of

__all__ = ["OPERATORS", "UnmappedDefinition", "definition_of", "document_of"]
