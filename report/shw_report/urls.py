"""Secrets by their place in a URL: parameters, and paths that let in whoever has them. Pure."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

from shw_report.names import UUID, is_secret_in_a_query, is_secret_name, spaced

REDACTED = "[redacted]"
_ASSIGNED = re.compile(r"([\w.~\[\]-]{1,64})(=|:(?!//)|%3[dDaA])([^&;#\s\"'/?][^&;#?\s\"']*)")
_SECRET_PATH = re.compile(
    r"/[\w-]{0,20}?(?:hooks?|webhookb2|incoming|triggers?|catch|callbacks?|reset|recover|verify|verification|confirm|"
    r"activate|activation|invit|magic|one-?time|otp|unlock|password|token|login|sign-?in|sso|auth|join|accept|subscribe|"
    r"opt-?out|share|key|secret)[\w-]{0,20}/(.+)|://(?:[\w-]+\.)?(?:web)?hooks?\.[^/]+/(.+)|/bot[0-9]{6}(.+)",
    re.IGNORECASE,
)
_PATH_PART = re.compile(r"[\w@~.:-]{6,}")


def redact_url(url: str, *, sent: bool) -> str:
    """Redact a URL by its places: login, parameters, and paths that let in whoever has them."""

    def _parameter(found: re.Match[str]) -> str:
        name, sign, value = found.groups()
        low = spaced(unquote_plus(name))
        is_secret = is_secret_name(name) and value not in ("true", "false")
        if (is_secret or is_secret_in_a_query(low, unquote_plus(value))) and not value.startswith("secret://"):
            return f"{name}{sign}{REDACTED}"
        return found[0]

    head, mark, rest = url.partition("://")
    rest = _ASSIGNED.sub(_parameter, rest)
    url = f"{head}{mark}{rest}"
    found = _SECRET_PATH.search(url)
    if found is None:
        return url
    at = found.start(found.lastindex or 0)
    path, query = url[at:].partition("?")[0], url[at + len(url[at:].partition("?")[0]) :]

    def _part(part: re.Match[str]) -> str:
        word = part[0]
        least = 16 if sent else 6
        is_id = UUID.fullmatch(word) and sent
        return REDACTED if len(word) >= least and any(map(str.isdigit, word)) and not is_id else word

    return url[:at] + _PATH_PART.sub(_part, path) + query
