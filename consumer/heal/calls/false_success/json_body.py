"""JSON bodies that say that the call failed: the object itself, what wraps it, and the parts of a batch. Pure."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from consumer.heal.calls.false_success import members as words
from consumer.heal.calls.false_success.asked import Asked, Sign
from consumer.heal.calls.false_success.envelope import sign_in_envelope
from consumer.heal.calls.false_success.json_object import Body
from consumer.heal.calls.false_success.members import is_nothing, is_right_code, plain_name, plain_word
from consumer.heal.calls.false_success.sentences import are_about_the_request
from consumer.model import Json
from schemas.errors import EnvelopeError
from schemas.json_text import load_json

_MAX_PARTS: Final = 2000
_MAX_WRAPPERS: Final = 3
_MAX_MEMBERS: Final = 2000
_HTTP_STATUSES: Final = frozenset(("statuscode", "httpstatus", "httpstatuscode", "httpcode"))
_DONE_PARTS: Final = frozenset(("index", "create", "update", "delete"))
"""What was done with one part of a batch, under whose name its outcome stands."""


def sign_in_json(value: Json, asked: Asked) -> Sign | None:
    """Return the sign of a failure in a JSON body."""
    match value:
        case dict():
            return _sign_in_object(value, asked, 0)
        case ["error" | "Error" | "ERROR", int() | dict(), *_]:
            return Sign(why="the body is a list that begins with an error's mark", sure=False)
        case list() if not asked.reads and are_about_the_request(value):
            return Sign(why="the body is a list of what was wrong with the request", sure=False)
        case list():
            return _sign_in_parts(value, asked, always=False)
        case str() if value.lstrip().startswith("{"):
            return _sign_in_text(value, asked, 1)
        case _:
            return None


def _sign_in_text(text: str, asked: Asked, depth: int) -> Sign | None:
    """Return a sign in an object that was written as a text."""
    try:
        value = load_json(text.encode("utf-8", "replace"))
    except EnvelopeError:
        return None
    return _sign_in_object(value, asked, depth) if isinstance(value, dict) else None


def _sign_in_object(
    value: dict[str, Json], asked: Asked, depth: int, *, is_part: bool = False, is_state: bool = False
) -> Sign | None:
    left_out = asked.demanded if depth == 0 and not is_part else frozenset()
    members = {
        name: one for key, one in islice(value.items(), _MAX_MEMBERS) if (name := plain_name(key)) not in left_out
    }
    body = Body(members=members, asked=asked, is_part=is_part, is_state=is_state)
    if (sign := sign_in_envelope(body)) is not None:
        return sign
    if (sign := _sign_of_kind(value)) is not None:
        return sign
    return _sign_below(body, depth) if depth < _MAX_WRAPPERS else None


def _sign_of_kind(value: dict[str, Json]) -> Sign | None:
    """Return a sign in the members by which services tell the kind of what they answer."""
    if value.get(".tag") in ("failure", "failed"):
        return Sign(why="the body says `.tag: failure`")
    system = value.get("sys")
    if isinstance(system, dict) and system.get("type") == "Error":
        return Sign(why="the body's `sys.type` is that of an error")
    kind = value.get("__type")
    named = kind.rpartition("#")[2].partition(":")[0] if isinstance(kind, str) else ""
    return Sign(why="the body's `__type` is that of an error") if words.TELLING_TYPE.search(named[:200]) else None


def _sign_below(body: Body, depth: int) -> Sign | None:
    if len(body.members) == 1 and depth == 0 and (sign := _sign_in_only(body)) is not None:
        return sign
    for name, value in body.members.items():
        if _has_parts(name, body.asked) and isinstance(value, list):
            sign = _sign_in_parts(value, body.asked, always=name in words.ALWAYS_PARTS)
        elif name in words.ALWAYS_PARTS and isinstance(value, dict) and name.endswith("s"):
            sign = _sign_in_parts([*islice(value.values(), _MAX_PARTS)], body.asked, always=True)
        elif name == "body" and isinstance(value, str) and value.lstrip().startswith("{"):
            sign = _sign_in_text(value, body.asked, depth + 1)
        elif (name in words.WRAPPERS or name.endswith(("response", "result", "results"))) and isinstance(value, dict):
            is_state = name == "status" and body.is_answered_resource
            is_part = body.asked.reads and name == "data"
            sign = _sign_in_object(value, body.asked, depth + 1, is_part=is_part, is_state=is_state)
            sign = sign or (_sign_in_fields(value, body.asked) if name == "data" else None)
        elif isinstance(value, list) and not body.asked.reads and name not in words.PAST:
            sign = _sign_in_errors_of(value)
        elif isinstance(value, dict) and not body.asked.reads and name not in words.PAST:
            sign = _sign_in_errors_of([one for one in value.values() if isinstance(one, dict)])
        else:
            continue
        if sign is not None:
            return sign
    return None


def _sign_in_only(body: Body) -> Sign | None:
    """Return the sign of a failure in the one object of which the body is a wrapper, whatever its name."""
    ((name, only),) = body.members.items()
    if not isinstance(only, dict) or name in words.WRAPPERS:
        return None
    has_no_result = any(key in only and only[key] is None for key in ("result", "data"))
    return None if body.asked.reads and not has_no_result else _sign_in_object(only, body.asked, 1)


def _has_parts(name: str, asked: Asked) -> bool:
    is_done = name in _DONE_PARTS or name.endswith(("results", "responses", "statuses"))
    return name in words.PARTS or (not asked.reads and is_done)


def _sign_in_fields(data: dict[str, Json], asked: Asked) -> Sign | None:
    """Return a sign in the payloads of GraphQL mutations: `data.orderCreate.userErrors`."""
    for field in data.values():
        if isinstance(field, dict):
            named = {plain_name(key): one for key, one in field.items()}
            kind = field.get("__typename")
            if isinstance(kind, str) and words.TELLING_TYPE.search(kind[:200]):
                return Sign(why="a field of the body's data is of the type of an error")
            if not asked.reads and any(plain_word(named.get(name)) in words.FAILED_RESOURCE for name in words.OUTCOMES):
                return Sign(why="a field of the body's data has an outcome of failure")
            if not asked.reads and any(named.get(name) is False for name in words.RIGHT_WHERE_TRUE):
                return Sign(why="a field of the body's data says that it did not succeed")
            lists = [name for name, one in named.items() if isinstance(one, list) and one]
            found = next((name for name in lists if words.lists_errors(name)), None)
            if found is None and not asked.reads:
                found = "errors" if "errors" in lists else None
            if found is not None:
                return Sign(why=f"a field of the body's data has `{found}`")
    return None


def _sign_in_errors_of(parts: list[Json]) -> Sign | None:
    """Return a sign where one of several things that a call left behind has an error, whatever their name."""
    for n, part in enumerate(_objects(parts)):
        found = next(
            (key for key, one in part.items() if plain_name(key) in words.ERRORS and not is_nothing(one)), None
        )
        if found is not None and not (isinstance(part[found], int | str) and is_right_code(part[found])):
            return Sign(why=f"part {n + 1}: it has `{plain_name(found)}`")
    return None


def _sign_in_parts(parts: list[Json], asked: Asked, *, always: bool) -> Sign | None:
    for part in parts[:_MAX_PARTS]:  # a part as a list of its name and what it answers, as JMAP has it
        if isinstance(part, list) and len(part) > 1 and isinstance(part[0], str) and isinstance(part[1], dict):
            if plain_name(part[0]) == "error":
                return Sign(why="a part that is an error")
            if (sign := _sign_in_object(part[1], asked, _MAX_WRAPPERS)) is not None:
                return Sign(why=f"a part: {sign.why}", sure=sign.sure)
    if None in parts and any(_is_response(part) for part in _objects(parts)):
        return Sign(why="a part that was not answered", sure=False)
    for n, part in enumerate(_objects(parts)):
        sign = _sign_in_part(part, asked, always=always)
        if sign is not None:
            return Sign(why=f"part {n + 1}: {sign.why}", sure=sign.sure)
    return None


def _sign_in_part(part: dict[str, Json], asked: Asked, *, always: bool) -> Sign | None:
    if (always or _is_response(part)) and (code := _failing_status_in(part)) is not None:
        return Sign(why=f"it was answered {code}")
    told = next((one for key, one in part.items() if plain_name(key) in _HTTP_STATUSES), None)
    if not asked.reads and (code := words.failing_status(told)) is not None:
        return Sign(why=f"it was answered {code}")
    answered = part.get("response")
    if isinstance(answered, dict) and (code := _failing_status_in(answered)) is not None:
        return Sign(why=f"it was answered {code}")
    if len(part) == 1 and isinstance(done := next(iter(part.values())), dict) and next(iter(part)) in _DONE_PARTS:
        return _sign_in_part(done, asked, always=True)
    if "jsonrpc" in part or always or not asked.reads:
        return _sign_in_object(part, asked, _MAX_WRAPPERS - 1, is_part=asked.reads and not always)
    return _sign_in_object(part, asked, _MAX_WRAPPERS, is_part=True)


def _failing_status_in(part: dict[str, Json]) -> int | None:
    return words.failing_status(next((one for key, one in part.items() if plain_name(key) in words.STATUSES), None))


def _is_response(part: dict[str, Json]) -> bool:
    """Return whether a part is an answer in itself: a status with a body or headers."""
    names = set(map(plain_name, part))
    return bool(names & words.STATUSES) and bool(names & {"body", "headers"})


def _objects(parts: list[Json]) -> Iterator[dict[str, Json]]:
    for part in parts[:_MAX_PARTS]:
        if isinstance(part, dict):
            yield part
