"""Extracts structured facts from a failure's context and from JSON in its text: codes, exceptions, HTTP statuses."""

import re
from collections.abc import Iterator, Mapping
from enum import IntEnum
from itertools import islice
from json import JSONDecodeError, JSONDecoder
from typing import Any, Final

from consumer.diagnose.lexer import Text, code_key
from consumer.model import JsonObject
from consumer.model.http_status import LIMITS_WHERE_TOLD, tells_a_limit
from schemas.context import ErrorContext, error_of
from schemas.value import value


def words_of(text: str) -> frozenset[str]:
    """Split a text into a set of words."""
    return frozenset(text.split())


ERROR_KEYS: Final = ("error", "error_code", "exception_type", "http_status", "grpc_status", "errorCode")
_ERROR_KEYS: Final = frozenset(ERROR_KEYS)
_CODES: Final = words_of(
    """
    code error_code errorcode type error_type errortype __type status reason name issue decline_code error
    finish_reason finishreason stop_reason stopreason statuscode status_code httpstatus http_status
    httpstatuscode detail
    grpc_status blockreason block_reason subtype error_subtype errorname
    """
)
_FINISH: Final = words_of("finish_reason finishreason stop_reason stopreason")
"""Members that say why a model stopped: `length` and `max_tokens` mean a truncated answer there, and nowhere else."""
_WORDS: Final = words_of(
    """
    message msg error_message errormessage detail details description error title reason
    """
)
_STATUS: Final = re.compile(r"[45]\d\d")
STATUSES: Final = frozenset(map(str, range(400, 600)))
_BEFORE_STATUS: Final = words_of(
    """
    http https status code error err statuscode response returned returns returning got received replied
    answered answer failed errorcode exception request upstream codigo estado erro fehler statut
    """
)
_AFTER_STATUS: Final = words_of(
    """
    bad service gateway not too unauthorized forbidden internal error errors request conflict payment gone
    unprocessable response from on unavailable server timeout client
    """
)
_UNITS: Final = words_of(
    """
    ms s sec secs second seconds minute minutes min hours bytes kb mb gb rows items characters chars tokens
    times records px days requests
    """
)
_RETRYABLE: Final = {
    **dict.fromkeys(("retryable", "isretryable", "shouldretry", "canretry", "retriable"), ("retry.no", "retry.yes")),
    **dict.fromkeys(("nonretryable", "isnonretryable", "donotretry", "permanent"), ("", "retry.no")),
}
"""Members of an error that say whether to retry: as code, where they are false and where they are true."""
_NO_MARK: Final = ("", "")
_ANSWER_MARKS: Final = ("报错", "错误", "返回", "状态", "响应", "エラー", "ошибк", "오류", "에러", "ステータス", "خطأ")
_GRPC_NAMES: Final = """
    OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED
    RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS
    UNAUTHENTICATED
"""
_GRPC: Final = {code_key(name): number for number, name in enumerate(_GRPC_NAMES.split())}
_DECODER: Final = JSONDecoder()
_MAX_BODIES: Final = 3
"""Maximum number of places in a text at which a JSON body is parsed."""
_MAX_DEPTH: Final = 6
_MAX_LEAVES: Final = 500
CODE: Final = 256
"""Maximum length of a code or an exception's name, in characters; the rest is cut."""
_MAX_FACTS: Final = 40


class Tier(IntEnum):
    """How directly a source identifies the error; the lower goes first."""

    CODE = 0
    EXCEPTION = 1
    HEADER = 2
    WORDS = 3


@value(frozen=True, slots=True)
class Fact:
    """One extracted fact: its source, how direct that is, and its text."""

    source: str
    tier: Tier
    text: str


def context_facts(context: JsonObject) -> Iterator[Fact]:
    """Yield the facts that the context holds about the error; none where it has no error keys."""
    if _ERROR_KEYS.isdisjoint(context):
        return
    error = error_of(context)
    yield from _code_facts(error)
    yield from _header_facts(error)
    if error.provider:
        yield Fact("context.error.provider", Tier.WORDS, error.provider)
    if error.message:
        yield Fact("context.error.message", Tier.WORDS, error.message)
    if isinstance(error.body, Mapping | list):
        yield from _body_facts(error.body, "context.error.body")
    if error.model_extra:  # as axios, got, fetch and Temporal have it: response.status, cause, nonRetryable
        yield from _body_facts(error.model_extra, "context.error")


def text_facts(reason: str) -> Iterator[Fact]:
    """Yield the facts in JSON bodies within the text."""
    for body in json_bodies(reason):
        yield from _body_facts(body, "failure_reason")


def json_bodies(reason: str) -> Iterator[object]:
    """Yield the JSON objects within a text, the first few."""
    at, bodies = reason.find("{"), 0
    while at >= 0 and bodies < _MAX_BODIES:
        bodies += 1
        try:
            body, end = _DECODER.raw_decode(reason, at)
        except (JSONDecodeError, RecursionError):
            end = at + 1
        else:
            yield body
        at = reason.find("{", end)


def statuses(text: Text) -> Iterator[tuple[str, int]]:
    """Yield the HTTP statuses that a text names, as codes, with the token position of each."""
    tokens = text.tokens
    for place, token in enumerate(tokens):
        if token in STATUSES:
            before, after = tokens[max(0, place - 3) : place], tokens[place + 1 : place + 2]
            if after and after[0] in _UNITS:
                continue
            beside = (*before[-1:], *after)
            if (
                not _BEFORE_STATUS.isdisjoint(before)
                or (after and after[0] in _AFTER_STATUS)
                or any(mark in one for one in beside if not one.isascii() for mark in _ANSWER_MARKS)
            ):
                yield f"http.{token}", place


def _code_facts(error: ErrorContext) -> Iterator[Fact]:
    if error.code:
        yield Fact("context.error.code", Tier.CODE, error.code[:CODE])
        if _STATUS.fullmatch(error.code) and error.http_status is None:
            yield Fact("context.error.code", Tier.CODE, f"http.{error.code}")  # Google's APIs give it there
    if error.http_status is not None:
        yield Fact("context.error.http_status", Tier.CODE, f"http.{error.http_status}")
    if error.grpc_status is not None:
        yield Fact("context.error.grpc_status", Tier.CODE, _grpc_code(error.grpc_status))
    if error.type:
        yield Fact("context.error.type", Tier.EXCEPTION, error.type[:CODE])


def _header_facts(error: ErrorContext) -> Iterator[Fact]:
    for name, said in (error.headers or {}).items():
        lowered = name.lower()
        if lowered in {"x-should-retry", "stripe-should-retry"} and said.lower() in {"true", "false"}:
            yield Fact(f"context.error.headers.{lowered}", Tier.HEADER, f"header.should-retry.{said.lower()}")
        if lowered == "retry-after":
            yield Fact(f"context.error.headers.{lowered}", Tier.HEADER, "header.retry-after")
    if error.retry_after is not None:
        yield Fact("context.error.retry_after", Tier.HEADER, "header.retry-after")
    elif error.http_status in LIMITS_WHERE_TOLD and error.headers:
        named = {name.lower(): said for name, said in error.headers.items()}
        if "retry-after" not in named and tells_a_limit(named):  # a limit that is used up, and no refusal
            yield Fact("context.error.headers", Tier.HEADER, "header.retry-after")


def _status_code(said: str) -> str:
    return f"http.{said}" if _STATUS.fullmatch(said) else said


def _grpc_code(status: str | int) -> str:
    text = str(status)[:CODE].rpartition(".")[2]
    number = text if text.isdigit() else _GRPC.get(code_key(text))
    return text if number is None else f"grpc.{number}"


def _body_facts(body: object, at: str) -> Iterator[Fact]:
    found = 0
    for path, key, leaf in islice(_leaves(body, at, _MAX_DEPTH), _MAX_LEAVES):
        name = key.lower()
        if isinstance(leaf, bool) and (mark := _RETRYABLE.get(name.replace("_", ""), _NO_MARK)[leaf]):
            yield Fact(path, Tier.CODE, mark)
        if isinstance(leaf, bool) or not isinstance(leaf, str | int):
            continue
        said = str(leaf)[:512]
        if name in _CODES and len(said) <= 64 and " " not in said:  # noqa: PLR2004 - codes are short
            yield Fact(path, Tier.CODE, f"finish.{said.lower()}" if name in _FINISH else _status_code(said))
        elif name in _WORDS and at != "failure_reason":
            yield Fact(path, Tier.WORDS, said)  # every word of the reason itself is read anyway
        else:
            continue
        found += 1
        if found >= _MAX_FACTS:
            return


def _leaves(body: object, at: str, depth: int) -> Iterator[tuple[str, str, Any]]:
    if depth == 0:
        return
    if isinstance(body, Mapping):
        for key, value in list(body.items())[:_MAX_FACTS]:
            path = f"{at}/{str(key)[:40]}"
            yield from (
                _leaves(value, path, depth - 1) if isinstance(value, Mapping | list) else [(path, str(key), value)]
            )
    elif isinstance(body, list):
        for number, value in enumerate(body[:10]):
            yield from _leaves(value, f"{at}/{number}", depth - 1)
