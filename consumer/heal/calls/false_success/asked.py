"""What a call asked for, as far as it tells a failure from an honest answer; and the sign of a failure. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from consumer.heal.calls.false_success.members import plain_name, plain_word
from schemas.context import Expectation, ReadBack, RequestContext
from schemas.names import Effect

_ORDERS: Final = tuple(
    (re.compile(rf"(?<![a-z]){order}"), stem)
    for order, stem in (
        *(("declin", "declin"), ("reject", "reject"), ("refus", "refus"), ("deny", "den"), ("cancel", "cancel")),
        *(("abort", "abort"), ("expir", "expir"), (r"fail(?:ed)?(?![a-z])", "fail")),
    )
)
"""What a call may be there to bring about: how its address says so, and the stem of what is answered."""
_MAX_SENT: Final = 500
_EMPTY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A sign that a 2xx is no success."""

    why: str
    sure: bool = True
    """The answer says that it failed; else it only does not say that it worked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call's method, headers and expectation, as the answer is read by them."""

    method: str
    reads: bool
    """The call has no effect: its answer is a resource, whose own state is not that of the call."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""
    url: str = ""
    sends_json: bool = False
    sent: Mapping[str, str] = field(default_factory=dict)
    """Short texts that the body says by its members' plain names: a service that gives one back has not failed."""
    demanded: frozenset[str] = _EMPTY
    """Plain names of the body's members about which the caller demands something: its demand decides."""
    described: frozenset[str] = _EMPTY
    """Plain names of the members that the caller's schema describes."""

    @property
    def named_by_url(self) -> frozenset[str]:
        """Plain names of what the address asks for: the segments of its path."""
        path = self.url.partition("://")[2].partition("?")[0]
        return frozenset(plain_name(one) for one in path.split("/")[1:] if one)

    statuses: frozenset[int] = field(default_factory=frozenset)
    """Statuses that the caller names one by one."""

    @property
    def demands(self) -> bool:
        """Whether the caller says how the body of a success looks."""
        return bool(self.demanded or self.described)

    def ordered(self, said: str) -> bool:
        """Return whether the call's address orders what is said: a quote is `rejected` by `/quotes/7/reject`."""
        path = self.url.partition("://")[2].partition("/")[2].lower()
        return any(order.search(path) and stem in said.lower() for order, stem in _ORDERS)

    @property
    def accepted_types(self) -> tuple[str, ...]:
        """The media types of the Accept header, without those of quality 0."""
        ranges = (one.strip().lower() for one in self.headers.get("accept", "").split(","))
        return tuple(name for name, _, rest in (one.partition(";") for one in ranges) if name and not _is_zero(rest))


def asked_by(request: RequestContext) -> Asked:
    """Return what the failed call asks for."""
    headers = _lowered(request.headers)
    sends_json = request.body is not None and "json" in headers.get("content-type", "application/json")
    return _asked(
        Asked(
            method=request.method,
            reads=request.effect_or_default is Effect.NONE,
            headers=headers,
            url=request.url,
            sends_json=sends_json and not isinstance(request.body, str),
            sent=_texts_of(request.body),
        ),
        request.expect,
    )


def asked_by_look(look: ReadBack, expect: Expectation | None) -> Asked:
    """Return what a read-back asks for."""
    return _asked(Asked(method=look.method, reads=True, headers=_lowered(look.headers), url=look.url), expect)


def _asked(asked: Asked, expect: Expectation | None) -> Asked:
    if expect is None:
        return asked
    rules = expect.status if isinstance(expect.status, tuple) else (expect.status,)
    return replace(
        asked,
        demanded=frozenset(name for one in expect.json_ for name in _first_name(one.path)),
        described=_described(expect.schema_),
        statuses=frozenset(rule for rule in rules if isinstance(rule, int)),
    )


def _first_name(path: str) -> Iterable[str]:
    return (plain_name(name) for name in path.split("/")[1:2])


def _described(schema: object) -> frozenset[str]:
    if not isinstance(schema, dict):
        return _EMPTY
    properties = schema.get("properties")
    named = properties if isinstance(properties, dict) else {}
    return frozenset(map(plain_name, named)) | {"*"}


def _texts_of(body: object) -> dict[str, str]:
    if not isinstance(body, dict):
        return {}
    found = ((plain_name(name), plain_word(value)) for name, value in islice(body.items(), _MAX_SENT))
    return {name: word for name, word in found if word}


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _is_zero(parameters: str) -> bool:
    return any(one.strip() in ("q=0", "q=0.0", "q=0.00", "q=0.000") for one in parameters.split(";"))
