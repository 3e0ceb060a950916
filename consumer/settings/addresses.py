"""Addresses in settings, and how they are read: none that cannot be read is quoted, for a password may be any part."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

_DSN: Final = re.compile(
    r"(?P<scheme>postgres(?:ql)?)://(?:(?P<user>[^:@/?#\s]*)(?::(?P<password>[^/?#\s]*))?@)?"
    r"(?P<hosts>[^@/?#\s]*)(?P<path>/[^@?#\s]*)?(?:\?(?P<query>[^#\s]*))?"
)
_DSN_FORM: Final = (
    "postgres://user:password@host:5432/database, with / ? # @ : % and spaces in user and password written as "
    "%2F %3F %23 %40 %3A %25 %20"
)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST: Final = re.compile(r"(?P<host>\[[0-9A-Za-z:.%]+\]|[^\s:@/\[\]]*)(?::(?P<port>[0-9]{1,5}))?")
_PORTS: Final = range(1, 65_536)
_SSL_MODES: Final = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})


def check_key_url(url: str | None) -> str | None:
    """Check the URL of a key set, for a validator: https, or this machine, and no credentials."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("it is no URL: https://..., as the platform names it") from None
    if "@" in parts.netloc:
        raise ValueError("it has a user or a password in it, and public keys need none: leave them out")
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("it is no URL: https://..., as the platform names it (/auth/v1/.well-known/jwks.json)")
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise ValueError("it has to begin with https://: whoever could change the answer could sign in as anybody")
    return url


def read_dsn(dsn: str) -> Mapping[str, str]:
    """Return the parts of a database's connection URL: scheme, user, password, hosts, path and query.

    Raises
    ------
    ValueError
        It cannot be read. No part of it stands in the message: a password with an unescaped sign may be any of them.

    """
    said = _DSN.fullmatch(dsn)
    if said is None or _BAD_ESCAPE.search(dsn):
        raise ValueError(f"it cannot be read as {_DSN_FORM}")
    parts = {name: part or "" for name, part in said.groupdict().items()}
    for host in parts["hosts"].split(","):
        place = _HOST.fullmatch(host)
        if place is None or int(place["port"] or 1) not in _PORTS:
            raise ValueError(f"its host or port (1 to 65535) cannot be read: it has to be {_DSN_FORM}")
    modes = [value for name, value in parse_qsl(parts["query"]) if name == "sslmode"]
    if not set(modes) <= _SSL_MODES:
        raise ValueError(f"its sslmode is none of {', '.join(sorted(_SSL_MODES))}")
    return parts


def check_dsn(dsn: SecretStr) -> SecretStr:
    """Check that a DSN can be read, for a validator."""
    read_dsn(dsn.get_secret_value())
    return dsn


def check_bootstrap(bootstrap: str) -> str:
    """Check the addresses of Kafka's brokers, for a validator: nothing but hosts and ports."""
    # Whoever puts credentials here, as in another system's URL, does not read them in every message about Kafka.
    places = [_HOST.fullmatch(host) for host in bootstrap.replace(" ", "").split(",")]
    if any(place is None or place["host"] == "" or int(place["port"] or 1) not in _PORTS for place in places):
        raise ValueError("it has to be host:port, or several with commas, without a scheme, a user or a password")
    if any(place is not None and place["port"] is None for place in places):
        raise ValueError("it has to be host:port, or several with commas, and a port is missing: 9092 is Kafka's own")
    return bootstrap
