"""Variables that look like settings and are none: a misspelt one is not read, and nothing says so by itself."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from pydantic import BaseModel

from consumer.settings.settings import Settings

PREFIX: Final = "SHW_"
OF_THE_CHECKOUT: Final = ("SHW_CI", "SHW_FAULT_MATRIX", "SHW_TEST_")
"""Read by `make` and by the tests of the checkout, and not by the service."""


def setting_names() -> tuple[str, ...]:
    """Return the names of all variables that the settings read."""
    return tuple(_names(Settings, PREFIX))


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return the variables with our prefix that are no setting, each with the setting that is nearest, if one is."""
    known = setting_names()
    return {
        name: next(iter(get_close_matches(name.upper(), known, n=1, cutoff=0.8)), None)
        for name in sorted(environment)
        if name.upper().startswith(PREFIX) and name.upper() not in known and not name.startswith(OF_THE_CHECKOUT)
    }


def _names(section: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        yield f"{prefix}{name.upper()}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _names(field.annotation, f"{prefix}{name.upper()}__")
