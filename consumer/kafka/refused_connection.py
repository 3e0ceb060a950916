"""Says in one line why a broker takes no connection: the client itself tells no more than that it has none."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from typing import Final

from aiokafka.conn import create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from consumer.kafka.connection import connection_options
from consumer.settings import KafkaSettings

WITHIN: Final = 5.0
"""Seconds for the one connection that is tried."""


async def refused_connection(settings: KafkaSettings) -> str | None:
    """Connect once, and return what is wrong and which setting says otherwise; None where a broker answers.

    What is wrong with the settings themselves is raised as ConfigError.
    """
    host, _, port = settings.bootstrap.partition(",")[0].strip().rpartition(":")
    options = connection_options(settings)
    options.pop("bootstrap_servers")
    try:
        async with asyncio.timeout(min(WITHIN, settings.request_timeout.total_seconds())):
            connection = await create_conn(host.strip("[]"), int(port), **options)
            try:
                await connection.send(MetadataRequest([]))
            finally:
                connection.close()
    except (KafkaError, OSError) as error:
        return _explain(error, settings)
    return None


def _explain(error: Exception, settings: KafkaSettings) -> str:
    for kind, told in _REFUSALS:
        if isinstance(error, kind):
            return told.format(protocol=settings.security_protocol, mechanism=settings.sasl_mechanism)
    if isinstance(error.__cause__, ssl.SSLError):
        return f"it refuses this client's certificate ({error.__cause__.reason}): {_CERTIFICATE}"
    if isinstance(error, ConnectionResetError | ssl.SSLError | KafkaError):
        return (
            f"it ends the connection, as if it did not speak {settings.security_protocol}: SHW_KAFKA__SECURITY_PROTOCOL"
        )
    return str(error)


_CERTIFICATE: Final = "SHW_KAFKA__SSL_CERTFILE, SHW_KAFKA__SSL_KEYFILE"
_REFUSALS: Final[Sequence[tuple[type[Exception], str]]] = (
    (
        ssl.SSLCertVerificationError,
        (
            "its certificate is not trusted: SHW_KAFKA__SSL_CAFILE has to name the authority that signed it, and "
            "SHW_KAFKA__BOOTSTRAP a name that stands in it"
        ),
    ),
    (
        SaslAuthenticationFailed,
        (
            "it refuses the user or the password ({mechanism}): SHW_KAFKA__SASL_USERNAME, SHW_KAFKA__SASL_PASSWORD, or "
            "the token in SHW_KAFKA__SASL_TOKEN_FILE"
        ),
    ),
    (UnsupportedSaslMechanismError, "it does not offer {mechanism}: SHW_KAFKA__SASL_MECHANISM"),
    (IllegalSaslStateError, "it wants no sign-in there: SHW_KAFKA__SECURITY_PROTOCOL is {protocol}"),
    (socket.gaierror, "no name server knows its name. Check SHW_KAFKA__BOOTSTRAP"),
    (ConnectionRefusedError, "nothing listens there. Check SHW_KAFKA__BOOTSTRAP and that the broker runs"),
)
"""What the client raises, and what it means; the first that fits."""
