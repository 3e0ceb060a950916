"""Fields' names: whether what stands under one is a secret, and whether a value looks like one. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from shw_report.secret_words import A_PLACE, ABOUT_A_SECRET, IN_NAMES, SECRET_NAME

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
SPACED = str.maketrans("_", " ")
_NEVER_ABOUT = re.compile(r"(?:access[ .-]?key|secret|role)[ .-]?id")
_OPAQUE = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9+/_.~=-]{8,512}")
UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_DOUBTFUL = re.compile(
    r"(?:.*[ .-])?(?:sig|signature|hmac|sas)|access|refresh|"
    r"(?:x[ -])?(?:(?:client|server|session|service|user|write|project|bot)[ -]?)?key"
)
_SIGNED = re.compile(r"(?:.*[ .-])?(?:sig|signature)|auth|k")
_DOUBTFUL_IN_A_QUERY = re.compile(
    r"code|(?:access|auth|verification|reset|invite|magic|login|confirm|ticket|oobcode).*"
)
HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00\ufe0f\ufeff]"
    "|[A-Za-z][\u0370-\u03ff\u0400-\u052f\uff21-\uff5a]|[\u0370-\u03ff\u0400-\u052f\uff21-\uff5a][A-Za-z]"
)
LONGEST_NAME = 64


def is_secret_name(name: str) -> bool:
    """Return whether a field of this name holds a secret."""
    return _cached_name(name) if len(name) <= LONGEST_NAME else _names_a_secret(name)


def _names_a_secret(name: str) -> bool:
    low = spaced(name)
    if not low.isascii() and HIDDEN.search(low):
        return True
    found = SECRET_NAME.search(low)
    if found is None:
        return False
    if A_PLACE.fullmatch(low):
        return False
    is_about = " " not in name and ABOUT_A_SECRET.fullmatch(low, found.end()) is not None
    return not is_about or _NEVER_ABOUT.search(low) is not None


_cached_name = lru_cache(maxsize=1024)(_names_a_secret)


def may_name_a_secret(low: str) -> bool:
    """Return whether a text of lower case may hold the name of a secret; errs only on the side of True."""
    return not low.isascii() or any(part in low for part in IN_NAMES)


def is_opaque(value: str) -> bool:
    """Return whether a value may be a credential: letters and digits without a break, and no UUID."""
    return _OPAQUE.fullmatch(value) is not None and UUID.fullmatch(value) is None


def is_secret_in_a_query(name: str, value: str) -> bool:
    """Return whether a parameter of a URL lets in whoever has it."""
    if _SIGNED.fullmatch(name):
        return not value.isalpha()
    return bool(_DOUBTFUL.fullmatch(name) or _DOUBTFUL_IN_A_QUERY.fullmatch(name)) and is_opaque(value)


def is_doubtful(name: str) -> bool:
    """Return whether a field of this name may hold a secret, where its value looks like one."""
    return _DOUBTFUL.fullmatch(spaced(name)) is not None


def spaced(name: str) -> str:
    """Return a name in lower case, with a space for each `_` and between its humps."""
    return _HUMP.sub("_", name).lower().translate(SPACED)
