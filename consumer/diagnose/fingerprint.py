"""What two failures of one cause have in common: their reason without what varies from one to the next. Pure."""

import re
from functools import lru_cache
from hashlib import sha256
from typing import Final

from consumer.model import Failure

READ: Final = 2048
"""Characters of a reason that are looked at: what is the same stands at its beginning."""

_SPACE: Final = re.compile(r"\s+")
_CURLY: Final = str.maketrans("\u201c\u201d\u201e\u2018\u2019", '"""\'\'')
_APOSTROPHE: Final = re.compile(r"(?<=\w)'(?=\w)")
"""As in "can't": no quotation begins or ends with it."""
_QUOTED: Final = re.compile(
    r"""(?P<key>"[\w#.-]*":[ ]?)(?:"(?P<said>[^"]*)")?   # a member of a JSON object
      | "[^"]*" | '[^']*' | `[^`]*`                      # what is quoted is somebody's data
    """,
    re.VERBOSE,
)
_TELLING: Final = ("code", "detail", "error", "kind", "message", "msg", "reason", "status", "title", "type")
"""Members that say what went wrong: their text is prose, not data."""

# Each of the two begins where a word begins, and takes that word or ends at once: linear. A mark counts as a letter, so
# that what is masked once cannot become part of something longer the next time.
_APART: Final = r"\s\"'`<>()\[\]{},;=|"
_ADDRESS: Final = re.compile(
    rf"""(?<![^{_APART}])(:*+)(?:[a-z]:\\|[^{_APART}]*?://)   # C:\ or any scheme
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
_VARIES: Final = re.compile(
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
    """Give a reason in lower case with `#` for what varies: numbers, ids, times, addresses, paths, what is quoted.

    Masking twice is masking once. It is for telling causes apart: a name in plain words looks like any other word.
    """
    return _masked(reason[:READ])


def cause(mask: str) -> str:
    """Name what a masked reason says, in 12 hex digits: the same over all organisations and workflows."""
    return sha256(mask.encode("utf-8", "replace")).hexdigest()[:12]


def fingerprint(failure: Failure, strategy: str) -> str:
    """Name what is wrong, and how it is mended: the same for every failure of one cause in one workflow."""
    parts = (failure.org_id.hex, failure.workflow_name, strategy, masked(failure.failure_reason))
    return sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


@lru_cache(maxsize=512)  # an outage says the same again and again; at most a few megabytes
def _masked(text: str) -> str:
    # Lower case may be longer than what it comes from, and the second time must read as much as the first.
    text = _SPACE.sub(" ", text.lower()[:READ].translate(_CURLY))
    text = _QUOTED.sub(_unquoted, _APOSTROPHE.sub("", text))
    return _LIST.sub("#", _WORD.sub(_word, _ADDRESS.sub(r"\1#", text))).strip()


def _unquoted(found: re.Match[str]) -> str:
    key, said = found.group("key", "said")
    if key is None:
        return "#"
    if said is None:
        return str(key)
    if key.rstrip(": ").strip('"').endswith(_TELLING):
        return f'{key}"{_QUOTED.sub(_unquoted, said)}"'
    return f"{key}#"


def _word(found: re.Match[str]) -> str:
    word = found[0]
    if found["enumerated"]:
        return word
    return "#" if found["path"] or _VARIES.search(word) else word
