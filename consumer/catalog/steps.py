"""Rules for the steps of a workflow: which may be begun again once they may have begun, and how that is seen."""

from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from consumer.catalog.declared import Declared
from consumer.catalog.runners.http import CallTemplate, Status
from consumer.catalog.runners.run_look import Pointer

_YAML_WORDS: Final = {True: "yes", False: "no"}


class Again(StrEnum):
    """What beginning a step again does that may have begun."""

    YES = "yes"
    """It does no harm: it only reads, or its effect is idempotent."""
    KEYED = "keyed"
    """It carries a key of its own, the same each time, as long as the run is the same one."""
    NO = "no"
    """Its effect would happen twice."""


def _word(given: Any) -> Any:  # noqa: ANN401 - YAML is anything, and reads `yes` and `no` as truths
    return _YAML_WORDS[given] if isinstance(given, bool) else given


class StepReadBack(CallTemplate):
    """A look, without effect, at what a step leaves behind: it tells whether a step that was begun has had its effect.

    The call names the run. Any other status than a 2xx or one of `absent` tells nothing.
    """

    method: Literal["GET"] = "GET"
    absent: tuple[Status, ...] = (404, 410)
    """Statuses that mean that nothing has happened."""
    value: Pointer | None = None
    """Pointer to what it leaves behind: where that is null, empty or not there, nothing has happened."""


class StepRule(Declared):
    """What may be done with one step of a run."""

    again: Annotated[Again, BeforeValidator(_word)] = Again.NO
    read_back: StepReadBack | None = None
    """Where to see whether it has had its effect: where nothing has happened, it may be begun again all the same."""


Steps = Annotated[dict[str, StepRule], Field(max_length=1000)]
"""Rules by a step's name, or a pattern with `*` and `?`; the first that matches counts."""
