"""Prefilter: a quick check whether redaction could change anything in a text. Pure.

pydantic-core matches by an automaton, in some microseconds for an event; `re` tries every branch at every letter. The
prefilter has to return True wherever a pattern of `text`, a name of `names` or a shape of `shapes` could match, in
plain text and in raw JSON: a new pattern needs its trigger here, and a property test compares the two.
"""

import re
from itertools import permutations
from typing import Final

from pydantic_core import SchemaValidator, core_schema

from consumer.redact import commands, encoded, urls
from consumer.redact.entropy import has_long_runs, holds_random
from consumer.redact.folding import HIDDEN
from consumer.redact.shapes import TRIGGERS
from consumer.redact.words_of_secrets import ENGLISH, FOREIGN, KEY_KINDS

_LOOKAROUND: Final = re.compile(r"\^|\(\?[!=<][^()]*\)")
_NO_LETTER: Final = r"(?:[^a-z]|$|(?-i:[A-Z]))"


def _loose(word: str) -> str:
    """Return a word's pattern without what Rust's engine has not, and what camelCase undoes."""
    return _LOOKAROUND.sub("", word.replace("(?![a-z])", "\0")).replace("\0", _NO_LETTER)


_KEYS: Final = "[^a-z_.-]|x[_-]|(?:client|server|session|service|user|write|project|bot)[_-]?"
_SIGNS: Final = r"[a-z0-9+/_.~=\\-]"
_ENDS: Final = "jwt|otp|totp|cvv2?|cvc2?|psk|pw|phpsessid|jsessionid|sessid|sshpass|pgpass"
_IS: Final = r"\\*[\"']?\]?\s*(?:=>|[:=])"
_NAMES: Final = "|".join(
    (
        "secret", "credential", "cookie", "bearer", "basic", "passw", f"[a-z][_-]?pass{_NO_LETTER}", "passord", "pwd",
        "authorization", f"auth{_NO_LETTER}", "token(?:[^s]|$)",
        rf"(?:{'|'.join(KEY_KINDS)})[_. -]?key", *map(_loose, (*ENGLISH, *FOREIGN)),
        rf"(?:^|[^a-z])(?:{_ENDS}){_NO_LETTER}",
        rf"(?-i:[a-z0-9](?:{_ENDS.title()})){_NO_LETTER}", r"(?:net_session|connect\.s)id",
        rf"(?:sig|signature|hmac|sas|(?:^|{_KEYS})key)\\*[\"']?\s*[:=]\s*\\*[\"']?{_SIGNS}{{16}}",
        rf"(?:pass|pin|(?:login|auth)[_-]?code){_IS}", rf"(?:^|[^a-z_.-])(?:access|refresh|seed){_IS}",
        rf"(?:^|[^a-z])pin{_NO_LETTER}", r"-(?:pass|pin)[\s=]", r"\s\\*/(?:p|pass|password|pw|pwd|token):",
        (r"[?&;](?:k|key|code|(?:access|auth|verification|reset|invite|magic|login|confirm(?:ation)?|ticket|oobcode)"
        r"[a-z_-]*|(?:[\w-]*-)?sig(?:nature)?)="),
        "log[io]n", "convertto-secure", "identifiants",
        r"(?:getconnection|basic_?auth|_connect|_login|credentials?|authenticate)\s*\(",
        r"[a-z0-9][_-](?:pat|tok|sk|apikey|key)[_-][a-z0-9]{24}",
        "(?:verification|login|access|confirmation|sms|2fa|mfa|otp)[ -]code",
        r":(?:[0-9]{2}[0-9]*|\*):[\w*-]+:[\w.-]+:",
        r"(?:key|code|sig|signature|hmac|sas|pass|pin|access|refresh)(?:%3d|%3a|%22|&quot|&\#|\\*[\"']?\s*=>)",
    )
)  # fmt: skip
_USERINFO: Final = (
    r":\\*/\\*/[^\s\"']*@|(?i:%3a%2f%2f)|-(?:u|-user|-proxy-user|-creds|-src-creds|-dest-creds|U)[ =]?[^\s:]*:"
)
_LETTER: Final = "%(?:[46][1-9A-Fa-f]|[57][0-9Aa])"
_ESCAPE: Final = rf"\\u|{_LETTER}{_LETTER}"  # could encode any of the other triggers
_RUN: Final = r"[A-Za-z0-9+/_=\\-]*"
_ORDERS: Final = permutations(("[a-z]", "[A-Z]", "[0-9]"))
_MIXED: Final = "|".join((*(_RUN.join(order) for order in _ORDERS), "[A-Za-z0-9]{32}"))
"""Text without this holds no random-looking token; with it the tokens are checked one by one."""
_COMMANDS: Final = f"(?i:{commands.TRIGGER})"
_SHAPES: Final = "|".join(TRIGGERS)
_BY_PLACE: Final = "|".join((_ESCAPE, _USERINFO, _COMMANDS, *urls.TRIGGERS))


def _automaton(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern))


_NEGATED: Final = re.compile(r"\[\^(?:\\.|[^\]\\])+\]")


def _of_ascii(pattern: str) -> str:
    """Return a pattern for texts of ASCII alone: its classes are small, and so is the automaton."""
    # An intersection: what a negated class leaves of ASCII. (Case folding would take k and s out of a range beyond it.)
    spelled = _NEGATED.sub(r"[\\x00-\\x7F&&\g<0>]", pattern).replace(r"\s", r"[\t-\r ]").replace(r"\S", "[!-~]")
    return spelled.replace(r"\w", "[0-9A-Za-z_]").replace(r"\b", r"(?-u:\b)")


class _Automaton:
    """Searches a text for one group of triggers; a text of ASCII by a smaller automaton.

    The groups are kept apart: the engine makes the states of an automaton as texts need them, and one of all groups
    needs more than its cache holds as soon as texts differ; then a search takes many times as long.
    """

    __slots__ = ("_any", "_ascii")

    def __init__(self, pattern: str, beyond_ascii: str = "") -> None:
        self._ascii = _automaton(_of_ascii(pattern)).isinstance_python
        # Of ASCII here too: at a boundary of Unicode's the engine gives its automaton up, for a search far slower.
        whole = (f"{pattern}|{beyond_ascii}" if beyond_ascii else pattern).replace(r"\b", r"(?-u:\b)")
        self._any = _automaton(whole).isinstance_python

    def finds(self, text: str) -> bool:
        """Return whether the text holds one of them."""
        return self._ascii(text) if text.isascii() else self._any(text)


HAS_COMMAND: Final = _Automaton(_COMMANDS)
HAS_NAME: Final = _Automaton(f"(?i:{_NAMES})")
HAS_SHAPE: Final = _Automaton(_SHAPES)
_HAS_PLACE: Final = _Automaton(_BY_PLACE, HIDDEN)
_IS_MIXED: Final = _Automaton(_MIXED)
_HAS_BASE64: Final = _Automaton("|".join(encoded.TRIGGERS))
"""Base64 of a word that names a secret: letters of both cases and digits, and so checked only where these are mixed."""

_NAMED: Final = re.compile(r'"(?!xox|sk-|gl|py)[A-Za-z-]{1,32}"\s{0,4}:\s{0,4}"(?:(?:Bearer|Basic) )?$', re.ASCII)
_NAME: Final = re.compile(r'[\w.-]{1,128}"', re.ASCII)
_LOOK_BACK: Final = 56
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


def is_suspect(text: str, *, entropy: bool = True) -> bool:
    """Return whether redaction could change a text; errs only on the side of True. `entropy`: by randomness too."""
    by_triggers = _judge_by_triggers(text)
    if by_triggers is not None:
        return by_triggers
    # A lone surrogate cannot be encoded: it is replaced, since the prefilter must not miss a secret.
    return entropy and has_long_runs(text.encode(errors="replace")) and holds_random(text)


def may_hold_secret(raw: bytes) -> bool:
    """Return whether redaction could change anything in a JSON text: quick, and errs only on the side of True."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return True
    if "secret://" in text:  # a reference is no secret under any name, and is the usual form of a header
        text = _strip_references(text)
    by_triggers = _judge_by_triggers(text)
    if by_triggers is not None:
        return by_triggers
    return has_long_runs(raw) and holds_random(_ESCAPED.sub(_unescape, text) if "\\" in text else text)


def _judge_by_triggers(text: str) -> bool | None:
    """Return whether redaction could change a text, as far as its triggers tell; None: only its randomness does."""
    if HAS_NAME.finds(text) or _HAS_PLACE.finds(text) or HAS_SHAPE.finds(text):
        return True
    if not _IS_MIXED.finds(text):
        return False
    return True if _HAS_BASE64.finds(text) else None


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
