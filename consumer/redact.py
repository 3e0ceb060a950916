"""Takes secrets out of what came in, before anything stores, logs, shows or sends it.

Every pattern is bounded or starts at a boundary, so that the time is linear in the text. `may_hold_secret` has to say
yes wherever a pattern below could match: a new pattern needs its trigger there, and a property test compares the two.
"""

import re
from functools import lru_cache
from typing import Final

from pydantic_core import SchemaValidator, core_schema

from consumer.model import Json

REDACTED: Final = "[redacted]"

_KEY_KINDS: Final = ("api", "access", "private", "signing", "encryption", "auth", "account", "master", "subscription")
_ALWAYS: Final = (
    r"passw(?:or)?d|passphrase|(?<![a-z])pwd|secret(?!ar|://)|credential"
    rf"|(?:{'|'.join(_KEY_KINDS)})[_. -]?key"
)
# A page's token is a place in a list; counts of a model's tokens end in a plural or in another word.
_TOKEN: Final = "".join(rf"(?<!{word})(?<!{word}[_-])" for word in ("page", "next", "continuation")) + "token"
_KEY: Final = re.compile(rf"{_ALWAYS}|authorization$|(?<![a-z])auth$|cookie|{_TOKEN}$", re.ASCII | re.IGNORECASE)
_SCHEMES: Final = r"(?:bearer|basic|token|apikey|digest)"
_REFERENCE: Final = re.compile(rf"(?:{_SCHEMES} {{1,3}})?secret://[\w.-]{{1,128}}", re.ASCII | re.IGNORECASE)

# What is a secret by its shape, wherever it stands: the issuers chose these prefixes so that they can be found.
_SHAPES: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-[A-Za-z0-9_-]{16,}"
    r"|[sr]k_(?:live|test)_[A-Za-z0-9]{8,}"
    r"|whsec_[A-Za-z0-9+/=]{16,}"
    r"|A[KS]IA[A-Z0-9]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|github_pat_[A-Za-z0-9_]{20,}"
    r"|glpat-[A-Za-z0-9_-]{16,}"
    r"|npm_[A-Za-z0-9]{20,}"
    r"|hf_[A-Za-z0-9]{20,}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{8,}"
    r"|AIza[A-Za-z0-9_-]{30,}"
    r"|(?<![_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?"
    r")"
    r"|-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----(?:[^-]|-(?!-))*(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----)?",
    re.ASCII,
)
# "Basic authentication" is prose: a credential has a digit, a sign of base64 or a capital inside.
_SCHEME: Final = re.compile(
    r"(?<![A-Za-z])(?P<kept>(?i:bearer|basic)\s{1,4})(?!secret://)"
    r"(?=[A-Za-z._~-]{0,400}(?:[0-9+/]|[a-z][A-Z]|={1,2}(?![\w\"'])))[A-Za-z0-9._~+/=-]{6,}",
    re.ASCII,
)
_USERINFO: Final = re.compile(r"(?<=://)[^\s/?#@:]{0,256}:[^\s/?#]{1,256}@", re.ASCII)
# The name before a value in running text: name=value, "name": "value", name: v4lue.
_QUERY: Final = r"[?&;](?:key|auth|(?:[\w-]{0,20}-)?sig(?:nature)?)(?==)"
_NAME: Final = rf"(?:(?:{_ALWAYS})[\w.-]{{0,30}}|authorization|cookie|{_TOKEN}|{_QUERY})"
_NOT_REFERENCE: Final = rf"(?!(?:{_SCHEMES}\s{{1,3}})?secret://)"
_ASSIGNED: Final = re.compile(
    rf"(?P<kept>{_NAME}(?:"
    rf"\\{{0,4}}[\"']?\s{{0,4}}[:=]\s{{0,4}}\\{{0,4}}[\"']{_NOT_REFERENCE}(?=(?P<quoted>[^\"'\\\r\n]{{1,1000}}))"
    rf"|={_NOT_REFERENCE}(?=(?P<bare>[^\s\"'&,;<>\\]+))"
    # After a colon and no quote, plain words are prose: "password: must be given".
    rf"|:\s{{0,4}}{_NOT_REFERENCE}(?:{_SCHEMES}\s{{1,3}})?"
    r"(?=[^\s\"'&,;<>\\]{0,100}[0-9=+/$!%^*])(?=(?P<told>[^\s\"'&,;<>\\]{3,}))"
    r"))(?:(?P=quoted)|(?P=bare)|(?P=told))",
    re.ASCII | re.IGNORECASE,
)
_COOKIE: Final = re.compile(
    r"(?P<kept>cookie\\{0,4}[\"']?\s{0,4}:\s{0,4}\\{0,4}[\"']?)[^\r\n\"'\\=]{1,200}=[^\r\n\"'\\]*",
    re.ASCII | re.IGNORECASE,
)

_SUSPECT: Final = SchemaValidator(
    core_schema.str_schema(
        pattern=r"@|\\u"  # an escape could spell any of the others
        r"|(?i:secret|credential|cookie|bearer|basic|passw|passphrase|pwd|authorization|auth[\"=]|token(?:[^s]|$)"
        rf"|key=|sig(?:nature)?=|(?:{'|'.join(_KEY_KINDS)})[_. -]?key)"
        r"|sk-[A-Za-z0-9_-]{16}|[sr]k_(?:live|test)_|whsec_|A[KS]IA|gh[pousr]_|github_pat_|glpat-|npm_|hf_"
        r"|xox[abeoprs]-|AIza|eyJ|-----BEGIN"
    )
)
"""pydantic-core matches by an automaton, in 1.5 us for 700 characters; `re` tries every branch at every letter."""

_REFERENCED: Final = re.compile(
    r'"[\w.-]{1,64}"\s{0,4}:\s{0,4}"(?:(?:Bearer|Basic) )?secret://[\w.-]{1,128}"', re.ASCII | re.IGNORECASE
)


def may_hold_secret(raw: bytes) -> bool:
    """Tell whether redaction could change anything in a JSON text: quick, and wrong only by saying yes."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return True
    if "secret://" in text:  # a reference under whatever name is no secret, and the usual form of a header
        text = _REFERENCED.sub("", text)
    return _SUSPECT.isinstance_python(text)


def redact_text(text: str) -> str:
    """Give the text without the secrets that are known by their shape or by the name before them."""
    # What was taken out can leave two secrets side by side that were one word: again, until nothing changes.
    for _ in range(8):
        before = text
        text = _SHAPES.sub(REDACTED, text)
        text = _SCHEME.sub(rf"\g<kept>{REDACTED}", text)
        text = _USERINFO.sub(f"{REDACTED}@", text)
        text = _COOKIE.sub(rf"\g<kept>{REDACTED}", text)
        text = _ASSIGNED.sub(rf"\g<kept>{REDACTED}", text)
        if text == before:
            break
    return text


def redact_json(value: Json) -> tuple[Json, tuple[str, ...]]:
    """Give the value without its secrets, and the JSON Pointers of what was taken out.

    The same object when nothing was; else a copy along the changed paths only. A reference `secret://NAME` is not a
    secret. Recursive: the depth of the value is the caller's to limit.
    """
    found: list[str] = []
    clean = _clean(value, found, named=False)
    return clean, tuple(found)


@lru_cache(maxsize=4096)
def _is_secret_name(name: str) -> bool:
    return _KEY.search(name) is not None


def _names_secret(name: str) -> bool:
    # Long keys are somebody's data: they shall not fill the cache's memory.
    return _is_secret_name(name) if len(name) <= 64 else _KEY.search(name) is not None  # noqa: PLR2004


def _clean(value: Json, found: list[str], *, named: bool) -> Json:
    """Clean one value; `named` says that it stands under the name of a secret."""
    if isinstance(value, str):
        return _clean_text(value, found, named=named)
    if isinstance(value, dict):
        return _clean_object(value, found, named=named)
    if isinstance(value, list):
        return _clean_list(value, found, named=named)
    if named and isinstance(value, int | float) and not isinstance(value, bool):
        found.append("")
        return REDACTED
    return value


def _clean_text(text: str, found: list[str], *, named: bool) -> str:
    if named:
        clean = text if not text or text == REDACTED or _REFERENCE.fullmatch(text) else REDACTED
    else:
        clean = redact_text(text)
    if clean == text:
        return text
    found.append("")
    return clean


def _clean_object(value: dict[str, Json], found: list[str], *, named: bool) -> Json:
    changed: dict[str, Json] | None = None
    # {"name": "Authorization", "value": "..."}: a header, a cookie or a variable as many tools write them
    label = value.get("name", value.get("key"))
    paired = isinstance(label, str) and "value" in value and _names_secret(label)
    for name, old in value.items():
        first = len(found)
        new = _clean(old, found, named=named or _names_secret(name) or (paired and name == "value"))
        if new is not old:
            changed = dict(value) if changed is None else changed
            changed[name] = new
            _under(name.replace("~", "~0").replace("/", "~1"), found, first)
    return value if changed is None else changed


def _clean_list(value: list[Json], found: list[str], *, named: bool) -> Json:
    changed: list[Json] | None = None
    label = value[0] if len(value) == 2 else None  # noqa: PLR2004 - ["Authorization", "..."]
    paired = isinstance(label, str) and _names_secret(label)
    for index, old in enumerate(value):
        first = len(found)
        new = _clean(old, found, named=named or (paired and index == 1))
        if new is not old:
            changed = list(value) if changed is None else changed
            changed[index] = new
            _under(str(index), found, first)
    return value if changed is None else changed


def _under(token: str, found: list[str], first: int) -> None:
    found[first:] = [f"/{token}{path}" for path in found[first:]]
