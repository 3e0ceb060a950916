"""Whether all that an event tells of a failed call proves that it never ran: pure.

An event is written after the last try of whoever failed, and that one's error alone (`context.error`) says nothing of
the tries before. So everything counts that the event tells: its text, the errors inside its error (`cause`, `errors`,
`previous`), lists of tries (`attempts`, `history`), and mere numbers of them (`retries: 3`, `x-retry-count`). Proven is
only what each of them proves. What is unclear, or more than is read here, counts as a call that may have run.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from consumer.diagnose.facts import words_of
from consumer.heal.calls.try_texts import UNTOLD, Doubt, TextOfTries, read_tries
from consumer.heal.calls.try_words import PROOF
from consumer.model import Failure, Json
from consumer.model.retry_after import NOT_BEGUN
from schemas.context import ErrorContext, error_of

_CONNECT_TIMED_OUT: Final = frozenset(
    ("connecttimeout", "connecttimeouterror", "connectiontimeouterror", "pooltimeout", "und_err_connect_timeout")
)
_NEVER_LEFT: Final = _CONNECT_TIMED_OUT | {
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
"""Error codes and types that clients raise before the first byte of a request leaves, in lower case."""

_DEPTH: Final = 16
_PLACES: Final = 2000
"""Places of a context that are read, and at most so many characters of them."""
_CHARACTERS: Final = 12_000
_NOT_OF_THE_CALL: Final = frozenset(("payload", "schema", "asset", "workflow", "resume"))
"""Parts of the context that say nothing of how the call went."""
_COUNTS_ONLY: Final = frozenset(("run", "request", "dependency"))
"""Parts of which only the numbers of tries count: what else is in them is the call itself."""
_OF_ANOTHER: Final = frozenset(("body", "expect", "read_back", "plan"))
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NTH: Final = re.compile(r"\d{1,3}", re.ASCII)
_NTH_TRY: Final = re.compile(r"(?:attempt|try)[ _-]?\d{1,3}", re.ASCII | re.IGNORECASE)
_STATUS: Final = re.compile(r"[1-5]\d\d", re.ASCII)
_ABSURD: Final = 10**6
_NUMBER: Final = re.compile(r"\D{0,12}?(\d{1,6})\b", re.ASCII)
_AGAIN: Final = words_of("retry retries retried reattempt reattempts redelivery redeliveries resends")
_TRIES: Final = words_of("attempt attempts attempted try tries trial trials")
_DELIVERED: Final = words_of("delivery deliveries receive received")
_NUMBERED: Final = words_of("count counter number no attempts total retrycount")
_NO_NUMBER: Final = words_of("""
    max maximum min limit allowed delay after interval ms seconds sec timeout wait backoff remaining left at budget
    factor policy id ids next should will can until jitter strategy reset
    """)
_BEFORE: Final = words_of("previous prior earlier preceding past former first initial history")
_OUTCOMES: Final = words_of("""
    error errors attempt attempts try tries exception exceptions failure failures status statuses response responses
    call calls request requests result results outcome outcomes code codes cause reason of the http history
    """)
_STATUSES: Final = words_of("status statuses code codes statuscode statuscodes responses")
_REPEATED: Final = words_of("retry retried isretry redelivered reconnected resent")
_FLAGS: Final = words_of("timedout timed aborted cancelled canceled reset")
"""Names that say something by being true."""
_OF_PROGRAMS: Final = words_of("exit signal signals exitcode")
_GRPC_NOT_RUN: Final = frozenset(("8", "14", "unavailable", "resource_exhausted"))


def provably_not_run(failure: Failure) -> bool:
    """Tell whether the evidence proves that the failed call had no effect, in any of its tries."""
    error = error_of(failure.context)
    return _last_did_not_run(error) and _none_before_ran(failure, error)


def last_did_not_run(failure: Failure) -> bool:
    """Tell the same of the last try alone."""
    return _last_did_not_run(error_of(failure.context))


def _last_did_not_run(error: ErrorContext) -> bool:
    if error.http_status is not None:
        return error.http_status in NOT_BEGUN
    return any(name in _NEVER_LEFT for name in _names(error))


def _names(error: ErrorContext) -> Iterator[str]:
    return (re.split(r"[.:/]+", name)[-1].lower() for name in (error.code, error.type) if name)


def _none_before_ran(failure: Failure, error: ErrorContext) -> bool:
    read = _Read()
    read.text(failure.failure_reason)
    if read.doubt is Doubt.A_LABEL:
        read.doubt = Doubt.NONE
    for key in _COUNTS_ONLY & failure.context.keys():
        read.counts(key, failure.context[key])
    left_out = _COUNTS_ONLY | _NOT_OF_THE_CALL
    read.value("", {key: value for key, value in failure.context.items() if key not in left_out}, 0)
    read.value("", failure.extra, 0)
    connects_slowly = error.http_status is None and any(name in _CONNECT_TIMED_OUT for name in _names(error))
    allowed = Doubt.A_TIME_OUT if connects_slowly and read.tries == 1 else Doubt.NONE
    return read.left >= 0 and read.doubt <= allowed and read.tries <= read.proven


@dataclass(slots=True)
class _Read:
    """What was read so far: how doubtful it is, how many tries it speaks of, and of how many it proves something."""

    doubt: Doubt = Doubt.NONE
    tries: int = 1
    proven: int = 1
    left: int = _CHARACTERS
    places: int = field(default=_PLACES)

    def text(self, text: str) -> bool:
        """Read a text; tells whether something in it proves that a call did not run."""
        self.left -= len(text)
        self.places -= 1
        if self.left < 0 or self.places < 0:
            self.left = -1
            return False
        said = read_tries(text)
        self._add(said)
        return said.proves

    def _add(self, said: TextOfTries) -> None:
        self.doubt = max(self.doubt, said.doubt)
        self.tries = max(self.tries, said.tries)
        self.proven = max(self.proven, said.proven)

    def value(self, key: str, value: Json, depth: int) -> bool:
        """Read one member and all that is in it; tells whether something in it proves that a call did not run."""
        if depth > _DEPTH:
            self.left = -1
            return False
        match value:
            case Mapping():
                return self._mapping(key, value, depth)
            case list():
                return self._list(key, value, depth)
            case None | False:
                return False
            case True:
                return self._flag(key)
            case _:
                return self._leaf(key, value)

    def _flag(self, key: str) -> bool:
        words = _words(key)
        if words & _NO_NUMBER:
            return False
        if words & _REPEATED:
            self.tries = max(self.tries, UNTOLD)
        return bool(words & _FLAGS) and self.text(_spoken(key))

    def _mapping(self, key: str, members: Mapping[str, Json], depth: int) -> bool:
        of_tries = bool(_words(key) & (_TRIES | _AGAIN))
        numbered = [name for name in members if (_NTH if of_tries else _NTH_TRY).fullmatch(name)]
        if numbered:
            told = [self.value("", members[name], depth + 1) for name in numbered]
            last = max(int(re.sub(r"\D", "", name)) for name in numbered)
            self._told(max(last, len(told)), len(told) if all(told) else 1)
        rest = {name: _whole(name, one, members) for name, one in members.items() if name not in numbered}
        proofs = [self.value(f"{key} {name}" if of_tries else name, one, depth + 1) for name, one in rest.items()]
        proves = any(proofs)
        if _is_before(key):
            self._told(UNTOLD, UNTOLD if proves else 1)
        return proves or bool(numbered)

    def _list(self, key: str, entries: list[Json], depth: int) -> bool:
        if not entries:
            return False
        words = _words(key)
        told = [self.value(_name_of_entry(key, one), one, depth + 1) for one in entries]
        # A try before the last, and what followed the first, stand beside the last one, which is the error itself.
        before = _is_before(key) or bool(words & _AGAIN)
        proven = _distinct(entries) + before
        if words & (_TRIES | _AGAIN) or (_is_before(key) and _of_tries(entries)):
            self._told(len(entries) + before, proven if all(told) else 1)
        elif all(told):
            self._told(1, proven)
        return any(told)

    def _told(self, tries: int, proven: int) -> None:
        self.tries = max(self.tries, tries)
        self.proven = max(self.proven, proven)

    def _leaf(self, key: str, value: str | float) -> bool:
        words = _words(key)
        number = _tries_of(words, value)
        if number is not None:
            self.tries = max(self.tries, number)
            return False
        if "grpc" in words:
            if str(value)[:64].rpartition(".")[2].lower() not in _GRPC_NOT_RUN:
                self.doubt = Doubt.SOME
            return False
        if (status := _status_of(words, value)) is not None:
            proves = self.text(f"status: {status}")
        elif isinstance(value, str) and not (words and words <= _AGAIN | _TRIES | _NO_NUMBER):
            proves = self.text(f"{_spoken(key)}: {value}" if key else value)
        else:
            return False
        if _is_before(key):
            self._told(UNTOLD, UNTOLD if proves else 1)
        return proves

    def counts(self, key: str, value: Json, depth: int = 0) -> None:
        """Read only the numbers of tries, and whatever is told of each."""
        if depth > _DEPTH or not isinstance(value, Mapping):
            return
        for name, one in value.items():
            full = f"{key} {name}" if _words(key) & (_TRIES | _AGAIN) else name
            if depth == 0 and name in _OF_ANOTHER:
                continue
            if _words(full) & (_TRIES | _AGAIN | _DELIVERED) or _is_before(name):
                self.value(full, one, depth + 1)
            elif isinstance(one, str) and "attempt" in one.lower():
                self.tries = max(self.tries, read_tries(one).tries)
            else:
                self.counts(name, one, depth + 1)


def _whole(name: str, value: Json, members: Mapping[str, Json]) -> Json:
    """Give an error's code with what was tried: `ENETUNREACH` of a connection proves what that of a read does not."""
    tried = members.get("syscall")
    if name == "code" and isinstance(value, str) and isinstance(tried, str):
        return f"{tried} {value}"
    return value


def _words(key: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _WORDS.findall(key))


def _spoken(key: str) -> str:
    return " ".join(_WORDS.findall(key)).lower()


def _is_before(key: str) -> bool:
    words = _words(key)
    return bool(words & _BEFORE) and words <= _BEFORE | _OUTCOMES


def _tries_of(words: frozenset[str], value: str | float) -> int | None:
    """Give how many tries a number under such a name tells of; None where it is no such number."""
    of_deliveries = bool(words & _DELIVERED and words & (_NUMBERED | _TRIES))
    if words & _NO_NUMBER or not (words & (_AGAIN | _TRIES) or of_deliveries or "retrycount" in words):
        return None
    found = _NUMBER.match(_written(value))
    return int(found[1]) + bool(words & _AGAIN or "retrycount" in words) if found else None


def _status_of(words: frozenset[str], value: str | float) -> int | None:
    """Give the HTTP status that a number under such a name is."""
    if words & _OF_PROGRAMS or not words & _STATUSES or not _STATUS.fullmatch(_written(value)):
        return None
    return int(value)


def _written(value: str | float) -> str:
    """Write a number down, and of an absurd one that it is large."""
    if isinstance(value, str):
        return value[:64]
    return str(value) if abs(value) < _ABSURD else "999999"


def _name_of_entry(key: str, entry: Json) -> str:
    """Name what stands in a list: a mere number among tries is the status that a try was answered."""
    if isinstance(entry, Mapping | list):
        return ""
    is_status = isinstance(entry, str | int | float) and _STATUS.fullmatch(_written(entry))
    return "status" if is_status else key


def _of_tries(entries: list[Json]) -> bool:
    """Tell whether entries of a history are of calls: a history of a chat is none."""
    said = [" ".join(one) if isinstance(one, Mapping) else str(one) for one in entries]
    return any(_words(one) & (_OUTCOMES | _TRIES | _AGAIN) or PROOF in one for one in said)


def _distinct(entries: list[Json]) -> int:
    """Count tries among errors: one try of several addresses has an error of each."""
    texts = [" ".join(map(str, one.values())) if isinstance(one, Mapping) else str(one) for one in entries]
    places = [found[0] for text in texts if (found := re.search(r"econnrefused \S+", text, re.IGNORECASE))]
    return len(entries) if len(set(places)) < 2 else min(places.count(one) for one in places)  # noqa: PLR2004
