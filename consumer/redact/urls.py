"""Secrets by their place in a URL: user-info, parameters of a query, paths of web hooks and of links in mails. Pure."""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Final

from consumer.redact.entropy import looks_like_a_credential, looks_random

_HOST: Final = r"(?=(?:[\w.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?:[:/?#,;\s\"'\\)>\]]|$))"
_WEB: Final = r"(?<![Hh][Tt][Tt][Pp]://)(?<![Hh][Tt][Tt][Pp][Ss]://)(?<![Ww][Ss]://)(?<![Ww][Ss][Ss]://)"
USERINFO: Final = (
    # In a connection string the password is often not encoded: it reaches to the last @ before a host.
    re.compile(rf"://{_WEB}(?P<v>[^\s:@/\"'<>]{{0,256}}:[^\s\"'<>]{{1,256}})@{_HOST}"),
    # Of the web's, a number behind the colon is a port, and what follows it a path.
    re.compile(rf"://(?P<v>[^\s/?#@:\"'<>]{{0,256}}:(?![0-9]{{1,5}}[/?#])[^\s?#\"'<>]{{1,256}})@{_HOST}"),
    re.compile(r"://(?P<v>[^\s/?#@:\"']{0,256}:[^\s/?#\"']{1,256})@"),
    re.compile(r"://(?P<v>[^\s/?#@:\"'%]{1,64}%3[Aa][^\s/?#@\"'<>]{1,256})@"),
)
_BARE: Final = re.compile(
    r"://(?P<v>(?=[A-Za-z_~.%-]{0,255}[0-9])[A-Za-z0-9_~.%-]{20,256})@(?P<host>[\w.-]{1,255})(?P<path>/[0-9]{1,20}(?![\w/]))?"
)
_WITHOUT_SCHEME: Final = re.compile(
    r"@(?<![\w.-]@)|"  # an alternative that never yields a value keeps the literal in front
    r"(?<![^\s\"'(=,])(?P<v>[\w.-]{1,64}:(?!/|[0-9]{1,5}(?:[@/]))[^\s:/@\"'<>,;]{4,128})@(?=[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}(?:[:/\s\"')\\]|$))"
)
_NAMES: Final = r"(?:auth|k|(?:[\w-]{0,20}-)?sig(?:nature)?)(?==)"
QUERIED: Final = re.compile(
    rf"[?&;](?:{_NAMES}=(?P<v>[^\s\"'&,;<>\\]+)|(?:key|code|(?:access|auth|verification|reset|invite|magic|login|confirm(?:ation)?|ticket|oobcode)(?:[_-]?(?:code|key|link))?)="
    r"(?=[^\s&]{0,60}[0-9])(?P<w>[\w~+/=%.-]{12,}))"
)
_ALGORITHM: Final = re.compile(
    r"(?:hmac|rsa|ecdsa|eddsa|ed|rs|hs|es|ps|sha|md|aws|v)?[-_]?(?:sha|hmac|rsa|hs|rs|es|ps|md|aws|v|ed)?[-_]?[0-9]{0,5}(?:[-_](?:hmac|sha|rsa)[-_]?[0-9]{0,4})*|"
    r"true|false|none|null|valid|invalid|missing|required|unsigned|signed|plain|detached|digest|ed25519|secp256k1|default|auto"
)
_CODE: Final = re.compile(r"[A-Z][A-Z0-9]*(?:[_.-][A-Z0-9]+)+|[a-z]+(?:[_.-][a-z0-9]+)+|[0-9.-]+|[A-Za-z]+")
_HOOKS: Final = re.compile(
    r"/(?:web[_-]?hooks?|hooks?|incomingwebhook|incoming|triggers?|catch|b2hook|webhookb2|hook-url|callbacks?)(?:\\?/(?:v[0-9]+|catch|send|test|[a-z-]{2,20}))*(?=\\?/)(?P<v>(?:\\?/[\w@~.-]+)+)",
    re.IGNORECASE,
)
_HOSTS_OF_HOOKS: Final = re.compile(
    r"://(?:[\w-]{1,40}\.)?(?:web)?hooks?(?:\.[\w-]{1,40}){1,4}(?P<v>(?:\\?/[\w@~.-]+)+)", re.IGNORECASE
)
_LINKS: Final = re.compile(
    r"/(?:[\w-]{0,20}[_-])?(?:reset|recover|recovery|verify|verification|confirm|confirmation|activate|activation|invite|invites|invitation|invitations|magic|"
    r"magic[_-]?link|onetime|one-time|otp|unlock|set-password|new-password|change-password|password|passwords|token|tokens|login|signin|sign-in|sso|auth|"
    r"join|accept|unsubscribe|optout|opt-out|share|shared|key|apikey|secret)"
    r"(?:\\?/(?:reset|verify|confirm|email|token|password|new|key|edit|u|v[0-9]+|[A-Za-z0-9]{1,12}))?\\?/(?P<v>[A-Za-z0-9_~.-]{16,512})(?![A-Za-z0-9_~.-])",
    re.IGNORECASE,
)
_BOT: Final = re.compile(r"/bot(?P<v>[0-9]{6,}:[A-Za-z0-9_-]{20,})")
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_NUMBER_OF_LINK: Final = re.compile(r"[0-9-]+|(?:[a-z]{2,8}_)?[0-9A-HJKMNP-TV-Z]{26}|[0-9a-f]{24}|[0-9a-f]{32}")
TRIGGERS: Final = (
    r"(?i:hooks?)\.[\w.-]+\\*/",
    r"(?i:hooks?|webhookb2|incoming|incomingwebhook|triggers?|catch|callbacks?)\\*/",
    (
        r"(?i:reset|recover|recovery|verify|verification|confirm|confirmation|activate|activation|invites?|invitations?|magic|link|onetime|one-time|otp|unlock|"
        r"passwords?|tokens?|login|signin|sign-in|sso|auth|join|accept|unsubscribe|optout|opt-out|shared?|key|secret)\\*/(?:[\w.~-]+\\*/)?[\w.~-]{16}"
    ),
    r"\\*/bot[0-9]{6}",
    r"[\w.-]:[^\s:@/\"'<>,;]{4}[^\s:@/\"'<>,;]*@",
)
"""What announces such a path, or a login without a scheme."""
Span = tuple[int, int]


def secrets_in_paths(text: str, *, sure: bool) -> Iterator[Span]:
    """Yield the secret part of web hooks' paths, and of links that let in whoever has them.

    `sure`: only what looks random, for a request that may well go to such a path with an id in it.
    """
    for found in chain(_HOOKS.finditer(text), _HOSTS_OF_HOOKS.finditer(text)):
        start = found.start("v")
        for part in re.finditer(r"[\w@~.-]+", found["v"]):
            if _is_of_a_hook(part[0], sure=sure):
                yield start + part.start(), start + part.end()
    for found in _LINKS.finditer(text):
        value = found["v"]
        if _UUID.fullmatch(value) or (sure and _NUMBER_OF_LINK.fullmatch(value)):
            continue
        if looks_random(value) or looks_like_a_credential(value):
            yield found.span("v")
    for found in _BOT.finditer(text):
        yield found.span("v")


def _is_of_a_hook(part: str, *, sure: bool) -> bool:
    if sure:
        return looks_random(part) or (len(part) >= 20 and looks_like_a_credential(part))  # noqa: PLR2004 - an id is shorter
    return len(part) >= 6 and any(map(str.isdigit, part)) and not re.fullmatch(r"v?[0-9.]{1,3}", part)  # noqa: PLR2004


def bare_users(text: str) -> Iterator[Span]:
    """Yield tokens that stand as the user of a URL; the public key of a DSN, which names a project, is none."""
    for found in _BARE.finditer(text):
        if found["path"] is None or "." in found["v"]:
            yield found.span("v")


def logins_without_scheme(text: str) -> Iterator[Span]:
    """Yield `user:password` before the @ of a host where no scheme stands before it."""
    for found in _WITHOUT_SCHEME.finditer(text):
        if found["v"] is not None and not found["v"].lower().startswith(("mailto", "sip", "xmpp", "acct", "arn")):
            yield found.span("v")


def queried(text: str, low: str) -> Iterator[Span]:
    """Yield the values of a query's parameters that carry credentials; names of algorithms and of errors are none."""
    for found in QUERIED.finditer(low):
        name = found.lastgroup or "v"
        value = text[found.start(name) : found.end(name)]
        if name == "v":
            if _ALGORITHM.fullmatch(value.lower()) is None:
                yield found.span(name)
        elif not _CODE.fullmatch(value) and (
            value.startswith(("4/0", "4%2F0", "4%2f0")) or looks_like_a_credential(value, least=12)
        ):
            yield found.span(name)
