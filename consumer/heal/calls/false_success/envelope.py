"""JSON bodies that say that the call failed: error members, flags, outcomes, codes, and failed parts. Pure.

An object whose every member tells of the call alone is an envelope; any other is a resource. A resource that was asked
for may itself have failed, and says so in `status` or `error`: that is an honest answer. What a call with an effect
leaves behind may not.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from consumer.heal.calls.false_success import members as words
from consumer.heal.calls.false_success.asked import Asked, Sign
from consumer.heal.calls.false_success.members import is_nothing, plain_name, plain_word
from consumer.model import Json
from schemas.errors import EnvelopeError
from schemas.json_text import load_json

_MAX_PARTS: Final = 2000
_MAX_WRAPPERS: Final = 2
_MAX_MEMBERS: Final = 2000
_TELLS: Final = words.MESSAGES - {"description", "title", "detail", "details", "reason", "info"}
_STATUS_FIRST: Final = re.compile(r"[45]\d\d\b\W")
_PROBLEM_TYPE: Final = re.compile(r"^(?:https?:|urn:|/).*(?:prob|error)", re.IGNORECASE)
_EXPLAINED: Final = frozenset(("done", "finishedat", "endedat", "completedat", "failedat"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    """One object of the body, with its members by their plain names."""

    members: Mapping[str, Json]
    asked: Asked
    is_part: bool
    """It is one of several, so that its own state is no longer the call's."""

    @property
    def is_envelope(self) -> bool:
        own = self.members.keys() - words.ENVELOPE
        if "jsonrpc" in self.members:
            own -= {"id"}
        if "message" in self.members or plain_word(self.members.get("name")) in words.TELLING_MESSAGES:
            own -= {"name"}
        return not own

    @property
    def is_answered_resource(self) -> bool:
        return (self.asked.reads or self.is_part) and not self.is_envelope


def sign_in_json(value: Json, asked: Asked) -> Sign | None:
    """Return the sign of a failure in a JSON body."""
    match value:
        case dict():
            return _sign_in_object(value, asked, 0)
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


def _sign_in_object(value: dict[str, Json], asked: Asked, depth: int, *, is_part: bool = False) -> Sign | None:
    left_out = asked.demanded if depth == 0 and not is_part else frozenset()
    members = {
        name: one for key, one in islice(value.items(), _MAX_MEMBERS) if (name := plain_name(key)) not in left_out
    }
    body = _Body(members=members, asked=asked, is_part=is_part)
    for look in (_error, _flag, _count, _partial, _outcome, _status, _type, _code, _message):
        if (sign := look(body)) is not None:
            return sign
    if (sign := _aws_type(value)) is not None:
        return sign
    return _sign_below(body, depth) if depth < _MAX_WRAPPERS else None


def _error(body: _Body) -> Sign | None:
    for name, value in body.members.items():
        if name not in words.ERRORS or is_nothing(value) or _is_excused(body, name, value):
            continue
        if not body.is_answered_resource:
            return Sign(why=f"the body has `{name}`")
        if isinstance(value, int | float) and not isinstance(value, bool):
            continue  # a count, of whatever was asked for
        if not body.is_part and not _explains_itself(body):
            return Sign(why=f"the body has `{name}`, beside what was asked for", sure=False)
    return None


def _is_excused(body: _Body, name: str, value: Json) -> bool:
    """Return whether a member for errors is one for every answer: a right code, or `errmsg: "ok"`."""
    if name in {"errorcode", "errcode", "errno"} and words.is_right_code(value) and value not in (1, True):
        return True
    codes = [one for key, one in body.members.items() if key in {"errorcode", "errcode", "errno"}]
    is_message = name in {"errmsg", "errormsg", "errormessage", "errordescription"}
    return is_message and (words.is_right_message(value) or (bool(codes) and all(map(is_nothing, codes))))


def _explains_itself(body: _Body) -> bool:
    """Return whether a resource's error belongs to a state of its own that has failed."""
    states = (body.members.get(name) for name in ("status", "state", "phase"))
    return any(plain_word(one) is not None for one in states) or bool(_EXPLAINED & body.members.keys())


def _flag(body: _Body) -> Sign | None:
    for name, value in body.members.items():
        if name in words.RIGHT_WHERE_TRUE and _is_no(value) and not _is_count_of_none(body, value):
            if body.is_part and body.is_answered_resource and body.asked.reads:
                continue
            return Sign(why=f"the body says `{name}: {_shown(value)}`")
        if name in words.WRONG_WHERE_TRUE and (value is True or plain_word(value) in {"true", "yes"}):
            if body.is_answered_resource and name in {"failed", "failure", "aborted"}:
                continue
            return Sign(why=f"the body says `{name}: true`")
    return None


def _is_no(value: Json) -> bool:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value == 0
    return plain_word(value) in {"false", "no", "n", "f", "0", "fail", "failed", "failure", "error"}


def _is_count_of_none(body: _Body, value: Json) -> bool:
    """Return whether a 0 counts successes, of which there were none to make."""
    counts = [one for name, one in body.members.items() if name in words.COUNTS and isinstance(one, int)]
    return value == 0 and not isinstance(value, bool) and bool(counts) and not any(counts)


def _count(body: _Body) -> Sign | None:
    for name, value in body.members.items():
        if name in words.COUNTS and not isinstance(value, bool) and isinstance(value, int | float) and value > 0:
            if not body.asked.reads:
                return Sign(why=f"the body counts in `{name}` what failed")
        elif name in words.LEFT_OVER and isinstance(value, list | dict) and value:
            if not body.asked.reads:
                return Sign(why=f"the body lists in `{name}` what was not done")
            if name == "unprocessedkeys":
                return Sign(why=f"the body lists in `{name}` what was not read", sure=False)
    return None


def _partial(body: _Body) -> Sign | None:
    """Return a sign where an answer says that it is not the whole, or a search was answered by a part of its shards."""
    flag = next((name for name in words.PARTIAL if body.members.get(name) is True), None)
    if flag is not None and not body.is_part:
        return Sign(why=f"the body says `{flag}: true`", sure=False)
    shards = body.members.get("shards")
    failed = shards.get("failed") if isinstance(shards, dict) else 0
    if isinstance(failed, int) and failed > 0:
        return Sign(why=f"{failed} of the shards failed", sure=False)
    is_search = "took" in body.members or shards is not None
    return Sign(why="the search timed out", sure=False) if is_search and body.members.get("timedout") is True else None


def _outcome(body: _Body) -> Sign | None:
    for name, value in body.members.items():
        if name not in words.OUTCOMES or name in body.asked.described:
            continue
        if value is False and body.is_envelope and (name == "status" or words.MESSAGES & body.members.keys()):
            return Sign(why=f"the body says `{name}: false`")
        word = plain_word(value)
        if word is None or (name == "state" and body.asked.reads):
            continue
        if body.is_envelope or name in words.PROTOCOL_OUTCOMES:
            failed = word in words.FAILED
        else:
            failed = not body.is_answered_resource and word in words.FAILED_RESOURCE
        if failed:
            return Sign(why=f"the body says `{name}: {word}`")
    return None


def _status(body: _Body) -> Sign | None:
    if not body.is_envelope:
        return None
    for name, value in body.members.items():
        if name in words.STATUSES and name not in body.asked.described:
            status = words.failing_status(value)
            if status is not None:
                return Sign(why=f"the body says `{name}: {status}`")
    return None


def _type(body: _Body) -> Sign | None:
    word = plain_word(body.members.get("type")) or ""
    if word not in {"error", "exception"}:
        word = plain_word(body.members.get("object")) or ""
    if word in {"error", "exception"} and (body.is_envelope or not body.asked.reads):
        return Sign(why=f"the body says `type: {word}`")
    if plain_word(body.members.get("resourcetype")) == "operationoutcome" and _has_grave_issue(body):
        return Sign(why="the body is an OperationOutcome with an error")
    kind, title = body.members.get("type"), body.members.get("title")
    if body.is_envelope and isinstance(title, str) and isinstance(kind, str) and _PROBLEM_TYPE.search(kind[:500]):
        return Sign(why="the body is a problem")
    name = body.members.get("name")
    if body.is_envelope and isinstance(name, str) and words.TELLING_TYPE.search(name[:200]):
        return Sign(why="the body's `name` is that of an error")
    return None


def _has_grave_issue(body: _Body) -> bool:
    issues = body.members.get("issue")
    found = issues[:_MAX_PARTS] if isinstance(issues, list) else []
    return any(isinstance(one, dict) and one.get("severity") in ("error", "fatal") for one in found)


def _code(body: _Body) -> Sign | None:
    """Return a sign where an envelope has nothing in it but a code that no success is known to have."""
    members = body.members
    if not body.is_envelope or not is_nothing(members.get("data")) or not is_nothing(members.get("result")):
        return None
    if any(words.is_right_message(members.get(name)) for name in words.MESSAGES):
        return None
    if not _TELLS & members.keys():
        return None
    for name, value in members.items():
        if name in words.CODES and name not in body.asked.described and not words.is_right_code(value):
            return Sign(why=f"the body has nothing but a `{name}` that is no known success, and a message", sure=False)
    return None


def _message(body: _Body) -> Sign | None:
    """Return a sign where the whole body is the message of a gateway or framework."""
    said = body.members.get("message")
    if body.is_envelope and isinstance(said, str) and _STATUS_FIRST.match(said):
        return Sign(why=f"the body's message begins with {said[:3]}")
    if body.is_envelope and is_nothing(body.members.get("data")) and (sign := _message_of_failure(body)) is not None:
        return sign
    if body.members.keys() - words.MESSAGES - {"requestid", "traceid", "path", "timestamp"}:
        return None
    for name, value in body.members.items():
        if name in words.MESSAGES and plain_word(value) in words.TELLING_MESSAGES:
            return Sign(why=f"the body has nothing but `{name}: {plain_word(value)}`")
        if (
            name == "detail"
            and isinstance(value, list)
            and any(isinstance(one, dict) and "loc" in one for one in value)
        ):
            return Sign(why="the body has nothing but what was wrong with the request")
    return None


def _message_of_failure(body: _Body) -> Sign | None:
    for name, value in body.members.items():
        if name not in words.MESSAGES or not isinstance(value, str):
            continue
        if plain_word(value) in words.FAILED or words.ERROR_SENTENCE.match(value):
            return Sign(why=f"the body's `{name}` is that of a failure", sure=False)
    return None


def _aws_type(value: dict[str, Json]) -> Sign | None:
    kind = value.get("__type")
    named = kind.rpartition("#")[2].partition(":")[0] if isinstance(kind, str) else ""
    return Sign(why="the body's `__type` is that of an error") if words.TELLING_TYPE.search(named[:200]) else None


def _sign_below(body: _Body, depth: int) -> Sign | None:
    for name, value in body.members.items():
        if name in words.PARTS and isinstance(value, list):
            sign = _sign_in_parts(value, body.asked, always=name in words.ALWAYS_PARTS)
        elif name == "body" and isinstance(value, str) and value.lstrip().startswith("{"):
            sign = _sign_in_text(value, body.asked, depth + 1)
        elif (name in words.WRAPPERS or name.endswith(("response", "result"))) and isinstance(value, dict):
            sign = _sign_in_object(value, body.asked, depth + 1, is_part=body.asked.reads and name == "data")
            sign = sign or (_sign_in_fields(value, body.asked) if name == "data" else None)
        else:
            continue
        if sign is not None:
            return sign
    return None


def _sign_in_fields(data: dict[str, Json], asked: Asked) -> Sign | None:
    """Return a sign in the payloads of GraphQL mutations: `data.orderCreate.userErrors`."""
    for field in data.values():
        if isinstance(field, dict):
            named = {plain_name(key): one for key, one in field.items()}
            kind = field.get("__typename")
            if isinstance(kind, str) and words.TELLING_TYPE.search(kind[:200]):
                return Sign(why="a field of the body's data is of the type of an error")
            if not asked.reads and any(named.get(name) is False for name in words.RIGHT_WHERE_TRUE):
                return Sign(why="a field of the body's data says that it did not succeed")
            found = [name for name in ("usererrors", "errors") if isinstance(named.get(name), list) and named[name]]
            if found and ("usererrors" in found or not asked.reads):
                return Sign(why=f"a field of the body's data has `{found[0]}`")
    return None


def _sign_in_parts(parts: list[Json], asked: Asked, *, always: bool) -> Sign | None:
    for n, part in enumerate(_objects(parts)):
        sign = _sign_in_part(part, asked, always=always)
        if sign is not None:
            return Sign(why=f"part {n + 1}: {sign.why}", sure=sign.sure)
    return None


def _sign_in_part(part: dict[str, Json], asked: Asked, *, always: bool) -> Sign | None:
    if always or _is_response(part):
        status = next((one for key, one in part.items() if plain_name(key) in words.STATUSES), None)
        if (code := words.failing_status(status)) is not None:
            return Sign(why=f"it was answered {code}")
    if "jsonrpc" in part or always or not asked.reads:
        return _sign_in_object(part, asked, _MAX_WRAPPERS, is_part=asked.reads and not always)
    return _sign_in_object(part, asked, _MAX_WRAPPERS, is_part=True)


def _is_response(part: dict[str, Json]) -> bool:
    """Return whether a part is an answer in itself: a status with a body or headers."""
    names = set(map(plain_name, part))
    return bool(names & words.STATUSES) and bool(names & {"body", "headers"})


def _objects(parts: list[Json]) -> Iterator[dict[str, Json]]:
    for part in parts[:_MAX_PARTS]:
        if isinstance(part, dict):
            yield part


def _shown(value: Json) -> str:
    return str(value).lower()[:10]
