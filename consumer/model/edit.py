"""Edits: a failed step's other input, put in the place of the first one. Pure."""

from dataclasses import dataclass
from typing import Any, Final

from consumer.model.identity import JsonObject
from schemas.context import ContextFault, request_of
from schemas.edit import Edit
from schemas.idempotency import KEY_HEADERS
from schemas.names import Effect

_KEY_MOST: Final = 255
_REPEATABLE: Final = frozenset((Effect.NONE, Effect.IDEMPOTENT))


class EditRefused(Exception):
    """The edit cannot be made; the message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedContext:
    """A failure's context with another input, and where that stands in it."""

    context: JsonObject
    pointer: str


def edit_context(context: JsonObject, edit: Edit, token: str) -> EditedContext:
    """Put the edit's input into a context; `token` makes an idempotency key differ from the one of the first input.

    Raises
    ------
    EditRefused
        There is no request whose body could be another one, or the first call may have had its effect.

    """
    if "payload" in edit.model_fields_set:
        changed = {**context, "payload": edit.payload, "given": {"payload": token}}
        return EditedContext(context=changed, pointer="/context/payload")
    request = request_of(context)
    if request is None:
        raise EditRefused("it has no context.request whose body could be another one")
    if isinstance(request, ContextFault):
        raise EditRefused(f"{request.path}: {request.message}")
    if request.effect_or_default not in _REPEATABLE and not edit.did_not_happen:
        raise EditRefused(
            "the failed call may have had its effect, and another body would be another one: look, then send it with "
            "did_not_happen"
        )
    said: Any = context["request"]
    changed = {**said, "body": edit.body}
    if request.idempotency_key is not None:
        # Whoever knows the first key answers as to the first input, or refuses another one under it.
        named = {*KEY_HEADERS, request.idempotency_header.lower()}
        changed["headers"] = {name: one for name, one in request.headers.items() if name.lower() not in named}
        changed["idempotency_header"] = request.idempotency_header
        changed["idempotency_key"] = f"{request.idempotency_key[: _KEY_MOST - 1 - len(token)]}.{token}"
    return EditedContext(context={**context, "request": changed}, pointer="/context/request/body")
