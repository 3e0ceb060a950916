"""Building blocks of the OpenAPI document: schemas of members, operations with their answers, what errors say."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from schemas.idempotency import KEY_CHARACTERS, KEY_PATTERN

Json = dict[str, Any]

TEXT: Final[Json] = {"type": "string"}
UUID: Final[Json] = {"type": "string", "format": "uuid"}
COUNT: Final[Json] = {"type": "integer", "minimum": 0}
FLAG: Final[Json] = {"type": "boolean"}
MOMENT: Final[Json] = {
    "type": ["string", "null"],
    "description": "RFC 3339; of a row that a member inserted also `infinity`, or a year BC.",
}
ANY: Final[Json] = {"description": "Any JSON, without its secrets."}

_ERRORS: Final[Mapping[int, str]] = {
    400: "Not HTTP (`bad_request`), a cursor that is not one of ours (`bad_cursor`), or days in no order (`bad_span`).",
    401: "Not signed in (`not_signed_in`): the token is missing, expired, or not a user's.",
    404: "No such failure, organisation, pause or incident among those that the user administers (`not_found`)."
    " Of a file: its attempt names none (`no_asset`), or it is not to be had (`asset_gone`).",
    408: "The request did not come in time (`too_slow`).",
    409: "It is resolved, needs a person, waits for approval, the plan is another one; or of a pause or an incident. "
    "Of a key: its first request still runs (`key_in_use`), or acted and its answer is lost (`answer_lost`).",
    413: "The body is too large (`too_large`).",
    416: "No such part of the file (`no_such_range`).",
    422: "A parameter or the body is not what it has to be (`invalid_request`), or the key came with another one "
    "before (`key_of_another_request`).",
    429: "Too many requests (`too_many_requests`) or viewers (`too_many_streams`): come again after `Retry-After`.",
    500: "A fault of the healer (`internal`): its log tells more.",
    503: "Not now (`busy`, `unavailable`, `sign_in_unavailable`): come again after `Retry-After` seconds.",
}
KEY: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": TEXT | {"minLength": 1, "maxLength": KEY_CHARACTERS, "pattern": KEY_PATTERN},
    "description": "The same request sent again with its key acts once, and is answered as the first time "
    "(`Idempotent-Replayed: true`), for 24 hours. Of one member, route and organisation. What was refused (4xx) "
    "changed nothing: its key is free again. At `POST /failures` the same key is the same failure besides.",
}
ALWAYS: Final = (400, 408, 413, 429, 500, 503)
SIGNED_IN: Final = (*ALWAYS, 401, 422)


def takes(name: str) -> Json:
    """Return the part of an operation that takes a body."""
    return {"requestBody": {"required": True} | content(name)}


def operation(
    summary: str,
    answers: Mapping[int, Json],
    errors: tuple[int, ...],
    parameters: list[Json] | None = None,
    *,
    signed_in: bool = True,
) -> Json:
    """Return an operation with its answers, those of errors among them."""
    refused = {code: {"description": _ERRORS[code]} | content("Error") for code in sorted(set(errors) - set(answers))}
    responses = {str(code): said for code, said in sorted((dict(answers) | refused).items())}
    operation: Json = {"summary": summary, "responses": responses}
    if parameters:
        operation["parameters"] = parameters
    if signed_in:
        operation["security"] = [{"token": []}]
    return operation


def with_keys(paths: Json) -> Json:
    """Return routes whose POST requests take an idempotency key, each with what a key may be answered."""
    for path, methods in paths.items():
        if "post" in methods:
            posted = methods["post"]
            others = [one for one in posted.get("parameters", ()) if one["name"] != KEY["name"]]
            said = {"409": {"description": _ERRORS[409]} | content("Error")}
            responses = dict(sorted((said | posted["responses"]).items()))
            paths[path] = methods | {"post": posted | {"parameters": [*others, KEY], "responses": responses}}
    return paths


def query(name: str, schema: Json, description: str) -> Json:
    """Return a parameter of the query."""
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def json_of(name: str) -> Json:
    """Return an answer whose body has a schema."""
    return {"description": name} | content(name)


def content(name: str) -> Json:
    """Return the content of a body."""
    return {"content": {"application/json": {"schema": ref(name)}}}


def ref(name: str) -> Json:
    """Return the reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(optional: Mapping[str, Json] | None = None, /, **members: Json) -> Json:
    """Return the schema of an object: members that are always there, and optional ones."""
    return {
        "type": "object",
        "properties": members | dict(optional or {}),
        "required": list(members),
        "additionalProperties": False,
    }


def nullable(schema: Json) -> Json:
    """Return a schema that allows null as well."""
    return {"anyOf": [schema, {"type": "null"}]}


def words(names: type[StrEnum]) -> Json:
    """Return the schema of a closed vocabulary."""
    return {"type": "string", "enum": [name.value for name in names]}
