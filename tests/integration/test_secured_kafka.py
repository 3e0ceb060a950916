"""Kafka behind TLS and a sign-in, on a real broker: who is right reads its topics, what is wrong is told in a line."""

import asyncio
import base64
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from anyio.from_thread import BlockingPortal
from confluent_kafka import admin

from consumer.errors import ConfigError
from consumer.kafka.topics import create_topics, existing_topics
from consumer.local.kafka import SecuredListeners, run_kafka
from consumer.local.kafka_jars import kafka_unavailable_reason
from consumer.local.server import LOCALHOST, free_ports
from consumer.settings import KafkaSettings
from tests.support.certificates import Authority

KAFKA_ADMIN: Final[Any] = admin  # whose types leave out what it exports
USER: Final = "shw"
PASSWORD: Final = "right-password-73"
PROPERTIES: Final = """
ssl.keystore.type=PEM
ssl.keystore.location={server}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512,OAUTHBEARER
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_shw="right-password-73";
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.oauthbearer.sasl.jaas.config=\
org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured:
    """A broker with TLS, the files of a client that it takes, and those of one that it does not."""

    plain: str
    ports: Mapping[str, int]
    files: Mapping[str, Path]

    def settings(self, protocol: str, **changes: object) -> KafkaSettings:
        """Return settings that are right for a protocol, with changes."""
        address = self.plain if protocol.endswith("PLAINTEXT") else f"{LOCALHOST}:{self.ports[protocol]}"
        right: dict[str, object] = {"bootstrap": address, "security_protocol": protocol, "request_timeout": "PT6S"}
        if protocol.endswith("SSL"):
            right["ssl_cafile"] = self.files["authority"]
        if protocol == "SSL":
            right |= {"ssl_certfile": self.files["certificate"], "ssl_keyfile": self.files["key"]}
        if protocol.startswith("SASL"):
            right |= {"sasl_mechanism": "SCRAM-SHA-512", "sasl_username": USER, "sasl_password": PASSWORD}
        return KafkaSettings.model_validate(right | changes)


@pytest.fixture(scope="module")
def secured(server_loop: BlockingPortal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    if (reason := kafka_unavailable_reason()) is not None:
        pytest.skip(f"no Apache Kafka: {reason}")
    folder = tmp_path_factory.mktemp("pem")
    authority, stranger = Authority(folder), Authority(folder, "stranger")
    server, client = authority.issue("broker"), authority.issue("client")
    both = folder / "server.pem"
    both.write_bytes(server.key.read_bytes() + server.certificate.read_bytes())
    ports = dict(zip(("SSL", "SASL_SSL"), free_ports(2), strict=True))
    listeners = SecuredListeners(ports, PROPERTIES.format(server=both, authority=authority.file))
    token = folder / "token"
    token.write_text(_unsecured_token())
    files = {
        "authority": authority.file,
        "stranger": stranger.file,
        "certificate": client.certificate,
        "key": client.key,
        "token": token,
    }
    with server_loop.wrap_async_context_manager(run_kafka(secured=listeners)) as broker:
        scram = KAFKA_ADMIN.ScramCredentialInfo(KAFKA_ADMIN.ScramMechanism.SCRAM_SHA_512, 4096)
        client = KAFKA_ADMIN.AdminClient({"bootstrap.servers": broker.bootstrap})
        for done in client.alter_user_scram_credentials(
            [KAFKA_ADMIN.UserScramCredentialUpsertion(USER, scram, PASSWORD.encode())]
        ).values():
            done.result()
        yield Secured(plain=broker.bootstrap, ports=ports, files=files)


def _unsecured_token() -> str:
    now = int(time.time())
    parts = ({"alg": "none"}, {"sub": USER, "iat": now - 60, "exp": now + 3600})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


RIGHT: Final[Mapping[str, tuple[str, dict[str, object]]]] = {
    "mTLS": ("SSL", {}),
    "SCRAM over TLS": ("SASL_SSL", {}),
    "PLAIN over TLS": ("SASL_SSL", {"sasl_mechanism": "PLAIN"}),
}


@pytest.mark.parametrize("name", RIGHT)
async def test_who_signs_in_rightly_finds_the_topics(secured: Secured, name: str) -> None:
    protocol, changes = RIGHT[name]
    settings = secured.settings(protocol, **changes)
    await create_topics(settings, partitions=1, replication=1)
    assert settings.failures_topic in await existing_topics(settings)


async def test_a_bearer_token_is_read_from_its_file_at_each_connection(secured: Secured, tmp_path: Path) -> None:
    token = tmp_path / "token"
    bearer = {"sasl_mechanism": "OAUTHBEARER", "sasl_username": None, "sasl_password": None, "sasl_token_file": token}
    settings = secured.settings("SASL_SSL", **bearer)
    with pytest.raises(ConfigError, match="No such file"):
        await existing_topics(settings)
    await asyncio.to_thread(token.write_text, secured.files["token"].read_text())
    await existing_topics(settings)


WRONG: Final[Mapping[str, tuple[str, dict[str, object], str]]] = {
    "no certificate of the client's": ("SSL", {"ssl_certfile": None, "ssl_keyfile": None}, "SHW_KAFKA__SSL_CERTFILE"),
    "another authority": ("SASL_SSL", {"ssl_cafile": "stranger"}, "SHW_KAFKA__SSL_CAFILE"),
    "another password": ("SASL_SSL", {"sasl_password": "wrong"}, "SHW_KAFKA__SASL_PASSWORD"),
    "another user": ("SASL_SSL", {"sasl_username": "nobody"}, "SHW_KAFKA__SASL_USERNAME"),
    "another password, PLAIN": ("SASL_SSL", {"sasl_mechanism": "PLAIN", "sasl_password": "wrong"}, "SASL_PASSWORD"),
    "a mechanism that is not offered": ("SASL_SSL", {"sasl_mechanism": "SCRAM-SHA-256"}, "SHW_KAFKA__SASL_MECHANISM"),
    "no TLS where it is spoken": ("SASL_SSL", {"security_protocol": "SASL_PLAINTEXT"}, "SHW_KAFKA__SECURITY_PROTOCOL"),
    "TLS where it is not spoken": ("PLAINTEXT", {"security_protocol": "SSL"}, "SHW_KAFKA__SECURITY_PROTOCOL"),
    "a sign-in where there is none": ("SASL_PLAINTEXT", {}, "SHW_KAFKA__SECURITY_PROTOCOL"),
    "no sign-in where there is one": ("SASL_SSL", {"security_protocol": "SSL"}, "SHW_KAFKA__SECURITY_PROTOCOL"),
}


# The client closes a refused TLS connection in the background, and the command that is refused does not wait for it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", WRONG)
async def test_what_is_wrong_is_told_in_one_line_with_its_setting(secured: Secured, name: str) -> None:
    protocol, changes, setting = WRONG[name]
    named = {key: secured.files.get(str(value), value) for key, value in changes.items()}
    with pytest.raises(ConfigError) as refused:
        await existing_topics(secured.settings(protocol, **named))
    assert setting in str(refused.value)
    assert "\n" not in str(refused.value)
    assert PASSWORD not in str(refused.value)
