"""One JSON object that says that the call failed: error members, flags, outcomes, statuses, codes, messages. Pure.

An object whose every member tells of the call alone is an envelope; any other is a resource. A resource that was asked
for may itself have failed, and says so in `status` or `error`: that is an honest answer. What a call with an effect
leaves behind may not, unless the call itself has sent it so.
"""

import re
from typing import Final

from consumer.heal.calls.false_success import members as words
from consumer.heal.calls.false_success.asked import Sign
from consumer.heal.calls.false_success.json_object import Body
from consumer.heal.calls.false_success.lone_messages import sign_beside_more, sign_in_code, sign_in_message
from consumer.heal.calls.false_success.members import is_nothing, plain_word
from consumer.model import Json

_MAX_PARTS: Final = 2000
_PROBLEM_TYPE: Final = re.compile(r"^(?:https?:|urn:|/).*(?:prob|error)", re.IGNORECASE)
_ERROR_CLASS: Final = re.compile(r"(?:[\w.$]{1,150}\.)?[A-Z]\w{1,80}(?:Error|Exception)")
_EXPLAINED: Final = frozenset(("done", "finishedat", "endedat", "completedat", "failedat"))


def sign_in_envelope(body: Body) -> Sign | None:
    """Return the sign of a failure in an object's own members."""
    looks = (_error, _flag, _count, _partial, _outcome, _status, _type, sign_in_code, sign_in_message, sign_beside_more)
    for look in looks:
        if (sign := look(body)) is not None:
            return sign
    return None


def _error(body: Body) -> Sign | None:
    for name, value in body.telling.items():
        if not _is_for_errors(body, name, value) or is_nothing(value) or _is_excused(body, name, value):
            continue
        if not body.is_answered_resource:
            return Sign(why=f"the body has `{name}`")
        if isinstance(value, int | float) and not isinstance(value, bool):
            continue  # a count, of whatever was asked for
        if not body.is_part and not _explains_itself(body):
            return Sign(why=f"the body has `{name}`, beside what was asked for", sure=False)
    return None


def _is_for_errors(body: Body, name: str, value: Json) -> bool:
    if name in words.COMPLAINTS and isinstance(value, list) and not body.asked.reads:
        return True
    if name in words.ERRORS or (words.is_error_name(name) and not body.is_answered_resource):
        return True
    return isinstance(value, list) and words.lists_errors(name)


def _is_excused(body: Body, name: str, value: Json) -> bool:
    """Return whether a member for errors is one for every answer: a right code, or `errmsg: "ok"`; or was asked for."""
    if isinstance(value, dict) and value and all(key.isdigit() for key in value):
        return True  # a table of messages by their codes
    if body.asked.reads and name in body.asked.named_by_url:
        return True
    if body.was_sent(name, value) or (body.asked.reads and body.is_part and _is_of_resources(value)):
        return True
    if name in {"errorcode", "errcode", "errno"} and words.is_right_code(value) and value not in (1, True):
        return True
    codes = [one for key, one in body.members.items() if key in {"errorcode", "errcode", "errno"}]
    is_message = name in {"errmsg", "errormsg", "errormessage", "errordescription"}
    return is_message and (words.is_right_message(value) or (bool(codes) and all(map(is_nothing, codes))))


def _is_of_resources(value: Json) -> bool:
    """Return whether a list has resources that are errors themselves, each with an id and without a code."""
    told = {"status", "code", "detail", "title", "extensions", "path"}
    return isinstance(value, list) and all(
        isinstance(one, dict) and "id" in one and not told & one.keys() for one in value
    )


def _explains_itself(body: Body) -> bool:
    """Return whether a resource's error belongs to a state of its own that has failed."""
    states = (body.members.get(name) for name in ("status", "state", "phase"))
    return any(plain_word(one) is not None for one in states) or bool(_EXPLAINED & body.members.keys())


def _flag(body: Body) -> Sign | None:
    for name, value in body.telling.items():
        if name in words.RIGHT_WHERE_TRUE and _is_no(value) and not _is_count_of_none(body, value):
            if body.is_part and body.is_answered_resource and body.asked.reads:
                continue
            return Sign(why=f"the body says `{name}: {_shown(value)}`")
        is_undone = name in words.DONE and value is False and not body.asked.reads and not body.is_part
        if is_undone and body.is_envelope and name not in body.asked.sent:
            return Sign(why=f"the body has nothing but `{name}: false`", sure=False)
        is_question = name.startswith(("is", "has")) and plain_word(value) in {"y", "1", "t"}
        if name in words.WRONG_WHERE_TRUE and (value is True or is_question or plain_word(value) in {"true", "yes"}):
            if (body.is_answered_resource and name in {"failed", "failure", "aborted"}) or body.asked.ordered(name):
                continue
            return Sign(why=f"the body says `{name}: true`")
    return None


def _is_no(value: Json) -> bool:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value == 0
    return plain_word(value) in {"false", "no", "n", "f", "0", "fail", "failed", "failure", "error"}


def _is_count_of_none(body: Body, value: Json) -> bool:
    """Return whether a 0 counts successes, of which there were none to make."""
    counts = [one for name, one in body.members.items() if name in words.COUNTS and isinstance(one, int)]
    return value == 0 and not isinstance(value, bool) and bool(counts) and not any(counts)


def _count(body: Body) -> Sign | None:
    for name, value in body.telling.items():
        counts = words.counts_failures(name)
        if counts and not isinstance(value, bool) and isinstance(value, int | float) and value > 0:
            if not body.asked.reads:
                return Sign(why=f"the body counts in `{name}` what failed")
        elif words.lists_left_over(name) and isinstance(value, list | dict) and value:
            if not body.asked.reads:
                return Sign(why=f"the body lists in `{name}` what was not done")
            if name == "unprocessedkeys":
                return Sign(why=f"the body lists in `{name}` what was not read", sure=False)
    return None


def _partial(body: Body) -> Sign | None:
    """Return a sign where an answer says that it is not the whole, or a search was answered by a part of its shards."""
    flag = next((name for name in words.PARTIAL if body.members.get(name) is True), None)
    if flag is not None and not body.is_part:
        return Sign(why=f"the body says `{flag}: true`", sure=False)
    stops = {plain_word(body.members.get(name)) for name in ("finishreason", "stopreason")}
    if body.asked.method != "GET" and stops & {"error", "contentfilter"}:
        return Sign(why="the body says that it was stopped by an error or a filter", sure=False)
    if body.asked.method != "GET" and not is_nothing(body.members.get("incompletedetails")):
        return Sign(why="the body says why it is not the whole", sure=False)
    remark = body.members.get("remark")
    if isinstance(remark, str) and re.match(r"\s*(?:runtime )?error\b", remark):
        return Sign(why="the body's remark is an error", sure=False)
    shards = body.members.get("shards")
    failed = shards.get("failed") if isinstance(shards, dict) else 0
    if isinstance(failed, int) and failed > 0:
        return Sign(why=f"{failed} of the shards failed", sure=False)
    is_search = "took" in body.members or shards is not None
    return Sign(why="the search timed out", sure=False) if is_search and body.members.get("timedout") is True else None


def _outcome(body: Body) -> Sign | None:
    for name, value in body.telling.items():
        if (grave := _grave_message(name, value)) is not None:
            return Sign(why=f"the body's `{name}` has a message of type {grave}")
        if not words.is_state_name(name) or name in body.asked.described or body.was_sent(name, value):
            continue
        if body.is_envelope and _is_no_outcome(name, value, body):
            return Sign(why=f"the body says `{name}: {_shown(value)}`")
        word = plain_word(value)
        if word is None or (name == "state" and body.asked.reads):
            continue
        if word == "skipped" and not body.asked.reads and {"reason", "reasons", "message"} & body.members.keys():
            return Sign(why=f"the body says `{name}: {word}`, and why", sure=False)
        if _is_failed(name, str(value), word, body):
            return Sign(why=f"the body says `{name}: {word}`")
    return None


def _is_no_outcome(name: str, value: Json, body: Body) -> bool:
    """Return whether an envelope's outcome is false, or a negative number beside a message."""
    says_more = bool(words.MESSAGES & body.members.keys())
    is_undone = value == 0 and name == "result" and not isinstance(value, bool) and _gives_a_reason(body)
    return (
        (value is False and (name == "status" or says_more)) or (_is_negative_number(value) and says_more) or is_undone
    )


def _gives_a_reason(body: Body) -> bool:
    said = body.members.get("reason")
    return isinstance(said, str) and bool(said.strip()) and not words.is_right_message(said)


def _is_failed(name: str, text: str, word: str, body: Body) -> bool:
    if not body.asked.reads and words.ENDS_IN_FAILURE.fullmatch(text[:100]):
        failed = True
    elif (body.is_envelope and name in words.OUTCOMES) or name in words.PROTOCOL_OUTCOMES:
        failed = word in words.FAILED
    else:
        failed = not body.is_answered_resource and word in words.FAILED_RESOURCE
    return failed and not body.asked.ordered(word)


def _is_negative_number(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value < 0


def _grave_message(name: str, value: Json) -> str | None:
    """Return the type of an error or abort among the messages that a function module returns beside its result."""
    found = value if isinstance(value, list) else [value]
    for one in found[:_MAX_PARTS] if name in {"return", "etreturn", "messages"} else []:
        kind = one.get("TYPE") if isinstance(one, dict) and "NUMBER" in one else None
        if kind in ("E", "A"):
            return str(kind)
    return None


def _status(body: Body) -> Sign | None:
    if not body.is_envelope or body.is_state:
        return None
    for name, value in body.members.items():
        if name in words.STATUSES and not (body.is_listed and name == "code") and name not in body.asked.described:
            status = words.failing_status(value)
            if status is not None:
                return Sign(why=f"the body says `{name}: {status}`")
    return None


def _type(body: Body) -> Sign | None:
    word = plain_word(body.members.get("type")) or ""
    if word not in {"error", "exception"}:
        word = plain_word(body.members.get("object")) or ""
    if word not in {"error", "exception"}:
        word = plain_word(body.members.get("messagetype")) or ""
    if word in {"error", "exception"} and (body.is_envelope or not body.asked.reads):
        return Sign(why=f"the body says `type: {word}`")
    return _class(body) or _standard(body)


def _class(body: Body) -> Sign | None:
    """Return a sign in the class of an exception, under which a framework tells of it."""
    named, kind, name = (body.members.get(key) for key in ("typename", "type", "name"))
    if isinstance(named, str) and named.endswith("Exception") and "message" in body.members:
        return Sign(why="the body's `typename` is that of an exception")
    if body.is_envelope and not body.is_listed and isinstance(name, str) and words.TELLING_TYPE.search(name[:200]):
        return Sign(why="the body's `name` is that of an error")
    is_class = isinstance(kind, str) and _ERROR_CLASS.fullmatch(kind[:200]) is not None
    if is_class and not body.asked.reads and not body.was_sent("type", kind):
        return Sign(why="the body's `type` is that of an error")
    return None


def _standard(body: Body) -> Sign | None:
    """Return a sign in one of the standards of envelopes: SCIM, Responses, FHIR, Problem Details."""
    if _is_named_error(body.members.get("schemas")):
        return Sign(why="the body's schema is that of an error")
    if body.members.get("object") == "response" and body.asked.method != "GET":
        # What was computed by this very call is no resource with a life of its own.
        state = plain_word(body.members.get("status"))
        if state in words.FAILED_RESOURCE | {"incomplete", "cancelled"}:
            return Sign(why=f"the body says `status: {state}`")
    if plain_word(body.members.get("resourcetype")) == "operationoutcome" and _has_grave_issue(body):
        return Sign(why="the body is an OperationOutcome with an error")
    kind, title = body.members.get("type"), body.members.get("title")
    if body.is_envelope and isinstance(title, str) and isinstance(kind, str) and _PROBLEM_TYPE.search(kind[:500]):
        return Sign(why="the body is a problem")
    return None


def _is_named_error(schemas: Json) -> bool:
    """Return whether SCIM's list of a message's schemas has that of its errors."""
    return isinstance(schemas, list) and any(isinstance(one, str) and one.endswith(":Error") for one in schemas[:20])


def _has_grave_issue(body: Body) -> bool:
    issues = body.members.get("issue")
    found = issues[:_MAX_PARTS] if isinstance(issues, list) else []
    return any(isinstance(one, dict) and one.get("severity") in ("error", "fatal") for one in found)


def _shown(value: Json) -> str:
    return str(value).lower()[:10]
