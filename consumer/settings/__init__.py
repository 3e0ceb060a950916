"""Settings of the service, read once from the environment.

`sections.py` has a class for each section, with the reason for each default; `addresses.py` reads the addresses among
them (the database, the brokers, the key set); `settings.py` reads them all, and sees that they fit together;
`from_files.py` reads values from the files that
variables name; `unknown.py` finds variables that look like settings and are none.
Neighbours: `service/` and `cli/` read them, and pass each room its section.
Invariant: what cannot be read is refused by its name, and no value is quoted.
"""

from consumer.settings.addresses import read_dsn
from consumer.settings.commands import CommandSettings
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
    Section,
)
from consumer.settings.settings import Settings, read_settings, setting_names
from consumer.settings.unknown import is_in_section, unknown_variables

__all__ = [
    "ApiSettings",
    "BreakerSettings",
    "CommandSettings",
    "DeadLetterLimitSettings",
    "HealSettings",
    "HeartbeatSettings",
    "IntakeSettings",
    "KafkaSettings",
    "OutboundSettings",
    "PostgresSettings",
    "ResumeSettings",
    "Seconds",
    "Section",
    "Settings",
    "is_in_section",
    "read_dsn",
    "read_settings",
    "setting_names",
    "unknown_variables",
]
