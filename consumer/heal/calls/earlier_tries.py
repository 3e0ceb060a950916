"""Evidence of the client's own earlier tries: whether an event proves that the failed call never ran. Pure.

An event is written after the client's last try, and the error of that try alone (`context.error`) proves nothing about
the tries before. So all evidence in the event counts: its text, the errors inside its error (`cause`, `errors`,
`previous`), lists of tries (`attempts`, `history`), and mere counts of them (`retries: 3`, `x-retry-count`). The call
is proven not to have run only where that is proven for each try. What is unclear, or beyond the limits of this module,
counts as a call that may have run.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from consumer.diagnose.facts import words_of
from consumer.heal.calls.try_texts import UNTOLD, Doubt, TextOfTries, read_tries
from consumer.heal.calls.try_words import PROOF
from consumer.model import Failure, Json
from consumer.model.http_status import NOT_PROCESSED
from schemas.context import ErrorContext, error_of

_CONNECT_TIMEOUTS: Final = frozenset(
    ("connecttimeout", "connecttimeouterror", "connectiontimeouterror", "pooltimeout", "und_err_connect_timeout")
)
_NOT_SENT_ERRORS: Final = _CONNECT_TIMEOUTS | {
    "clientconnectordnserror",
    "clientconnectorerror",
    "connecterror",
    "connectionrefusederror",
    "eai_again",
    "eai_noname",
    "econnrefused",
    "enotfound",
    "gaierror",
    "nameresolutionerror",
    "newconnectionerror",
    "notsent",
}
"""Error codes and types that clients raise before the first byte of a request is sent, in lower case."""

_MAX_DEPTH: Final = 16
_MAX_PLACES: Final = 2000
"""Values of a context that are read at most, members of objects and lists included; `_MAX_CHARACTERS` is the limit of
their characters."""
_MAX_CHARACTERS: Final = 12_000
_UNRELATED_PARTS: Final = frozenset(("payload", "schema", "asset", "workflow", "resume"))
"""Parts of the context that hold no evidence about the call."""
_COUNT_ONLY_PARTS: Final = frozenset(("run", "request", "dependency"))
"""Parts of which only the counts of tries are read: everything else in them is the call itself."""
_SKIPPED_MEMBERS: Final = frozenset(("body", "expect", "read_back", "plan"))
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NTH: Final = re.compile(r"\d{1,3}", re.ASCII)
_NTH_TRY: Final = re.compile(r"(?:attempt|try)[ _-]?\d{1,3}", re.ASCII | re.IGNORECASE)
_STATUS: Final = re.compile(r"[1-5]\d\d", re.ASCII)
_MAX_NUMBER: Final = 10**6
_NUMBER: Final = re.compile(r"\D{0,12}?(\d{1,6})\b", re.ASCII)
_RETRY_WORDS: Final = words_of(
    "retry retries retried reattempt reattempts redelivery redeliveries resends death deaths"
)
_TRY_WORDS: Final = words_of("attempt attempts attempted try tries trial trials")
_DELIVERY_WORDS: Final = words_of("delivery deliveries receive received")
_COUNT_WORDS: Final = words_of("count counter number no attempts total retrycount")
_NOT_A_COUNT: Final = words_of("""
    max maximum min limit allowed delay after interval ms seconds sec timeout wait backoff remaining left at budget
    factor policy id ids next should will can until jitter strategy reset
    """)
_EARLIER_WORDS: Final = words_of("previous prior earlier preceding past former first initial history")
_OUTCOME_WORDS: Final = words_of("""
    error errors attempt attempts try tries exception exceptions failure failures status statuses response responses
    call calls request requests result results outcome outcomes code codes cause reason of the http history
    """)
_STATUS_WORDS: Final = words_of("status statuses code codes statuscode statuscodes responses")
_REPEAT_FLAGS: Final = words_of("retry retried isretry redelivered reconnected resent")
_OUTCOME_FLAGS: Final = words_of("timedout timed aborted cancelled canceled reset")
"""Names of boolean fields that are evidence of an outcome when they are true."""
_EXIT_CODE_WORDS: Final = words_of("exit signal signals exitcode")
_GRPC_NOT_RUN: Final = frozenset(("8", "14", "unavailable", "resource_exhausted"))


def provably_not_run(failure: Failure) -> bool:
    """Return whether the evidence proves that no try of the failed call had an effect."""
    error = error_of(failure.context)
    return _last_did_not_run(error) and _no_earlier_try_ran(failure, error)


def last_did_not_run(failure: Failure) -> bool:
    """Return whether the evidence proves that the last try had no effect; the tries before are not judged."""
    return _last_did_not_run(error_of(failure.context))


def _last_did_not_run(error: ErrorContext) -> bool:
    if error.http_status is not None:
        return error.http_status in NOT_PROCESSED
    return any(name in _NOT_SENT_ERRORS for name in _error_names(error))


def _error_names(error: ErrorContext) -> Iterator[str]:
    return (re.split(r"[.:/]+", name)[-1].lower() for name in (error.code, error.type) if name)


def _no_earlier_try_ran(failure: Failure, error: ErrorContext) -> bool:
    read = _TryEvidence()
    read.text(failure.failure_reason)
    if read.doubt is Doubt.A_LABEL:
        read.doubt = Doubt.NONE
    for key in _COUNT_ONLY_PARTS & failure.context.keys():
        read.counts(key, failure.context[key])
    left_out = _COUNT_ONLY_PARTS | _UNRELATED_PARTS
    read.value("", {key: value for key, value in failure.context.items() if key not in left_out}, 0)
    read.value("", failure.extra, 0)
    connects_slowly = error.http_status is None and any(name in _CONNECT_TIMEOUTS for name in _error_names(error))
    allowed = Doubt.A_TIME_OUT if connects_slowly and read.tries == 1 else Doubt.NONE
    return read.left >= 0 and read.doubt <= allowed and read.tries <= read.proven


@dataclass(slots=True)
class _TryEvidence:
    """Evidence collected so far: how doubtful it is, how many tries it names, and how many of them it proves."""

    doubt: Doubt = Doubt.NONE
    tries: int = 1
    proven: int = 1
    left: int = _MAX_CHARACTERS
    places: int = field(default=_MAX_PLACES)

    def text(self, text: str) -> bool:
        """Read a text; returns whether something in it proves that a call did not run."""
        self.left -= len(text)
        self.places -= 1
        if self.left < 0 or self.places < 0:
            self.left = -1
            return False
        said = read_tries(text)
        self._merge(said)
        return said.proves

    def _merge(self, said: TextOfTries) -> None:
        self.doubt = max(self.doubt, said.doubt)
        self.tries = max(self.tries, said.tries)
        self.proven = max(self.proven, said.proven)

    def value(self, key: str, value: Json, depth: int) -> bool:
        """Read a member and everything inside it; returns whether something proves that a call did not run."""
        if depth > _MAX_DEPTH or (isinstance(value, Mapping | list) and not self._may_read(value)):
            self.left = -1
            return False
        match value:
            case Mapping():
                return self._read_mapping(key, value, depth)
            case list():
                return self._read_list(key, value, depth)
            case None | False:
                return False
            case True:
                return self._read_flag(key)
            case _:
                return self._read_leaf(key, value)

    def _may_read(self, members: Mapping[str, Json] | list[Json]) -> bool:
        self.places -= len(members)
        return self.left >= 0 and self.places >= 0

    def _read_flag(self, key: str) -> bool:
        words = _words(key)
        if words & _NOT_A_COUNT:
            return False
        if words & _REPEAT_FLAGS:
            self.tries = max(self.tries, UNTOLD)
        return bool(words & _OUTCOME_FLAGS) and self.text(_as_words(key))

    def _read_mapping(self, key: str, members: Mapping[str, Json], depth: int) -> bool:
        of_tries = bool(_words(key) & (_TRY_WORDS | _RETRY_WORDS))
        numbered = [name for name in members if (_NTH if of_tries else _NTH_TRY).fullmatch(name)]
        if numbered:
            told = [self.value("", members[name], depth + 1) for name in numbered]
            last = max(int(re.sub(r"\D", "", name)) for name in numbered)
            self._record_tries(max(last, len(told)), len(told) if all(told) else 1)
        rest = {name: _code_with_syscall(name, one, members) for name, one in members.items() if name not in numbered}
        proofs = [self.value(f"{key} {name}" if of_tries else name, one, depth + 1) for name, one in rest.items()]
        proves = any(proofs)
        if _names_earlier_try(key):
            self._record_tries(UNTOLD, UNTOLD if proves else 1)
        return proves or bool(numbered)

    def _read_list(self, key: str, entries: list[Json], depth: int) -> bool:
        if not entries:
            return False
        words = _words(key)
        told = [self.value(_entry_name(key, one), one, depth + 1) for one in entries]
        # Earlier tries, and retries after the first try, are listed beside one more try: the last, the error itself.
        before = _names_earlier_try(key) or bool(words & _RETRY_WORDS)
        proven = _count_distinct(entries) + before
        if words & (_TRY_WORDS | _RETRY_WORDS) or (_names_earlier_try(key) and _are_calls(entries)):
            self._record_tries(len(entries) + before, proven if all(told) else 1)
        elif all(told):
            self._record_tries(1, proven)
        return any(told)

    def _record_tries(self, tries: int, proven: int) -> None:
        self.tries = max(self.tries, tries)
        self.proven = max(self.proven, proven)

    def _read_leaf(self, key: str, value: str | float) -> bool:
        words = _words(key)
        number = _try_count(words, value)
        if number is not None:
            self.tries = max(self.tries, number)
            return False
        if "grpc" in words:
            if str(value)[:64].rpartition(".")[2].lower() not in _GRPC_NOT_RUN:
                self.doubt = Doubt.SOME
            return False
        if (status := _status_of(words, value)) is not None:
            proves = self.text(f"status: {status}")
        elif isinstance(value, str) and not (words and words <= _RETRY_WORDS | _TRY_WORDS | _NOT_A_COUNT):
            proves = self.text(f"{_as_words(key)}: {value}" if key else value)
        else:
            return False
        if _names_earlier_try(key):
            self._record_tries(UNTOLD, UNTOLD if proves else 1)
        return proves

    def counts(self, key: str, value: Json, depth: int = 0) -> None:
        """Read only the counts of tries, and the outcomes that are listed with them."""
        if depth > _MAX_DEPTH or not isinstance(value, Mapping):
            return
        if not self._may_read(value):
            self.left = -1
            return
        for name, one in value.items():
            full = f"{key} {name}" if _words(key) & (_TRY_WORDS | _RETRY_WORDS) else name
            if depth == 0 and name in _SKIPPED_MEMBERS:
                continue
            if _words(full) & (_TRY_WORDS | _RETRY_WORDS | _DELIVERY_WORDS) or _names_earlier_try(name):
                self.value(full, one, depth + 1)
            elif isinstance(one, str) and "attempt" in one.lower():
                self._read_count(one)
            else:
                self.counts(name, one, depth + 1)

    def _read_count(self, text: str) -> None:
        self.left -= len(text)
        if self.left >= 0:
            self.tries = max(self.tries, read_tries(text).tries)


def _code_with_syscall(name: str, value: Json, members: Mapping[str, Json]) -> Json:
    """Return an error code with its syscall: `ENETUNREACH` of a `connect` is a proof, that of a `read` is none."""
    tried = members.get("syscall")
    if name == "code" and isinstance(value, str) and isinstance(tried, str):
        return f"{tried} {value}"
    return value


def _words(key: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _WORD.findall(key))


def _as_words(key: str) -> str:
    return " ".join(_WORD.findall(key)).lower()


def _names_earlier_try(key: str) -> bool:
    words = _words(key)
    return bool(words & _EARLIER_WORDS) and words <= _EARLIER_WORDS | _OUTCOME_WORDS


def _try_count(words: frozenset[str], value: str | float) -> int | None:
    """Return how many tries a number under a field name counts; None where it is no count of tries."""
    of_deliveries = bool(words & _DELIVERY_WORDS and words & (_COUNT_WORDS | _TRY_WORDS))
    if words & _NOT_A_COUNT or not (words & (_RETRY_WORDS | _TRY_WORDS) or of_deliveries or "retrycount" in words):
        return None
    found = _NUMBER.match(_number_text(value))
    return int(found[1]) + bool(words & _RETRY_WORDS or "retrycount" in words) if found else None


def _status_of(words: frozenset[str], value: str | float) -> int | None:
    """Return the HTTP status that a number under a field name is, or None."""
    if words & _EXIT_CODE_WORDS or not words & _STATUS_WORDS or not _STATUS.fullmatch(_number_text(value)):
        return None
    return int(value)


def _number_text(value: str | float) -> str:
    """Return a number as text; an absurdly large one becomes 999999."""
    if isinstance(value, str):
        return value[:64]
    return str(value) if abs(value) < _MAX_NUMBER else "999999"


def _entry_name(key: str, entry: Json) -> str:
    """Return the field name for a list entry: a bare number in a list of tries is the HTTP status of a try."""
    if isinstance(entry, Mapping | list):
        return ""
    is_status = isinstance(entry, str | int | float) and _STATUS.fullmatch(_number_text(entry))
    return "status" if is_status else key


def _are_calls(entries: list[Json]) -> bool:
    """Return whether the entries of a history are calls: a chat history is none."""
    said = [" ".join(one) if isinstance(one, Mapping) else str(one) for one in entries]
    return any(_words(one) & (_OUTCOME_WORDS | _TRY_WORDS | _RETRY_WORDS) or PROOF in one for one in said)


def _count_distinct(entries: list[Json]) -> int:
    """Count the tries in a list of errors: one try of a host with several addresses has an error for each address."""
    texts = [" ".join(map(str, one.values())) if isinstance(one, Mapping) else str(one) for one in entries]
    places = [found[0] for text in texts if (found := re.search(r"econnrefused \S+", text, re.IGNORECASE))]
    often = Counter(places)
    return len(entries) if len(often) < 2 else min(often.values())  # noqa: PLR2004
