"""How many entries the parts of a context may have, counted before they are validated one by one."""

from collections.abc import Mapping
from typing import Final

from pydantic import BeforeValidator

MAX_ITEMS: Final = 100
"""Headers, demands and statuses of one part at most."""
MAX_ERROR_HEADERS: Final = 1000
MAX_STEPS: Final = 1000


def at_most(most: int) -> BeforeValidator:
    """Refuse more members or items before they are validated one by one: each that is wrong has errors, at a price."""

    def check(value: object) -> object:
        if isinstance(value, Mapping | list) and len(value) > most:
            msg = f"has {len(value)} entries, the limit is {most}"
            raise ValueError(msg)
        return value

    return BeforeValidator(check)
