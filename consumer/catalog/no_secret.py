"""Places of a workflow's request that its operator declares to hold no secret: an event can never declare one. Pure."""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator

from schemas.json_value import steps_of
from schemas.names import SENT_PARTS


def _check_place(pointer: str) -> str:
    steps = steps_of(pointer)
    if not pointer.startswith("/") or len(steps) < 2 or steps[0] not in SENT_PARTS or "" in steps:  # noqa: PLR2004 - a part of one
        known = ", ".join(f"/{name}/..." for name in SENT_PARTS)
        raise ValueError(f"a place is a JSON Pointer into the context: {known}; `*` stands for any one name or index")
    return pointer


Place: TypeAlias = Annotated[str, AfterValidator(_check_place)]
"""A JSON Pointer into a failure's context, such as `/request/body/token`."""
DeclaredPlaces: TypeAlias = tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]
"""Workflow patterns in their order, each with the ways to its places; empty where no workflow declares one."""
