"""All settings of the service together, and how they are read from the environment."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from consumer.errors import ConfigError
from consumer.settings.commands import CommandSettings
from consumer.settings.from_files import SUFFIX, values_in_files
from consumer.settings.heartbeats import HeartbeatSettings
from consumer.settings.sections import (
    ApiSettings,
    BreakerSettings,
    DeadLetterLimitSettings,
    HealSettings,
    IntakeSettings,
    KafkaSettings,
    OutboundSettings,
    PostgresSettings,
    ResumeSettings,
    Seconds,
)
from schemas.fault_words import did_you_mean, fault_in_words

PREFIX: Final = "SHW_"


class _Environment(EnvSettingsSource):
    """Reads settings from variables, and from the files that variables with `_FILE` behind a setting's name tell."""

    def _load_env_vars(self) -> dict[str, str | None]:
        found = values_in_files(os.environ, setting_names())
        named = {f"{name}{SUFFIX}".lower() for name in found}
        given = {name: value for name, value in super()._load_env_vars().items() if name.lower() not in named}
        return given | {name.lower(): value for name, value in found.items()}


class Settings(BaseSettings):
    """All sections; an environment variable is named `SHW_<SECTION>__<NAME>`, or with `_FILE` behind it."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        validate_default=True,
        hide_input_in_errors=True,
    )

    kafka: KafkaSettings = KafkaSettings()
    postgres: PostgresSettings = PostgresSettings()
    intake: IntakeSettings = IntakeSettings()
    dead_letter_limit: DeadLetterLimitSettings = DeadLetterLimitSettings()
    heal: HealSettings = HealSettings()
    breaker: BreakerSettings = BreakerSettings()
    resume: ResumeSettings = ResumeSettings()
    outbound: OutboundSettings = OutboundSettings()
    api: ApiSettings = ApiSettings()
    commands: CommandSettings = CommandSettings()
    heartbeats: HeartbeatSettings = HeartbeatSettings()
    deployment: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    """Name of this deployment, one for each database. Default: the failures topic and the group, `topic/group`."""
    catalog: Path | None = None
    """The YAML file that declares what may be healed, and for whom."""
    drain: Seconds = timedelta(seconds=20)
    """Longest duration of a clean shutdown; set the pod's grace period at least 5 s above."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as it is called
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as it is called
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as it is called
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment, and the files that it names."""
        return init_settings, _Environment(settings_cls)

    @property
    def deployment_name(self) -> str:
        """The name that this deployment has in its database."""
        return self.deployment or f"{self.kafka.failures_topic}/{self.kafka.group_id}"

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        kafka = self.kafka
        if len({kafka.failures_topic, kafka.results_topic, kafka.dlq_topic}) < 3:  # noqa: PLR2004 - of three names
            raise ValueError(
                "SHW_KAFKA__FAILURES_TOPIC, SHW_KAFKA__RESULTS_TOPIC and SHW_KAFKA__DLQ_TOPIC must be three topics: "
                "what the healer writes would come back to it as failures, without an end"
            )
        _check_way_in(kafka)
        if self.kafka.rebalance_timeout <= self.drain:
            raise ValueError(
                f"SHW_KAFKA__REBALANCE_TIMEOUT ({self.kafka.rebalance_timeout}) must be above SHW_DRAIN "
                f"({self.drain}): a member that drains longer than the rebalance waits is put out of its group"
            )
        if self.commands.are_read and kafka.commands_topic in {
            kafka.failures_topic,
            kafka.results_topic,
            kafka.dlq_topic,
        }:
            raise ValueError("SHW_KAFKA__COMMANDS_TOPIC must be a topic of its own")
        if self.commands.are_read and self.commands.group_id == kafka.group_id:
            raise ValueError("SHW_COMMANDS__GROUP_ID must differ from SHW_KAFKA__GROUP_ID: one stops without the other")
        _check_heartbeats(kafka, self.heartbeats, self.commands)
        if self.commands.kept <= self.commands.longest:
            raise ValueError(
                "SHW_COMMANDS__KEPT must be above SHW_COMMANDS__LONGEST: a copy of a command that was forgotten while "
                "its signature is valid would be carried out again"
            )
        if self.kafka.session_timeout >= self.kafka.rebalance_timeout:
            raise ValueError("SHW_KAFKA__SESSION_TIMEOUT must be below SHW_KAFKA__REBALANCE_TIMEOUT")
        if self.intake.max_event_bytes > self.intake.max_bytes:
            raise ValueError("SHW_INTAKE__MAX_EVENT_BYTES must not be above SHW_INTAKE__MAX_BYTES")
        return self


def setting_names() -> tuple[str, ...]:
    """Return the names of all variables that the settings read."""
    return tuple(_names(Settings, PREFIX))


def _names(section: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        yield f"{prefix}{name.upper()}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _names(field.annotation, f"{prefix}{name.upper()}__")


def read_settings() -> Settings:
    """Read the settings from the environment.

    Raises
    ------
    ConfigError
        A value is of the wrong kind, or two contradict each other; names the variable.

    """
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigError(_format_errors(error)) from None
    except SettingsError as error:
        raise ConfigError(f"Settings: {error}. A section as a whole is a JSON object.") from None


def _format_errors(error: ValidationError) -> str:
    lines = []
    for fault in error.errors(include_url=False):
        where = "__".join(str(part) for part in fault["loc"]).upper()
        says = fault_in_words(fault)
        if fault["type"] == "extra_forbidden":
            says += did_you_mean(f"{PREFIX}{where}", setting_names())
        lines.append(f"SHW_{where}: {says}" if where else says)
    return "Settings: " + "; ".join(lines)


def _check_way_in(kafka: KafkaSettings) -> None:
    if kafka.ssl_keyfile is not None and kafka.ssl_certfile is None:
        raise ValueError("SHW_KAFKA__SSL_KEYFILE needs the certificate of that key: SHW_KAFKA__SSL_CERTFILE")
    if (kafka.sasl_mechanism == "OAUTHBEARER") != (kafka.sasl_token_file is not None):
        raise ValueError("SHW_KAFKA__SASL_MECHANISM OAUTHBEARER and SHW_KAFKA__SASL_TOKEN_FILE need each other")
    signs_in = kafka.sasl_token_file is not None or (kafka.sasl_username and kafka.sasl_password)
    if kafka.security_protocol.startswith("SASL") and not signs_in:
        raise ValueError(
            f"SHW_KAFKA__SECURITY_PROTOCOL {kafka.security_protocol} needs SHW_KAFKA__SASL_USERNAME and "
            "SHW_KAFKA__SASL_PASSWORD"
        )


def _check_heartbeats(kafka: KafkaSettings, heartbeats: HeartbeatSettings, commands: CommandSettings) -> None:
    if not heartbeats.read:
        return
    if kafka.own_topics.count(kafka.heartbeats_topic) > 1:
        raise ValueError("SHW_KAFKA__HEARTBEATS_TOPIC must be a topic of its own")
    if heartbeats.group_id in {kafka.group_id, commands.group_id}:
        raise ValueError("SHW_HEARTBEATS__GROUP_ID must differ from the other groups: one stops without the others")
