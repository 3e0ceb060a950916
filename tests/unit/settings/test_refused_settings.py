"""Settings that would only fail later, or never end: refused at the start, by the variable's name."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from consumer.errors import ConfigError
from consumer.kafka.connection import connection_options
from consumer.settings import KafkaSettings, read_settings


@pytest.mark.parametrize(
    "values",
    [
        {"SHW_KAFKA__BOOTSTRAP": ""},
        {"SHW_KAFKA__BOOTSTRAP": "localhost"},
        {"SHW_KAFKA__BOOTSTRAP": "a:9092,[::1]"},
        {"SHW_KAFKA__BOOTSTRAP": "127.0.0.1:9092,"},
        {"SHW_KAFKA__BOOTSTRAP": ":9092"},
        {"SHW_KAFKA__BOOTSTRAP": "host:99999"},
        {"SHW_KAFKA__BOOTSTRAP": "host:0"},
        {"SHW_KAFKA__GROUP_ID": ""},
        {"SHW_KAFKA__FAILURES_TOPIC": ""},
        {"SHW_KAFKA__FAILURES_TOPIC": "with spaces"},
        {"SHW_KAFKA__RESULTS_TOPIC": "workflow.failures"},
        {"SHW_KAFKA__DLQ_TOPIC": "workflow.failures"},
        {"SHW_KAFKA__DLQ_TOPIC": "workflow.heal-results"},
        {"SHW_KAFKA__SECURITY_PROTOCOL": "SASL_SSL"},
        {"SHW_KAFKA__SASL_MECHANISM": "OAUTHBEARER"},
        {"SHW_KAFKA__SASL_TOKEN_FILE": "/run/token"},
        {"SHW_KAFKA__SSL_KEYFILE": "/run/key.pem"},
        {"SHW_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT", "SHW_KAFKA__SASL_USERNAME": "shw"},
        {"SHW_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT", "SHW_KAFKA__SASL_PASSWORD": "secret"},
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as refused:
        read_settings()
    assert all(name in str(refused.value) for name in values)
    assert "secret" not in str(refused.value)


def test_addresses_of_brokers_that_can_be_meant_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for good in ("host:9092", "a:9092,b:9093", "a:9092, b:9092", "[::1]:9092", "10.0.0.1:65535"):
        monkeypatch.setenv("SHW_KAFKA__BOOTSTRAP", good)
        assert read_settings().kafka.bootstrap == good


def test_certificates_that_cannot_be_read_are_a_fault_of_the_setting(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("no certificate")
    for file in (tmp_path / "absent", tmp_path, other):
        settings = KafkaSettings(security_protocol="SSL", ssl_cafile=file)
        with pytest.raises(ConfigError, match=f"SHW_KAFKA__SSL_CAFILE.*{file}"):
            connection_options(settings)
