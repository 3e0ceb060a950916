"""The decorator of plain values: frozen to the type checker, and made at the price of what is not.

A frozen dataclass sets each field by a call; with some twenty values an event that was 5 % of all that an event costs.
Here the checker alone holds them frozen: what it accepts assigns to no field.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:

    def value(*, frozen: bool, slots: bool, kw_only: bool = False):  # noqa: ANN201 - never seen by the checker
        """Decorate as `dataclass` does, but let the interpreter set fields plainly; hashable where frozen."""
        return dataclass(unsafe_hash=frozen, slots=slots, kw_only=kw_only)


__all__ = ["value"]
