"""From a failure's reason and context to what is broken: pure rules, with the evidence they stand on.

`facts.py` and `lexer.py` read the text, `rules/` holds the rules by what they speak for, `diagnosis.py` weighs them.
Neighbours: `pipeline/reading.py` asks, `plan/` acts on the disposition. Invariant: where nothing speaks for a cause,
the answer is `unknown`, and nothing harmful follows.
"""

from consumer.diagnose.diagnosis import diagnose

__all__ = ["diagnose"]
