"""Classifies a field's name: whether its value is a secret, perhaps one, or an id that only looks random. Pure.

The words are data (`words_of_secrets.py`), matched against lowered text. Alternatives that begin with different letters
let `re` skip to a letter that may begin one; `first_letters` arranges them so.
"""

import re
from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache
from typing import Final

from consumer.redact.folding import fold_name
from consumer.redact.words_of_secrets import ABOUT_IT, BY_NAME, ENGLISH, FOREIGN, KEY_KINDS, TOKEN, WHOSE_PASS


class Kind(IntEnum):
    """What a field's name implies for the value under it; the greater redacts more."""

    OPEN = 0  # an id, a digest, a cursor: a value that looks random is no secret
    NEUTRAL = 1  # only values with the shape of a secret are redacted
    HINT = 2  # `access`, `pin`, `pass`: redacted where the value is no word, count or state
    DOUBTFUL = 3  # redacted where it looks like a credential, as a `key` or a `signature` may be
    SECRET = 4  # redacted, whatever it looks like


def first_letters(words: Iterable[str], *, before: str) -> str:
    """Build a regex alternation grouped by first letter; a word with `^` may not follow what `before` matches."""
    grouped: dict[str, list[str]] = {}
    for word in words:
        plain = word.removeprefix("^")
        if plain[0] in "([":
            msg = f"a word begins with a letter: {word}"
            raise ValueError(msg)
        guard = rf"(?<!{before}{plain[0]})" if word[0] == "^" else ""
        grouped.setdefault(plain[0], []).append(guard + plain[1:])
    return "(?:" + "|".join(f"{first}(?:{'|'.join(rest)})" for first, rest in grouped.items()) + ")"


ANYWHERE: Final = (*ENGLISH, *(f"{kind}[_. -]?key" for kind in KEY_KINDS), *FOREIGN)
"""A name that contains one of these is a secret's, unless what follows says that it is about the secret."""
AT_THE_END: Final = (
    "authorization", "^auth", "cookies?2?", f"{TOKEN}(?:[_-]?(?:value|string|secret))?",
    *(f"^{word}" for word in BY_NAME),
    *(f"^{whose}[_-]?pass" for whose in WHOSE_PASS),
)  # fmt: skip
"""A name that ends with one of these is a secret's."""

_BOUNDARY: Final = "[a-z]"
_SECRET: Final = re.compile(
    first_letters((*ANYWHERE, *(f"{word}$" for word in AT_THE_END), "cookie"), before=_BOUNDARY)
)
_ABOUT: Final = re.compile(rf"s?[_. -]?(?:{'|'.join(ABOUT_IT)})$")
# The id of a key is the half of a pair that is shown; yet with it the other half is found.
_NEVER_ABOUT: Final = re.compile(r"access[_. -]?key[_. -]?id$|^secret[_-]?id$|^role[_-]?id$")
_HINT: Final = re.compile(r"(?:.*[_.-])?(?:pass|pin)|access|refresh|seed|login[_-]?code|auth[_-]?code")
_DOUBTFUL: Final = re.compile(
    r"(?:.*[_.-])?(?:sig|signature|hmac|sas)|(?:x[_-])?(?:(?:client|server|session|service|user|write|project|bot)[_-])?"
    r"key"
)
_WORDS: Final = re.compile(r"[^a-z0-9]+")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OPEN_WORDS: Final = _words_of(
    """
    id ids uuid guid oid digest sha sha1 sha256 sha384 sha512 md5 etag etags commit rev revision trace traceparent
    tracestate span hash hashes checksum crc fingerprint thumbprint cursor version integrity idempotency dedup
    deduplication correlation ref reference container layer block tx txn transaction merkle address marker nonce
    base64 b64 thumbnail image audio video png jpeg jpg wav mp3 pdf blob bytes filename file path checkpoint offset
    certificate cert x5c publickey pubkey voice model asset after before
    """
)
_LONGEST_CACHED: Final = 64
_WORKING_DIRECTORY: Final = frozenset(("PWD", "OLDPWD"))


def kind_of(name: str) -> Kind:
    """Classify a field's name; camelCase, snake_case, kebab-case and dots are treated alike."""
    # Long keys are user data: they must not fill the cache's memory.
    return _cached_kind(name) if len(name) <= _LONGEST_CACHED else _kind_of(name)


def _kind_of(name: str) -> Kind:
    if name in _WORKING_DIRECTORY:
        return Kind.OPEN
    lower = _HUMP.sub("_", fold_name(name)).lower()
    if _names_a_secret(lower):
        return Kind.SECRET
    if _DOUBTFUL.fullmatch(lower):
        return Kind.DOUBTFUL
    if _HINT.fullmatch(lower):
        return Kind.HINT
    words = _WORDS.split(lower[-256:])
    if not _OPEN_WORDS.isdisjoint(words) or ("public" in words and "key" in words):
        return Kind.OPEN
    return Kind.NEUTRAL


def _names_a_secret(lower: str) -> bool:
    found = _SECRET.search(lower)
    if found is None:
        return False
    about = _ABOUT.search(lower, found.end())
    return about is None or _NEVER_ABOUT.search(lower) is not None


_cached_kind = lru_cache(maxsize=4096)(_kind_of)
