"""Variables that look like settings and are none: a misspelt one is not read, and nothing says so by itself."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from consumer.settings.from_files import SUFFIX
from consumer.settings.settings import PREFIX, setting_names

OF_THE_CHECKOUT: Final = ("SHW_CI", "SHW_FAULT_MATRIX", "SHW_TEST_")
"""Read by `make` and by the tests of the checkout, and not by the service."""


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return the variables with our prefix that are no setting, each with the setting that is nearest, if one is."""
    known = setting_names()
    return {
        name: next(iter(get_close_matches(name.upper(), known, n=1, cutoff=0.8)), None)
        for name in sorted(environment)
        if name.upper().startswith(PREFIX)
        and name.upper() not in known
        and name.upper().removesuffix(SUFFIX) not in known
        and not name.startswith(OF_THE_CHECKOUT)
    }


def is_in_section(name: str) -> bool:
    """Return whether a variable that is no setting stands in a section of them: then no start reads over it."""
    section, underscores, _ = name.upper().rpartition("__")
    return bool(underscores) and section in setting_names()
