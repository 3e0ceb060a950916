"""A bracket that is lost or too many in the middle of a text, where one place alone makes the text whole. Pure.

The first closing bracket that does not close what is open is where something is wrong: another closing bracket was lost
before it, or it is too many itself. Each is tried; what follows decides, since it is strict JSON under one of them at
most. Where nothing but closing brackets follows, the text may as well have been cut off: that is for nobody to mend.
"""

import re
from collections.abc import Callable
from typing import Final

_TOKEN: Final = re.compile(r"\"(?:[^\"\\]|\\.)*\"|[{}\[\]]", re.DOTALL)
_CLOSER_OF: Final = {"{": "}", "[": "]"}
_ONLY_CLOSERS: Final = re.compile(r"[\s}\]]*")
LOST: Final = "lost bracket"
TOO_MANY: Final = "bracket too many"


def mended(text: str, is_whole: Callable[[str], bool]) -> tuple[str, str] | None:
    """Return the text with the bracket put in or left out, and which it was; None where not exactly one is whole."""
    found = _first_mismatch(text)
    if found is None or _ONLY_CLOSERS.fullmatch(text, found[0]):
        return None
    at, missing = found
    tried = [(text[:at] + text[at + 1 :], TOO_MANY)]
    if missing:
        tried.append((text[:at] + missing + text[at:], LOST))
    fitting = [one for one in tried if is_whole(one[0])]
    return fitting[0] if len(fitting) == 1 else None


def _first_mismatch(text: str) -> tuple[int, str] | None:
    """Return where the first closing bracket stands that closes nothing, and which one is due there."""
    due: list[str] = []
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign in _CLOSER_OF:
            due.append(_CLOSER_OF[sign])
        elif sign in ("}", "]"):
            if not due or due[-1] != sign:
                return token.start(), due[-1] if due else ""
            due.pop()
    return None
