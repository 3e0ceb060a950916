"""Connection options that all Kafka clients share, and the translation of client errors into the service's own."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)
from aiokafka.record.default_records import DefaultRecordBatch

from consumer.errors import ConfigError, TransientError
from consumer.settings import KafkaSettings

UNANSWERED: Final = (KafkaError, OSError, TimeoutError, KeyError)
"""Errors of the client when the broker does not answer.

KeyError, because a request that times out closes its connection by name, which another task may have removed.
"""


def has_c_extension() -> bool:
    """Return whether the client decodes records in C; its absence is silent otherwise."""
    return "_crecords" in DefaultRecordBatch.__module__


def connection_options(settings: KafkaSettings) -> dict[str, Any]:
    """Return the client's options for address, security and time limits."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap,
        "client_id": settings.client_id,
        "request_timeout_ms": _ms(settings.request_timeout.total_seconds()),
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.startswith("SASL") and settings.sasl_token_file is not None:
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_oauth_token_provider": TokenFile(settings.sasl_token_file),
        }
    elif settings.security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": settings.sasl_password.get_secret_value() if settings.sasl_password else None,
        }
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = _ssl_context(settings)
    return options


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ssl_cafile)
    except OSError as error:  # ssl.SSLError too
        raise ConfigError(
            f"SHW_KAFKA__SSL_CAFILE: no certificates in PEM can be read from {settings.ssl_cafile}: {error}"
        ) from error
    if settings.ssl_certfile is not None:
        try:
            context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
        except OSError as error:
            raise ConfigError(
                f"SHW_KAFKA__SSL_CERTFILE, SHW_KAFKA__SSL_KEYFILE: no certificate with its key in PEM can be read from "
                f"{settings.ssl_certfile} and {settings.ssl_keyfile or 'the same file'}: {error}"
            ) from error
    return context


class TokenFile(AbstractTokenProvider):  # type: ignore[misc] # the client has no types
    """Bearer tokens (OAUTHBEARER) from a file that somebody else keeps fresh."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        """Return the token that the file has now; OSError, which the client takes for a broker that is away."""
        return (await asyncio.to_thread(self._path.read_text, errors="replace")).strip()


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Translate the client's errors: ConfigError for what only an operator can change, else TransientError."""
    try:
        yield
    except OffsetOutOfRangeError as error:
        where = ", ".join(f"{tp.topic}/{tp.partition} at {offset}" for tp, offset in dict(error.args[0]).items())
        raise ConfigError(
            f"{what}: the committed offset of {where} is no longer in the log: events were deleted before they were "
            "read. Nothing is skipped by itself: look what is lost, then set the group's "
            "offsets (kafka-consumer-groups --reset-offsets) and start again."
        ) from error
    except (TopicAuthorizationFailedError, GroupAuthorizationFailedError) as error:
        raise ConfigError(f"{what}: Kafka does not allow it: {error}. Check the ACLs of this client.") from error
    except UNANSWERED as error:
        raise TransientError(f"{what}: {error or type(error).__name__}") from error
