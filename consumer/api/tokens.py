"""Tokens: reads a JWT's header and claims, and checks its signature by the key that its algorithm may use. Pure."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import jwt
import orjson

from consumer.metrics import SignInRefusal

HMAC: Final = "HS256"
MAX_TOKEN: Final = 12 * 1024
"""Longest token in characters: a header line of HTTP has 16 KiB in all."""
MAX_DEPTH: Final = 16
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")
"""Base64url without padding, as RFC 7515 has it: one token has one form."""
_UUID: Final = re.compile("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MAX_KEY_ID: Final = 200
LEEWAY: Final = timedelta(seconds=5)
"""Clock skew that is allowed: clocks of two machines differ by a little."""
_TIMES: Final = (("exp", None), ("nbf", 0), ("iat", 0))
"""Claims that are moments, with what counts where one is missing."""
LONGEST: Final = timedelta(days=20 * 366)
"""Time ahead beyond which an `exp` is no moment that anybody meant: milliseconds, or a number without a meaning."""


class SignInRefused(Exception):
    """A token does not sign anybody in."""

    def __init__(self, reason: SignInRefusal) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenHeader:
    """The part of a token's header that chooses the key. Nobody has vouched for it yet."""

    algorithm: str
    key_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """The claims that a token has to have; None: any."""

    audience: str | None
    issuer: str | None
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A signed-in user, with the claims that row-level security reads."""

    id: UUID
    claims: Mapping[str, Any]


def read_header(token: str, longest: int = MAX_TOKEN) -> TokenHeader:
    """Read the header of a token.

    Raises
    ------
    SignInRefused
        It is no token, or its header asks for an extension: those change what a signature means.

    """
    if len(token) > longest or _TOKEN.fullmatch(token) is None:
        raise SignInRefused(SignInRefusal.MALFORMED)
    header = _parse(_decode(token.partition(".")[0]))
    algorithm, key_id = header.get("alg"), header.get("kid")
    if "crit" in header or "b64" in header or not isinstance(algorithm, str) or not isinstance(key_id, str | None):
        raise SignInRefused(SignInRefusal.MALFORMED)
    if not all(isinstance(header.get(name), str | None) for name in ("typ", "cty")):
        raise SignInRefused(SignInRefusal.MALFORMED)
    if key_id is not None and len(key_id) > MAX_KEY_ID:
        raise SignInRefused(SignInRefusal.MALFORMED)
    return TokenHeader(algorithm=algorithm, key_id=key_id)


def verify(token: str, key: Any, algorithm: str) -> Mapping[str, Any]:  # noqa: ANN401 - a key of the library's, or bytes
    """Check a token's signature, by one key and the one algorithm of its kind, and return its claims.

    Raises
    ------
    SignInRefused
        The signature is wrong, or the claims cannot be read.

    """
    try:
        signed = jwt.PyJWS().decode_complete(token, key, algorithms=[algorithm])
    except jwt.InvalidSignatureError:
        raise SignInRefused(SignInRefusal.SIGNATURE) from None
    except (jwt.PyJWTError, RecursionError, ValueError, TypeError):
        raise SignInRefused(SignInRefusal.MALFORMED) from None
    return _parse(signed["payload"])


def user_of(claims: Mapping[str, Any], rules: TokenRules, now: datetime) -> User:
    """Return the user whom verified claims name.

    Raises
    ------
    SignInRefused
        A claim is missing, odd, or says that the token is for somebody or something else.

    """
    check_storable(claims)
    _check_times(claims, now.timestamp())
    if not isinstance(claims.get("iss"), str | None) or not isinstance(claims.get("jti"), str | None):
        raise SignInRefused(SignInRefusal.CLAIMS)
    if rules.audience is not None and rules.audience not in _audiences(claims.get("aud")):
        raise SignInRefused(SignInRefusal.AUDIENCE)
    if rules.issuer is not None and claims.get("iss") != rules.issuer:
        raise SignInRefused(SignInRefusal.ISSUER)
    # Without a role it is no token of a key: those of the platform's own keys (anon, service_role) always name theirs.
    if claims.get("role", rules.role) != rules.role:
        raise SignInRefused(SignInRefusal.ROLE)
    if claims.get("is_anonymous", False) is not False:
        raise SignInRefused(SignInRefusal.ANONYMOUS_USER)
    return User(id=_user_id(claims.get("sub")), claims=claims)


def check_storable(claims: Mapping[str, Any], max_depth: int = MAX_DEPTH) -> None:
    """Check that the database can hold the claims; SignInRefused where it cannot, or where they are nested deeper."""
    if not all(map(_is_storable, _values(claims, max_depth))):
        raise SignInRefused(SignInRefusal.CLAIMS)


def _user_id(claim: object) -> UUID:
    # As it is written by everybody: row-level security reads it in the database, which reads other forms than Python.
    if not isinstance(claim, str) or _UUID.fullmatch(claim) is None:
        raise SignInRefused(SignInRefusal.CLAIMS)
    return UUID(claim)


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    leeway, latest = LEEWAY.total_seconds(), now + LONGEST.total_seconds()
    expires, begins, issued = (_time(claims.get(name, default), latest) for name, default in _TIMES)
    if expires <= now - leeway:
        raise SignInRefused(SignInRefusal.EXPIRED)
    if max(begins, issued) > now + leeway:
        raise SignInRefused(SignInRefusal.NOT_YET_VALID)
    if expires <= max(begins, issued) or any(moment % 1 for moment in (expires, begins, issued)):
        raise SignInRefused(SignInRefusal.CLAIMS)


def _time(claim: object, latest: float) -> float:
    """Return a moment in seconds since 1970; refuses one that nobody can have meant."""
    if isinstance(claim, bool) or not isinstance(claim, int | float) or not 0 <= claim <= latest:
        raise SignInRefused(SignInRefusal.CLAIMS)
    return claim


def _audiences(claim: object) -> list[str]:
    named: list[Any] = claim if isinstance(claim, list) else [] if claim is None else [claim]
    if not all(isinstance(one, str) for one in named):
        raise SignInRefused(SignInRefusal.CLAIMS)
    return named


def _decode(part: str) -> bytes:
    try:
        return jwt.utils.base64url_decode(part.encode())
    except (ValueError, TypeError):
        raise SignInRefused(SignInRefusal.MALFORMED) from None


def _parse(text: bytes) -> Mapping[str, Any]:
    try:
        value = orjson.loads(text)  # refuses NaN, 1e999, half a surrogate pair, and nesting beyond 1,024
    except ValueError:
        raise SignInRefused(SignInRefusal.MALFORMED) from None
    if not isinstance(value, dict):
        raise SignInRefused(SignInRefusal.MALFORMED)
    _check_names(text)
    return value


def _check_names(text: bytes) -> None:
    """Refuse an object that has a name twice, at any depth: of two readers each may take another value for it."""
    try:
        json.loads(text, object_pairs_hook=_count_names, parse_int=len, parse_float=len, parse_constant=len)
    except (ValueError, RecursionError):
        raise SignInRefused(SignInRefusal.MALFORMED) from None


def _count_names(members: list[tuple[str, object]]) -> None:
    if len({name for name, _ in members}) < len(members):
        raise SignInRefused(SignInRefusal.AMBIGUOUS)


def _values(claims: Mapping[str, Any], max_depth: int) -> Iterator[object]:
    """Yield every key and leaf of the claims; raises SignInRefused where they are nested too deeply."""
    waiting: list[tuple[object, int]] = [(claims, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > max_depth:
            raise SignInRefused(SignInRefusal.CLAIMS)
        if isinstance(value, dict):
            yield from value
            waiting += [(member, depth + 1) for member in value.values()]
        elif isinstance(value, list):
            waiting += [(item, depth + 1) for item in value]
        else:
            yield value


def _is_storable(value: object) -> bool:
    if isinstance(value, str):
        return "\0" not in value
    return not isinstance(value, float) or math.isfinite(value)
