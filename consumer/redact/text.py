"""Secrets in running text: by shape, auth scheme, URL part, the secret's name before them, or randomness. Pure.

Names are matched against lowered text, since `re` skips quickly to a letter only where case counts. Every pattern
begins at a literal or a boundary and is bounded or possessive, so that the time is linear in the text.
"""

import re
from collections.abc import Iterator
from typing import Final

from consumer.redact import shapes
from consumer.redact.entropy import has_long_runs, looks_like_a_credential, random_tokens
from consumer.redact.names import ANYWHERE, AT_THE_END, first_letters
from consumer.redact.suspect import HAS_NAME, HAS_SHAPE, is_suspect

REDACTED: Final = "[redacted]"
_PASSES: Final = 6
_MAX_SECRETS: Final = 2000
"""Limit of secrets of one kind in a text: one with more is redacted as a whole, and so is one that still changes after
`_PASSES` passes."""

SCHEMES: Final = "(?:bearer|basic|token|apikey|digest|negotiate)"
_NOT_REFERENCE: Final = rf"(?!(?:{SCHEMES}\s{{1,3}})?secret://)"
# "Basic authentication" is prose: a credential contains a digit, a base64 character or a capital inside.
_CREDENTIAL: Final = r"(?:(?!\.(?i:bearer|basic))[A-Za-z0-9._~+/=-]){6,}"
_SCHEME: Final = re.compile(
    r"[Bb](?:(?<![A-Za-z].)|(?<=\\[nrt].)|(?<=%20.))(?i:earer|asic)(?:\s{1,4}|%20)(?!secret://|/)"
    r"(?=[A-Za-z._~/-]{0,400}(?:[0-9+]|[a-z][A-Z]|={1,2}(?![\w\"'])))"
    rf"(?P<v>{_CREDENTIAL})",
    re.ASCII,
)
_USERINFO: Final = (
    re.compile(r"://(?P<v>[^\s/?#@:\"']{0,256}:[^\s/?#\"']{1,256})@"),
    re.compile(r"://(?P<v>(?=[A-Za-z_~.%-]{0,255}[0-9])[A-Za-z0-9_~.%-]{20,256})@"),
    # In a connection string the password is often not encoded.
    re.compile(
        r"://(?<=(?:gres|ysql|iadb|godb|[+]srv|edis|diss|amqp|mqps|ldap|sftp|ouse)://)"
        r"(?P<v>[^\s/@:\"']{0,256}:[^\s\"'@]{1,256})@"
    ),
)
_ENCODED_USERINFO: Final = re.compile(r"%3a%2f%2f(?P<v>[^\s%&/\"']{0,256}%3a[^\s&\"'/@]{1,256}?)%40")
_QUERY: Final = r"(?:auth|k|(?:[\w-]{0,20}-)?sig(?:nature)?)(?==)"
_SECRET: Final = (
    rf"(?:{first_letters(ANYWHERE, before='[a-z]')}[\w.-]{{0,30}}+|{first_letters(AT_THE_END, before='[a-z]')})"
)
_AFTER_NAME: Final = (
    r"(?:"
    r"(?:\\{0,7}[\"'])?\s{0,4}(?:=>|[:=\uff1a])\s{0,4}"
    rf"(?P<escape>\\{{0,7}})(?P<quote>[\"']){_NOT_REFERENCE}"
    r"(?P<v1>(?:[^\\\"'\r\n]++|(?P=escape)\\++[\"']?|\\++(?![\"'\\])|(?!(?P=quote))[\"'])++)"
    rf"|(?:\s{{0,4}}=\s{{0,4}}|%3d)(?!=){_NOT_REFERENCE}(?P<v2>(?:[^\s\"'&,;<>\\%]|%(?!26))++)"
    # After a colon and no quote, plain words are prose: "password: must be given".
    rf"|(?:\\{{0,7}}[\"'])?[:\uff1a]\s{{0,4}}{_NOT_REFERENCE}(?:{SCHEMES}\s{{1,3}})?"
    r"(?=[^\s\"'&,;<>\\0-9=+/$!%^*]{0,40}+[0-9=+/$!%^*])(?P<v3>[^\s\"'&,;<>\\]{3,}+)"
    r"|>(?P<v4>[^<>\r\n]{1,1000}+)(?=</)"
    r")"
)
_ASSIGNED: Final = re.compile(rf"{_SECRET}{_AFTER_NAME}")
_FLAG: Final = re.compile(
    rf"--(?<![\w-]--)(?:[\w-]{{0,30}}?-)?{_SECRET}\s{{1,4}}(?!-|secret://)(?P<v>\"[^\"\r\n]+\"|'[^'\r\n]+'|[^\s\"']+)"
)
_LOGIN: Final = re.compile(
    r"-(?<= -)(?:u|-user|-proxy-user)[ =][\"']?(?P<v>(?![0-9]+:[0-9]+\b)[^\s:\"'/]{1,64}:[^\s\"']{1,256})"
)
_QUERIED: Final = re.compile(
    rf"[?&;](?:{_QUERY}=(?P<v>[^\s\"'&,;<>\\]+)|(?:key|code)=(?=[^\s&]{{0,40}}[0-9])(?P<w>[\w~+/=%-]{{12,}}))"
)
_COOKIE: Final = re.compile(
    r"cookie2?\\{0,7}[\"']?\s{0,4}:\s{0,4}\\{0,7}[\"']?(?P<v>[^\r\n\"'\\=]{1,64}+=[^\r\n\"'\\]*)"
)
_DOUBTFUL: Final = re.compile(
    r"(?:k(?<![a-z]k)ey|s(?:(?<![a-z]s)ig(?:nature)?|(?<![a-z]s)as)|h(?<![a-z]h)mac)"
    r"\\{0,7}[\"']?\s{0,4}[:=]\s{0,4}\\{0,7}[\"']?(?P<v>[a-z0-9+/_.~=-]{16,512}+)"
)


class _TooManySecrets(Exception):
    """More secrets than any honest text holds: the text was made to consume CPU time (denial of service)."""


def redact_line(text: str, *, entropy: bool = True) -> str:
    """Return the text without the secrets in it; without `entropy`, random tokens stay, as under the name of an id."""
    if not is_suspect(text):
        return text
    try:
        # Redacting can leave two secrets side by side that were one word: repeat until nothing changes.
        for _ in range(_PASSES):
            before = text
            text = _redact_once(text, entropy=entropy)
            if text == before:
                return text
    except _TooManySecrets:
        pass
    return REDACTED


def _redact_once(text: str, *, entropy: bool) -> str:
    """Run one pass of all patterns; a pattern is tried only where its trigger is present."""
    if HAS_SHAPE.isinstance_python(text):
        for pattern in (shapes.ISSUED, *shapes.ANYWHERE):
            text = _replace_matches(text, pattern.finditer(text))
    if "://" in text:
        for pattern in _USERINFO:
            text = _replace_matches(text, pattern.finditer(text))
    if HAS_NAME.isinstance_python(text):
        text = _replace_matches(text, _SCHEME.finditer(text))
        for pattern in (_QUERIED, _COOKIE, _ASSIGNED, _FLAG):
            text = _replace_matches(text, pattern.finditer(_lower_same_length(text)))
        text = _replace_matches(text, _find_doubtful(text))
    low = _lower_same_length(text)
    if "%3a" in low:
        text = _replace_matches(text, _ENCODED_USERINFO.finditer(low))
    if " -" in text:
        text = _replace_matches(text, _LOGIN.finditer(text))
    if entropy and has_long_runs(text.encode(errors="replace")):
        text = _replace_matches(text, random_tokens(text))
    return text


def _find_doubtful(text: str) -> Iterator[re.Match[str]]:
    for found in _DOUBTFUL.finditer(_lower_same_length(text)):
        if looks_like_a_credential(text[found.start("v") : found.end("v")]):
            yield found


def _lower_same_length(text: str) -> str:
    """Return the text in lower case at the same length, so that match positions hold in the original."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _replace_matches(text: str, found: Iterator[re.Match[str]]) -> str:
    """Replace each match with the marker: its last group, or the whole match where the pattern has no groups."""
    parts: list[str] = []
    at = 0
    for count, one in enumerate(found):
        if count == _MAX_SECRETS:
            raise _TooManySecrets
        start, end = one.span(one.lastindex or 0)
        parts += (text[at:start], REDACTED)
        at = end
    return "".join((*parts, text[at:])) if parts else text
