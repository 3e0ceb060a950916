"""The caller's idempotency key, where it stands among a request's headers only."""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, model_validator

KEY_HEADERS: Final = (
    "idempotency-key",
    "x-idempotency-key",
    "idempotency-token",
    "x-idempotency-token",
    "idempotent-key",
    "x-idempotent-key",
    "paypal-request-id",
)
_NAMED_FOR_IT: Final = re.compile(r"(?:x-)?(?:[a-z0-9]+-){0,2}idempot(?:ency|ence|ent)-?(?:key|token|id)")
"""Names of the same kind, of single services."""
KEY_CHARACTERS: Final = 255
KEY_PATTERN: Final = r"^[!-~]+$"
"""What a key is written in: visible ASCII characters."""
_KEY: Final = re.compile(rf"[!-~]{{1,{KEY_CHARACTERS}}}")
_SECRET: Final = "secret://"  # noqa: S105 - the scheme, not a secret


def is_key(text: str) -> bool:
    """Return whether a text can be a key."""
    return _KEY.fullmatch(text) is not None


class KeyOfHeaders(BaseModel):
    """A request whose key may stand in its headers: it is the key all the same, and its header stays its own."""

    @model_validator(mode="before")
    @classmethod
    def _find_key(cls, value: Any) -> Any:  # noqa: ANN401 - whatever was sent
        if not isinstance(value, Mapping) or value.get("idempotency_key") is not None:
            return value
        headers = value.get("headers")
        found = _key_in(headers, value.get("idempotency_header")) if isinstance(headers, Mapping) else None
        if found is None:
            return value
        return {**value, "idempotency_header": found[0], "idempotency_key": found[1]}


def _key_in(headers: Mapping[Any, Any], named: object) -> tuple[str, str] | None:
    lowered = {name.lower(): (name, said) for name, said in headers.items() if isinstance(name, str)}
    wanted = (named.lower(), *KEY_HEADERS) if isinstance(named, str) else KEY_HEADERS
    of_services = (name for name in lowered if _NAMED_FOR_IT.fullmatch(name))
    for name in (*wanted, *of_services):
        header, key = lowered.get(name, ("", None))
        if isinstance(key, str) and is_key(key) and not key.startswith(_SECRET):
            return header, key
    return None
