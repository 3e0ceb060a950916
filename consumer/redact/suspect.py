"""Prefilter: a quick check whether redaction could change anything in a text. Pure.

pydantic-core matches by an automaton, in some microseconds for an event; `re` tries every branch at every letter. The
prefilter has to return True wherever a pattern of `text`, a name of `names` or a shape of `shapes` could match, in
plain text and in raw JSON: a new pattern needs its trigger here, and a property test compares the two.
"""

import re
from itertools import permutations
from typing import Final

from pydantic_core import SchemaValidator, core_schema

from consumer.redact.entropy import has_long_runs, holds_random
from consumer.redact.names import FOREIGN, KEY_KINDS
from consumer.redact.shapes import TRIGGERS

_LOOKAROUND: Final = re.compile(r"\^|\(\?[!=<][^()]*\)")
_KEYS: Final = "[^a-z_.-]|x[_-]|(?:client|server|session|service|user|write|project|bot)[_-]?"
_SIGNS: Final = r"[a-z0-9+/_.~=\\-]"
_ENDS: Final = "jwt|otp|totp|cvv2?|cvc2?|psk|pw|phpsessid|jsessionid|sessid"
_NAMES: Final = "|".join(
    (
        "secret", "credential", "cookie", "bearer", "basic", "passw", "[a-z][_-]?pass(?:[^a-z]|$)", "passord", "pwd",
        "passphrase", "passcode", "authorization", "auth(?:[^a-z]|$)", "token(?:[^s]|$)",
        rf"(?:{'|'.join(KEY_KINDS)})[_. -]?key", *(_LOOKAROUND.sub("", word) for word in FOREIGN),
        rf"(?:^|[^a-z])(?:{_ENDS})(?:[^a-z]|$)", r"(?:net_session|connect\.s)id",
        rf"(?:sig|signature|hmac|sas|(?:^|{_KEYS})key)\\*[\"']?\s*[:=]\s*\\*[\"']?{_SIGNS}{{16}}",
        r"[?&;](?:k|key|code|(?:[\w-]*-)?sig(?:nature)?)=",
    )
)  # fmt: skip
_USERINFO: Final = r":\\*/\\*/[^\s\"']*@|(?i:%3a%2f%2f)|-(?:u|-user|-proxy-user)[ =]"
_ESCAPE: Final = r"\\u"  # could encode any of the other triggers
_RUN: Final = r"[A-Za-z0-9+/_=\\-]*"
_ORDERS: Final = permutations(("[a-z]", "[A-Z]", "[0-9]"))
_MIXED: Final = "|".join((*(_RUN.join(order) for order in _ORDERS), "[A-Za-z0-9]{32}"))
"""Text without this holds no random-looking token; with it the tokens are checked one by one."""
_CERTAIN: Final = "|".join((_ESCAPE, f"(?i:{_NAMES})", _USERINFO, *TRIGGERS))


def _automaton(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern))


HAS_NAME: Final = _automaton(f"(?i:{_NAMES})")
HAS_SHAPE: Final = _automaton("|".join(TRIGGERS))
_SUSPECT: Final = _automaton(_CERTAIN)
_EITHER: Final = _automaton(f"{_CERTAIN}|{_MIXED}")
"""Checked first, both combined: nearly every event is done with one search."""

_NAMED: Final = re.compile(r'"(?!xox|sk-|gl|py)[A-Za-z-]{1,32}"\s{0,4}:\s{0,4}"(?:(?:Bearer|Basic) )?$', re.ASCII)
_NAME: Final = re.compile(r'[\w.-]{1,128}"', re.ASCII)
_LOOK_BACK: Final = 56
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


def is_suspect(text: str) -> bool:
    """Return whether redaction could change a text; errs only on the side of True."""
    if not _EITHER.isinstance_python(text):
        return False
    # A lone surrogate cannot be encoded: it is replaced, since the prefilter must not miss a secret.
    return _SUSPECT.isinstance_python(text) or (has_long_runs(text.encode(errors="replace")) and holds_random(text))


def may_hold_secret(raw: bytes) -> bool:
    """Return whether redaction could change anything in a JSON text: quick, and errs only on the side of True."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return True
    if "secret://" in text:  # a reference is no secret under any name, and is the usual form of a header
        text = _strip_references(text)
    if not _EITHER.isinstance_python(text):
        return False
    if _SUSPECT.isinstance_python(text):
        return True
    return has_long_runs(raw) and holds_random(_ESCAPED.sub(_unescape, text) if "\\" in text else text)


def _unescape(found: re.Match[str]) -> str:
    return found[1] if found[1] in '/\\"' else " "


def _strip_references(text: str) -> str:
    """Remove each member whose value is a reference; one in another form stays, and costs a closer check."""
    first, *others = text.split("secret://")
    parts = [first]
    for after in others:
        member = _NAMED.search(parts[-1], max(0, len(parts[-1]) - _LOOK_BACK))
        name = _NAME.match(after)
        if member is None or name is None:
            parts.append(f"secret://{after}")
        else:
            parts[-1] = parts[-1][: member.start()]
            parts.append(after[name.end() :])
    return "".join(parts)
