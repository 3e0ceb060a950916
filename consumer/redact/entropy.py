"""Entropy detection: finds random-looking tokens, credentials without an issuer's prefix, and spares known ids. Pure.

A false positive breaks a heal, since a payload that was redacted is refused. So only strong evidence counts: long
enough, letters of both cases and digits mixed as chance mixes them, no words in it, and no word before it that says
what it is.
"""

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Final

from consumer.redact.shapes import ISSUED

SHORTEST: Final = 24
"""Minimum length of a token in running text; below it ids, file names and versions are far more frequent than
credentials."""
SHORTEST_ALONE: Final = 28
"""Minimum length of a token that is a whole value: ids of 20 to 27 letters are common there."""
LONGEST: Final = 256
"""Maximum length of a token; a longer one is data."""

_CHAR: Final = r"A-Za-z0-9+/_\-"
_ESCAPED: Final = "nrtbf"
TOKEN: Final = re.compile(
    # The character before: not one of a token, no dot (a part of a dotted name), or the letter of an escape.
    rf"[{_CHAR}](?:(?<![{_CHAR}.\\][{_CHAR}])|(?<=\\[{_ESCAPED}][{_CHAR}])|(?<=\\[{_CHAR}])(?<!\\[{_ESCAPED}]))"
    rf"[{_CHAR}]{{{SHORTEST - 1},{LONGEST}}}+={{0,2}}(?![{_CHAR}=]|\.[A-Za-z0-9])",
    re.ASCII,
)
_KEEP_CHARS: Final = bytes(byte if bytes((byte,)).isalnum() or byte in b"+/_-\\" else ord(" ") for byte in range(256))
"""Translation table that keeps the characters of tokens and turns all others into spaces: splitting bytes is three
times as fast as any pattern."""
_KNOWN_IDS: Final = re.compile(
    r"(?i:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})"  # UUID
    r"|[a-z]{2,12}(?:[_-][a-z]{1,12}){0,2}[_-][A-Za-z0-9]{8,40}"  # ch_..., run-..., req_..., chatcmpl-...
    r"|[0-3][0-9A-Za-z]{26}"  # KSUID
    r"|1[0-9A-Za-z_-]{32}|1[0-9A-Za-z_-]{43}"  # a file in a drive
    r"|[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"  # traceparent
    r"|0x[0-9a-fA-F]+"
    r"|sha(?:1|256|384|512)-[A-Za-z0-9+/]+"  # integrity
)
_MAIL_KEY: Final = re.compile(r"[0-9a-f]{32}-(?:us[0-9]{1,2}|[0-9a-f]{8}-[0-9a-f]{8})")
"""API keys of mail services: hexadecimal, followed by the region or the account."""
_HEX: Final = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_HEX_OF_KEYS: Final = frozenset((64, 96, 128))
_WORDS: Final = re.compile(r"[+/_=-]+")
_PLAIN: Final = re.compile(r"[A-Za-z][a-z]+|[A-Z]{2,}|[0-9]{1,}")
_HUMPS: Final = re.compile(r"[A-Z]?[a-z]{3,}")
_ID_BEFORE: Final = re.compile(
    r"(?:\b|_|(?-i:(?<=[a-z])(?=[A-Z])))(?:ids?|uuid|guid|digest|sha-?[0-9]*|md5|etag|commit|head|rev(?:ision)?|trace(?:parent)?|span|hash|"
    r"checksum|fingerprint|cursor|version|integrity|ref|blob|tree|object|container|image|layer|block|tx|transaction|"
    r"address|nonce|correlation|request|voice|model|file|idempotency[_ -]key|base64|0x)"
    r"(?:[\s\\\"':=#(\[,@/<-]|is ){0,6}$",
    re.IGNORECASE,
)
_CLASSES: Final = {
    **dict.fromkeys(map(ord, ascii_lowercase), "a"), **dict.fromkeys(map(ord, ascii_uppercase), "A"),
    **dict.fromkeys(map(ord, digits), "0"),
}  # fmt: skip
_RUN_OF_ONE: Final = re.compile("a+|A+|0+|[^aA0]+")
_LOOK_BACK: Final = 32
_IN_A_URL: Final = re.compile(r"://[^\s\"'<>?#]*$")
_LONGEST_PATH: Final = 512
_LINE_OF_DATA: Final = frozenset((60, 64, 72, 76))


def random_tokens(text: str) -> Iterator[re.Match[str]]:
    """Yield the matches that look random and stand where a credential may stand."""
    alone = len(text) <= LONGEST and TOKEN.fullmatch(text) is not None
    if alone and len(text.rstrip("=")) < SHORTEST_ALONE:
        return
    for found in TOKEN.finditer(text):
        if looks_random(found[0]) and not _is_identified_by_context(text, found.start(), found.end()):
            yield found


def has_long_runs(raw: bytes) -> bool:
    """Return whether any run of token characters (with escapes) is long enough and no UUID."""
    return any(
        len(run) >= SHORTEST and not (run[8:9] == b"-" and run.islower()) for run in raw.translate(_KEEP_CHARS).split()
    )


def holds_random(text: str) -> bool:
    """Return whether any token looks random, wherever it stands."""
    return any(looks_random(found[0]) for found in TOKEN.finditer(text))


def looks_like_a_credential(text: str, *, least: int = 16) -> bool:
    """Return whether a whole value under a doubtful name (`key`, `signature`) looks like one: less evidence will do."""
    core = text.rstrip("=")
    if not least <= len(core) <= 2 * LONGEST or _CREDENTIAL.fullmatch(core) is None:
        return False
    if _KNOWN_IDS.fullmatch(core):
        return False
    if _HEX.fullmatch(core):
        return len(core) >= 32  # noqa: PLR2004 - 128 bits
    mixed = any(c.isdigit() for c in core) and any(c.isalpha() for c in core)
    return mixed and _changes(core) >= 0.3 * len(core) and _plain_length(core) < 0.5 * len(core)


_CREDENTIAL: Final = re.compile(r"[A-Za-z0-9+/_.~-]+")


def looks_random(token: str) -> bool:
    """Return whether a token looks like random output, and has none of the known forms of ids."""
    core = token.rstrip("=").strip("-_")
    size = len(core)
    if not SHORTEST <= size <= LONGEST or _KNOWN_IDS.fullmatch(core) is not None:
        return False
    if _MAIL_KEY.fullmatch(core) is not None:
        return True
    if _HEX.fullmatch(core):
        return size in _HEX_OF_KEYS and len(set(core)) > 8 and not core.isdigit()  # noqa: PLR2004 - half of the digits
    figures = sum(map(str.isdigit, core))
    if figures < 2:  # noqa: PLR2004 - one or none in 24 is an identifier far more often than chance
        return False
    upper, lower = core.lower() != core, core.upper() != core
    if upper and lower:
        return _is_mixed(token, core)
    return size >= 32 and core.isalnum() and _is_single_cased(core, figures)  # noqa: PLR2004 - with one case it takes more


def _is_mixed(token: str, core: str) -> bool:
    if len(set(core)) < 0.4 * min(len(core), 40) or _changes(core) < 0.42 * (len(core) - 1):
        return False
    if _plain_length(core) > 0.45 * len(core) or _word_length(core) > 0.6 * len(core):
        return False
    return not _is_encoded_text(token)


def _is_single_cased(core: str, figures: int) -> bool:
    if core.startswith("baf"):  # an IPFS content identifier (CID)
        return False
    return 0.06 <= figures / len(core) <= 0.6 and _changes(core) >= 0.16 * len(core)  # noqa: PLR2004 - of chance: 0.28


def _changes(core: str) -> int:
    return len(_RUN_OF_ONE.findall(core.translate(_CLASSES))) - 1


def _plain_length(core: str) -> int:
    return sum(len(word) for word in _WORDS.split(core) if _PLAIN.fullmatch(word))


def _word_length(core: str) -> int:
    return sum(map(len, _HUMPS.findall(core)))


def _is_encoded_text(token: str) -> bool:
    """Return whether the token is base64 of plain text without a secret: a cursor, a global id, a document."""
    core = token.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        decoded = b64decode(core + "=" * (-len(core) % 4), validate=True)
    except Error:
        return False
    plain = all(32 <= byte < 127 or byte in b"\t\r\n" for byte in decoded)  # noqa: PLR2004 - ASCII
    return plain and ISSUED.search(decoded.decode()) is None


def _is_identified_by_context(text: str, start: int, end: int) -> bool:
    """Return whether the context says that it is no credential: an id, a digest, a path, a line of encoded data."""
    before = text[max(0, start - _LOOK_BACK) : start]
    if _ID_BEFORE.search(before) is not None:
        return True
    if text[start] == "/" or before.endswith(("base64,", "~", "$", ":\\")):
        return True
    if end - start in _LINE_OF_DATA and len(text) > 2 * (end - start) and _at_an_edge(text, start, end):
        return True
    return _IN_A_URL.search(text[max(0, start - _LONGEST_PATH) : start]) is not None


def _at_an_edge(text: str, start: int, end: int) -> bool:
    edges = "\r\n\\"
    return (end < len(text) and text[end] in edges) or (start > 0 and text[start - 1] in edges)
