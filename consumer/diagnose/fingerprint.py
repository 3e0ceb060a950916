"""Fingerprints for grouping failures of one cause: the reason with everything variable masked, hashed. Pure."""

import re
from functools import lru_cache
from hashlib import sha256
from typing import Final

from consumer.model import Failure

READ: Final = 2048
"""Maximum number of characters of a reason that are compared: the constant part is at its beginning."""

_SPACE: Final = re.compile(r"\s+")
_CURLY: Final = str.maketrans("\u201c\u201d\u201e\u2018\u2019", '"""\'\'')
_APOSTROPHE: Final = re.compile(r"(?<=\w)'(?=\w)")
"""An apostrophe within a word, as in "can't": no quotation begins or ends with it."""
_QUOTED: Final = re.compile(
    r"""(?P<key>"[\w#.-]*":[ ]?)(?:"(?P<said>[^"]*)")?   # a member of a JSON object
      | "[^"]*" | '[^']*' | `[^`]*`                      # what is quoted is somebody's data
    """,
    re.VERBOSE,
)
_PROSE_MEMBERS: Final = ("code", "detail", "error", "kind", "message", "msg", "reason", "status", "title", "type")
"""JSON members that describe the error: their text is prose, not data."""

# Both patterns begin where a word begins, and take that word or fail at once: linear time. The mask `#` counts as a
# letter, so that masked text cannot become part of a longer match the next time (idempotent).
_DELIMITERS: Final = r"\s\"'`<>()\[\]{},;=|"
_ADDRESS: Final = re.compile(
    rf"""(?<![^{_DELIMITERS}])(:*+)(?:[a-z]:\\|[^{_DELIMITERS}]*?://)   # C:\ or any scheme
         [^\s"'`<>]*(?<![.,;:!?)\]}}])""",
    re.VERBOSE,
)
_WORD: Final = re.compile(
    r"""(?P<enumerated>(?:https?(?:/[\d.]{1,3})?|status|code|errno)"?[ :=]{1,3}\d{1,3}
              (?![\w#]|[-.:@/+%~&?$!*]+[\w#]))           # few of them, and they tell one cause from another
      | (?P<path>(?:(?<![~./])[~./]*/)?)[\w#]++(?:[-.:@/+%~&?$!*]+[\w#]++)*+
    """,
    re.VERBOSE,
)
_VARIABLE: Final = re.compile(
    r"""[\d#@]                                           # numbers, times, addresses, ids
      | /.*/                                             # a path within something
      | (?<![^\W_])[a-f]{8,}(?![^\W_])                   # hexadecimal, by chance without a digit
      | [\w]{49}                                         # no word is so long
      | \.(?:com|net|org|io|cloud|local|localdomain|internal|lan|svc|test|example|invalid)$
    """,
    re.VERBOSE,
)
_LIST: Final = re.compile(r"#(?:[\s,;|]*#)+")


def masked(reason: str) -> str:
    """Mask a reason: lower case, with `#` for what varies: numbers, ids, times, addresses, paths, quoted text.

    Idempotent: masking twice is masking once. It serves to tell causes apart: a name in plain words looks like any
    other word.
    """
    return _mask(reason[:READ])


def cause(mask: str) -> str:
    """Hash a masked reason to 12 hex digits: the same over all organisations and workflows."""
    return sha256(mask.encode("utf-8", "replace")).hexdigest()[:12]


def fingerprint(failure: Failure, strategy: str) -> str:
    """Hash the cause and the strategy that mends it: the same for every failure of one cause in one workflow."""
    parts = (failure.org_id.hex, failure.workflow_name, strategy, masked(failure.failure_reason))
    return sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


@lru_cache(maxsize=512)  # an outage repeats the same text; at most a few megabytes
def _mask(text: str) -> str:
    # Lower case may be longer than its source, and a second masking must read as much as the first.
    text = _SPACE.sub(" ", text.lower()[:READ].translate(_CURLY))
    text = _QUOTED.sub(_mask_quoted, _APOSTROPHE.sub("", text))
    return _LIST.sub("#", _WORD.sub(_mask_word, _ADDRESS.sub(r"\1#", text))).strip()


def _mask_quoted(found: re.Match[str]) -> str:
    key, said = found.group("key", "said")
    if key is None:
        return "#"
    if said is None:
        return str(key)
    if key.rstrip(": ").strip('"').endswith(_PROSE_MEMBERS):
        return f'{key}"{_QUOTED.sub(_mask_quoted, said)}"'
    return f"{key}#"


def _mask_word(found: re.Match[str]) -> str:
    word = found[0]
    if found["enumerated"]:
        return word
    return "#" if found["path"] or _VARIABLE.search(word) else word
