"""Envelopes that have nothing in them but a code or a message, and tell a failure by it. Pure."""

import re
from typing import Final

from consumer.heal.calls.false_success import members as words
from consumer.heal.calls.false_success.asked import Sign
from consumer.heal.calls.false_success.json_object import Body
from consumer.heal.calls.false_success.members import is_nothing, plain_word
from consumer.heal.calls.false_success.page_titles import is_error_in_words
from consumer.heal.calls.false_success.sentences import (
    ERROR_SENTENCE,
    SHORT_REASON,
    are_about_the_request,
    tells_what_failed,
)
from consumer.model import Json

_TELLS: Final = words.MESSAGES - {"description", "title", "detail", "details", "reason", "info"}
_RIGHT: Final = (0, "0", 200, "200", "ok", "OK", None)
_OF_CONTENT: Final = frozenset(("title", "description", "text", "note"))
_PLAIN_FAILURES: Final = frozenset(("fail", "error", "failure"))
_STATUS_FIRST: Final = re.compile(r"[45]\d\d\b\W")
_CODE_LIKE: Final = words.OUTCOMES | words.CODES | {"name", "info", "type", "reason", "messagetype"}
_BESIDE_A_MESSAGE: Final = frozenset(
    (
        "requestid",
        "traceid",
        "path",
        "timestamp",
        "parameters",
        "cause",
        "details",
        "messagedetail",
        "link",
        "docs",
        "class",
    )
)


def sign_in_code(body: Body) -> Sign | None:
    """Return a sign where an envelope has nothing in it but a code that no success is known to have."""
    members = body.members
    if (
        not body.is_envelope
        or (body.is_part and body.asked.reads)
        or not is_nothing(members.get("data"))
        or not is_nothing(members.get("result"))
    ):
        return None
    if any(words.is_right_message(members.get(name)) for name in words.MESSAGES):
        return None
    if words.MESSAGES & members.keys() and (found := _code_of_failure(body)) is not None:
        return Sign(why=f"the body has nothing but a `{found}` of failure, and a message", sure=False)
    if not _TELLS & members.keys():
        return None
    for name, value in members.items():
        if name in words.CODES and name not in body.asked.described and not words.is_right_code(value):
            return Sign(why=f"the body has nothing but a `{name}` that is no known success, and a message", sure=False)
    return None


def sign_beside_more(body: Body) -> Sign | None:
    """Return a sign where a code or a word of failure stands beside members of which nothing is known."""
    members = body.members
    told = [name for name in words.MESSAGES & members.keys() if isinstance(members[name], str) and members[name]]
    if any(words.is_right_message(members[name]) for name in told) or body.is_part:
        return None
    is_bare = not (members.keys() & {"id", "uuid", "data", "result", "results", "items", "name"})
    code = next((name for name in words.CODES & members.keys() if words.is_telling_number(members[name])), None)
    if code is None and members.keys() == {"status"} and words.is_telling_number(members["status"]):
        code = "status"
    if code is not None and is_bare and code not in body.asked.described | body.asked.sent.keys():
        is_negative = str(members[code]).strip().startswith("-")
        if (is_negative and told) or (
            not body.asked.reads and members.keys() <= words.CODES | words.MESSAGES | {"status"}
        ):
            return Sign(why=f"the body's `{code}` is that of no known success", sure=False)
    state = next((name for name in ("status", "stat") if plain_word(members.get(name)) in _PLAIN_FAILURES), None)
    if state is not None and told and is_bare and state not in body.asked.described:
        return Sign(why=f"the body says `{state}: {plain_word(members[state])}`, and why", sure=False)
    if body.asked.reads:
        return None
    said = next((name for name in told if _is_word_of_failure(body, name)), None)
    return None if said is None else Sign(why=f"the body's `{said}` is a word of failure", sure=False)


def _is_word_of_failure(body: Body, name: str) -> bool:
    value = body.members[name]
    is_said = name.startswith(("message", "msg", "response")) and not body.was_sent(name, value)
    return is_said and plain_word(value) in words.FAILED and not body.asked.ordered(str(value)[:200])


def _code_of_failure(body: Body) -> str | None:
    """Return the name of a code of several words that tells a failure, or of a number below zero."""
    for name, value in body.members.items():
        if name in _CODE_LIKE and not body.asked.described and words.is_negative_code(value):
            return name
        if name in words.CODES and isinstance(value, int) and value < 0:
            return name
    return None


def sign_in_message(body: Body) -> Sign | None:
    """Return a sign where the whole body is the message of a gateway or framework."""
    said = body.members.get("message")
    if body.is_envelope and isinstance(said, str) and _STATUS_FIRST.match(said):
        return Sign(why=f"the body's message begins with {said[:3]}")
    if body.is_envelope and is_nothing(body.members.get("data")) and (sign := _message_of_failure(body)) is not None:
        return sign
    return _lone_message(body)


def _lone_message(body: Body) -> Sign | None:
    if body.members.keys() == {"id", "message"} and plain_word(body.members["id"]) in words.FAILED:
        return Sign(why="the body's `id` is a word of failure")
    lists = [one for one in body.members.values() if isinstance(one, list)]
    if len(lists) == len(body.members) and not body.asked.reads and any(map(are_about_the_request, lists)):
        return Sign(why="the body has nothing but what was wrong with the request", sure=False)
    if body.is_listed:
        return None
    beside = _BESIDE_A_MESSAGE | ({"code"} if body.members.get("code") not in _RIGHT else set())
    if body.members.keys() - words.MESSAGES - beside:
        return None
    return next((sign for name, value in body.members.items() if (sign := _sign_in_said(name, value, body))), None)


def _sign_in_said(name: str, value: Json, body: Body) -> Sign | None:
    if isinstance(value, str) and body.asked.ordered(value[:200]):
        return None
    is_said = name in words.MESSAGES and name not in _OF_CONTENT
    if is_said and isinstance(value, str) and tells_what_failed(value[:200]):
        return Sign(why=f"the body has nothing but a `{name}` of what could not be done", sure=False)
    if name == "reason" and isinstance(value, str) and SHORT_REASON.fullmatch(value):
        return Sign(why="the body has nothing but a reason", sure=False)
    if name in words.MESSAGES and plain_word(value) in words.TELLING_MESSAGES:
        return Sign(why=f"the body has nothing but `{name}: {plain_word(value)}`")
    parts = value if name == "detail" and isinstance(value, list) else []
    if any(isinstance(one, dict) and "loc" in one for one in parts):
        return Sign(why="the body has nothing but what was wrong with the request")
    return None


def _message_of_failure(body: Body) -> Sign | None:
    for name, value in body.members.items():
        if (
            name not in words.MESSAGES
            or not isinstance(value, str)
            or body.is_listed
            or body.asked.ordered(value[:200])
        ):
            continue
        is_word = plain_word(value) in words.FAILED and name not in _OF_CONTENT
        if is_word or ERROR_SENTENCE.match(value) or is_error_in_words(value):
            return Sign(why=f"the body's `{name}` is that of a failure", sure=False)
    return None
