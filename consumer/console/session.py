"""The session of the console: the platform's own token in a cookie, and what makes a form safe. Pure."""

import hmac
import time
from collections.abc import Iterable, Mapping
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import urlsplit

NAME: Final = "shw_session"
SECURE_NAME: Final = f"__Host-{NAME}"
"""Over https: a browser takes it from this very host alone, and sends it nowhere else."""
LONGEST_TOKEN: Final = 3800
"""Characters of a token that a browser keeps in a cookie."""


def session_token(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the token of a request's cookie; empty without one, and where there are two of a name."""
    given = [value.decode("latin-1") for name, value in headers if name == b"cookie"]
    pairs = [pair.strip().partition("=") for line in given for pair in line.split(";")]
    for name in (SECURE_NAME, NAME):
        found = [value for key, _, value in pairs if key == name]
        if found:
            return found[0] if len(found) == 1 else ""
    return ""


def session_cookie(token: str, claims: Mapping[str, Any], *, is_secure: bool) -> str:
    """Return the header that has a browser keep a token for as long as it is valid; with an empty one, forget it.

    Lax, so that a link in a message opens a page signed in; what changes something is a form, which no other site's is
    taken for (`is_from_here`, `form_token`).
    """
    name = SECURE_NAME if is_secure else NAME
    cookie: SimpleCookie = SimpleCookie()
    try:
        cookie[name] = token
    except CookieError:  # a token is base64url and dots
        cookie[name] = ""
    kept = cookie[name]
    expires = claims.get("exp", 0)
    kept["max-age"] = max(0, int(float(expires) - time.time())) if token else 0
    kept["path"], kept["samesite"], kept["httponly"] = "/", "Lax", True
    if is_secure:
        kept["secure"] = True
    return kept.OutputString()


def form_token(token: str) -> str:
    """Return what the forms of a session carry: who does not know its token cannot make it."""
    return hmac.new(sha256(token.encode()).digest(), b"console form", "sha256").hexdigest()


def is_of_session(given: str, token: str) -> bool:
    """Return whether a form was made for a session."""
    return bool(token) and hmac.compare_digest(given.encode(), form_token(token).encode())


def is_from_here(headers: Mapping[str, str]) -> bool:
    """Return whether a browser sent a form from a page of this host.

    Every browser says so: by `Sec-Fetch-Site` over https and on this machine, by `Origin` otherwise. A request with
    neither is no form of ours.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    return origin is not None and bool(urlsplit(origin).netloc) and urlsplit(origin).netloc == headers.get("host")
