"""Provider packs: error codes of what a platform calls, as data: one line each, code or status, and its disposition.

`NAME.txt` is a pack: `seen` says by which words its provider is recognised, `type` what its failures are, `source`
where the codes are documented. `pack.py` turns the lines into rules, so that a code costs one look into the index.
Neighbours: `rules/` holds what is said in words; `index.py` matches both.
"""

from consumer.diagnose.packs.pack import PACKS

__all__ = ["PACKS"]
