"""Failure classification: from a failure's reason and context to what is broken, by pure rules with their evidence.

`facts.py` and `lexer.py` read the text, `rules/` holds the rules by topic, `diagnosis.py` weighs them. Neighbours:
`pipeline/reading.py` calls it, `plan/` acts on the disposition. Invariant: where nothing speaks for a cause, the result
is `unknown`, and nothing harmful follows.
"""

from consumer.diagnose.diagnosis import diagnose

__all__ = ["diagnose"]
