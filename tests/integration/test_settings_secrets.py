"""No setting that cannot be read is quoted: a password that was not escaped may be any part of its URL."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from consumer.errors import ConfigError
from consumer.settings import ApiSettings, KafkaSettings, PostgresSettings, read_settings, unknown_variables
from consumer.store.migrate import migrate
from consumer.store.pool import open_pool
from tests.support.shw import shw

SECRET = "hunter2"
UNREADABLE = [
    f"postgres://user:{SECRET}/x@host/db",
    f"postgres://user:{SECRET}#x@host/db",
    f"postgres://user:x#{SECRET}@host/db",
    f"postgres://user:{SECRET}?x@host/db",
    f"postgres://user:{SECRET}@127.0.0.1:99999/db",
    f"postgres://user:{SECRET}@[::1/db",
    f"postgres://user:x@host:{SECRET}/db",
    f"postgres://user:{SECRET}",
    f"postgres//user:{SECRET}@host/db",
    f"mysql://user:{SECRET}@host/db",
    f"{SECRET}://user@host/db",
    f"host=h password={SECRET}",
    f"postgres://user:%ZZ{SECRET}@host/db",
    f"postgres://user:{SECRET} x@host/db",
    f"postgres://user:{SECRET}@host/db\n",
    f"postgres://user:x@host/db?sslmode={SECRET}",
    f"postgres://user:{SECRET}@ho\u2100st/@db",
    SECRET,
]


def whole(error: BaseException | None) -> str:
    """All that a traceback of an error would show."""
    said = ""
    while error is not None:
        said += f"{error!r} {error} "
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return said


@pytest.mark.parametrize("dsn", UNREADABLE)
def test_a_database_url_that_cannot_be_read_is_not_quoted(monkeypatch: pytest.MonkeyPatch, dsn: str) -> None:
    monkeypatch.setenv("SHW_POSTGRES__DSN", dsn)
    with pytest.raises(ConfigError, match="SHW_POSTGRES__DSN") as refused:
        read_settings()
    assert SECRET not in whole(refused.value)
    with pytest.raises(ValidationError) as invalid:
        PostgresSettings(dsn=SecretStr(dsn))
    assert SECRET not in str(invalid.value)
    with pytest.raises(ConfigError) as unmigrated:
        migrate(dsn)
    assert SECRET not in whole(unmigrated.value)


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        (f"postgres://user:{SECRET}@host/db", "postgres://user@host:5432/db"),
        (f"postgresql://user:p@{SECRET}:x@host:7/db?sslmode=require", "postgresql://user@host:7/db"),
        (f"postgres://u:{SECRET}%2F@[::1]:7/db", "postgres://u@[::1]:7/db"),
        (f"postgres://u:{SECRET}@one:1,two:2/db", "postgres://u@one:1,two:2/db"),
        ("postgres:///db?host=/var/run/postgresql", "postgres://:5432/db"),
    ],
)
def test_a_database_url_is_shown_without_its_password(dsn: str, shown: str) -> None:
    settings = PostgresSettings(dsn=SecretStr(dsn))
    assert settings.shown() == shown
    assert SECRET not in f"{settings!r} {settings}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHW_KAFKA__BOOTSTRAP", f"SASL_SSL://user:{SECRET}@host:9092"),
        ("SHW_KAFKA__BOOTSTRAP", f"user:{SECRET}@host:9092"),
        ("SHW_KAFKA__SASL_PASWORD", SECRET),
        ("SHW_KAFKA__SASL_MECHANISM", SECRET),
        ("SHW_KAFKA", f'{{"sasl_password": "{SECRET}"'),
        ("SHW_KAFKA", f'{{"sasl_password": ["{SECRET}"]}}'),
        ("SHW_POSTGRES", f'"{SECRET}"'),
        ("SHW_API__JWT_SECRET", SECRET),
        ("SHW_API__JWKS_URL", f"https://user:{SECRET}@host/keys"),
        ("SHW_API__JWKS_URL", f"https://{SECRET}@ho\u2100st/keys"),
        ("SHW_API__JWKS_URL", f"https://[{SECRET}/keys"),
        ("SHW_API__PORT", SECRET),
    ],
)
def test_no_setting_is_quoted_that_may_hold_a_credential(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as refused:
        read_settings()
    assert SECRET not in whole(refused.value)


def test_sections_quote_no_credential_of_kafka_or_the_api() -> None:
    with pytest.raises(ValidationError) as invalid:
        KafkaSettings.model_validate({"sasl_password": [SECRET], "bootstrap": f"{SECRET}@h", "request_timeout": SECRET})
    assert SECRET not in str(invalid.value)
    with pytest.raises(ValidationError) as invalid:
        ApiSettings.model_validate({"jwt_secret": SECRET, "jwks_url": f"https://u:{SECRET}@h/"})
    assert SECRET not in str(invalid.value)


async def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    settings = PostgresSettings(dsn=SecretStr(f"postgres://user:{SECRET}@127.0.0.1:1/db"))
    with pytest.raises(ConfigError, match=r"postgres://user@127\.0\.0\.1:1/db") as refused:
        async with open_pool(settings):
            pass
    assert SECRET not in whole(refused.value)


@pytest.mark.parametrize("command", ["migrate", "run", "failures"])
def test_a_command_ends_with_one_line_that_quotes_nothing(command: str) -> None:
    ran = shw(command, settings={"SHW_POSTGRES__DSN": f"postgres://user:{SECRET}/x@host:{SECRET}/db"})
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert SECRET not in ran.err + ran.out.decode()
    assert "SHW_POSTGRES__DSN" in ran.err


def test_a_setting_may_lie_in_a_file_as_a_secret_is_mounted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "dsn"
    path.write_text(f"postgres://user:{SECRET}@host/db\n")
    monkeypatch.setenv("SHW_POSTGRES__DSN_FILE", str(path))
    monkeypatch.setenv("SHW_POSTGRES__POOL_SIZE", "7")
    settings = read_settings()
    assert settings.postgres.dsn.get_secret_value() == f"postgres://user:{SECRET}@host/db"
    assert settings.postgres.pool_size == 7
    assert unknown_variables({"SHW_POSTGRES__DSN_FILE": "", "SHW_POSTGRES__DNS_FILE": ""}).keys() == {
        "SHW_POSTGRES__DNS_FILE"
    }
    monkeypatch.setenv("SHW_POSTGRES__DSN", "postgres://other@host/db")
    with pytest.raises(ConfigError, match="SHW_POSTGRES__DSN and SHW_POSTGRES__DSN_FILE are both set"):
        read_settings()


@pytest.mark.parametrize(
    ("content", "why"), [(None, "cannot be read"), (b"\xff" + SECRET.encode(), "no text"), (b"x" * 70_000, "larger")]
)
def test_a_file_that_holds_no_setting_is_refused_by_its_name_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, why: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("SHW_API__JWT_SECRET_FILE", str(path))
    with pytest.raises(ConfigError, match=f"SHW_API__JWT_SECRET_FILE: .*{why}") as refused:
        read_settings()
    assert SECRET not in whole(refused.value)
