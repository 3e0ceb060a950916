"""Why PostgreSQL takes no connection, and what to change: one line for whoever reads the end of the log.

`NoAnswer` is what time may mend: the server starts, stops, or is away. What only a person can mend is a `ConfigError`,
and is not waited for.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

import asyncpg

from consumer.errors import ConfigError, NoAnswer
from consumer.settings import PostgresSettings
from consumer.settings.addresses import read_dsn
from consumer.store.session import POOLER_HINT

DSN: Final = "SHW_POSTGRES__DSN"
_OF_ANOTHER_NAME: Final = frozenset({62, 64})
"""OpenSSL's verify codes of a certificate that has neither the name nor the address that was dialled."""
_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_TLS_REFUSED: Final = "rejected SSL upgrade"

_AUTHORITY: Final = f"Name the authority that signed its certificate by sslrootcert=/path/to.pem in {DSN}."
_BY_WORDS: Final[Mapping[str, str]] = {
    "startup parameter": f"A pooler stands in front of it: {POOLER_HINT}.",
    "certificate verify failed": _AUTHORITY,
    "root certificate file": _AUTHORITY,
    _TLS_REFUSED: f"The server speaks no TLS: turn it on there, or set sslmode=disable in {DSN}.",
    "no encryption": f"It lets this user in by TLS alone: set sslmode=require or verify-full in {DSN}.",
}
"""What to do, by words of the driver's or the server's message."""
_SIGN_IN: Final = f"Check user and password in {DSN}, and who may come from here by the server's pg_hba.conf."
_OTHERWISE: Final = f"Check {DSN} and that the server runs."


def refused_connection(error: Exception, settings: PostgresSettings) -> ConfigError:
    """Return the error of a connection that was not made, with what to do."""
    missing = _missing_file(settings) if isinstance(error, FileNotFoundError) else None
    said = missing or " ".join(str(error).split()).rstrip(".") or type(error).__name__
    if _is_unanswered(error):
        return NoAnswer(f"Postgres at {settings.shown()} does not answer: {said}. {_OTHERWISE}")
    return ConfigError(f"Postgres at {settings.shown()} does not let us in: {said}. {_what_to_do(error)}")


def _is_unanswered(error: Exception) -> bool:
    """Return whether the server did not answer, or is not ready to: it starts, stops or has no connection left."""
    if isinstance(error, ssl.SSLCertVerificationError | FileNotFoundError) or _TLS_REFUSED in str(error):
        return False
    return isinstance(error, OSError | TimeoutError | asyncpg.CannotConnectNowError | asyncpg.TooManyConnectionsError)


def _what_to_do(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _OF_ANOTHER_NAME:
        return f"Connect by a name that its certificate has, or set sslmode=verify-ca in {DSN}: names are not compared."
    if isinstance(error, FileNotFoundError):
        return f"Name a file that is there in {DSN}."
    said = str(error)
    by_words = (advice for words, advice in _BY_WORDS.items() if words in said)
    of_all = _SIGN_IN if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError) else _OTHERWISE
    return next(by_words, of_all)


def _missing_file(settings: PostgresSettings) -> str | None:
    query: Mapping[str, str] = dict(parse_qsl(read_dsn(settings.dsn.get_secret_value())["query"]))
    gone = [f"{name}={query[name]}" for name in _FILES if name in query and not Path(query[name]).is_file()]
    return f"there is no file {', '.join(gone)}" if gone else None
