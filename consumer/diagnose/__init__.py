"""Failure classification: from a failure's reason and context to what is broken, by pure rules with their evidence.

`facts.py` and `lexer.py` read the text, `index.py` finds the rules that may match, `rules/` holds them by topic,
`diagnosis.py` weighs them, `confidence.py` computes how sure the result is, `retry_hint.py` reads a requested delay,
`fingerprint.py` groups equal reasons, `agent_evidence.py` adds what a model says beside the rules.
Neighbours: `pipeline/reading.py` calls it, `plan/` acts on the disposition.
Invariant: where nothing speaks for a cause, the result is `unknown`, and nothing harmful follows.
"""

from consumer.diagnose.diagnosis import diagnose

__all__ = ["diagnose"]
