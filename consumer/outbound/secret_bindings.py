"""Bindings of a secret to methods, paths and headers: whether one call may carry it. Pure.

An event names the call and the secret, so a secret that is right for one call of a host is wrong for the next one. A
path that servers read in different ways (dot segments, encoded slashes) matches nothing.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote

from consumer.catalog import Secret

_REFERENCE: Final = re.compile(r"secret://([A-Za-z0-9_.-]{0,128})")
_OVERRIDING_PARAMETERS: Final = frozenset({"_method", "x-http-method", "x-http-method-override", "x-method-override"})
"""Query parameters by which some frameworks take another method for the request's."""
_DECODED_AT_MOST: Final = 4
_SHOWN: Final = 200


def unbound_use(
    method: str,
    target: str,
    headers: Sequence[tuple[str, str]],
    declared: Mapping[str, Secret],
    *,
    in_body: Sequence[str] = (),
) -> str | None:
    """Return why a call must not carry the secrets that its headers, or its body, refer to, or None.

    `target` is the path with its query, as it is sent; `in_body` are the names that its body refers to.
    """
    path, _, query = target.partition("?")
    in_headers = ((header, name) for header, value in headers for name in _REFERENCE.findall(value))
    for header, name in (*in_headers, *((None, name) for name in in_body)):
        secret = declared.get(name)
        if secret is None:
            return f"secret://{name} is not declared in the catalog any more"
        refused = _refused_by_place(secret, header) or _refused_by_method(secret, method, query)
        refused = refused or _refused_by_path(secret, path)
        if refused is not None:
            return f"secret://{name} {refused}"
    return None


def _refused_by_place(secret: Secret, header: str | None) -> str | None:
    """Return why a secret must not stand in a header, or in the body where that is None."""
    if secret.unbound:
        lacking = ", ".join(f"`{one}`" for one in secret.unbound)
        return f"is not bound to calls: add {lacking} to the secret in the catalog"
    if header is None:
        return None if secret.body else "may not stand in a body: add `body: true` to the secret in the catalog"
    if not _is_among(header.lower(), secret.headers, lower=True):
        return f"may not stand in the header {header}: add it to the secret's `headers` in the catalog"
    return None


def _refused_by_method(secret: Secret, method: str, query: str) -> str | None:
    if not _is_among(method.upper(), secret.methods):
        return f"may not be sent with {method}: add it to the secret's `methods` in the catalog"
    if secret.methods != "*" and (other := _overriding(query)) is not None:
        return f"may not be sent with the query parameter {other}, which may make it another method: leave it out"
    return None


def _refused_by_path(secret: Secret, path: str) -> str | None:
    if secret.paths == "*":
        return None
    if odd := _ambiguous(path):
        return f"may not be sent to a path that {odd}: write it plainly"
    if not any(_pattern(pattern).fullmatch(path) for pattern in secret.paths or ()):
        return f"may not be sent to the path {path[:_SHOWN]}: add it to the secret's `paths` in the catalog"
    return None


def _is_among(name: str, listed: Literal["*"] | tuple[str, ...] | None, *, lower: bool = False) -> bool:
    if listed is None:
        return False
    return listed == "*" or name in ((one.lower() for one in listed) if lower else listed)


def _overriding(query: str) -> str | None:
    if not query:
        return None
    names = (name for name, _ in parse_qsl(query.replace(";", "&"), keep_blank_values=True))
    return next((name for name in names if name.lower().replace("-", "_") in _CANONICAL_PARAMETERS), None)


_CANONICAL_PARAMETERS: Final = frozenset(name.replace("-", "_") for name in _OVERRIDING_PARAMETERS)


def _ambiguous(path: str) -> str | None:
    plain = path
    for _ in range(_DECODED_AT_MOST):
        plain, before = unquote(plain), plain
        if plain == before:
            break
    else:
        return "is encoded again and again"
    if "\\" in plain or plain.count("/") != path.count("/"):
        return "holds a backslash or an encoded slash"
    if "//" in plain:
        return "holds an empty segment"
    if any(segment.partition(";")[0].strip() in {".", ".."} for segment in plain.split("/")):
        return "holds a dot segment"
    return None


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*|\*)", pattern)
    return re.compile("".join({"**": ".*", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts))
