"""Is it the dependency? Rules out our key, our input, our quota and our network, each by evidence, before it says so.

What counts: the failure's own evidence, this organisation's breaker, and the health call that the catalog declares.
Two of them have to agree, and the health call has to be one. Strikes of other organisations at the same place are told
and decide nothing: their calls carry other credentials, inputs and quotas. Pure.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Literal, TypeAlias

from consumer.model import Diagnosis, Failure, JsonObject
from consumer.model.call import NOT_PERMITTED, Ambiguous, Answer, CallResult, EgressRefused, NotSent
from consumer.model.http_status import Passing, passing
from schemas.context import error_of
from schemas.names import Disposition, StrategyName
from schemas.value import value

Says: TypeAlias = Literal["ill", "well", "nothing"]
_KEY: Final = frozenset({401, 407})
_INPUT: Final = frozenset({400, 404, 405, 406, 410, 411, 412, 413, 414, 415, 416, 417, 422, 431, 451})
_MONEY: Final = 402
_FORBIDDEN: Final = 403
_SERVER_FAILED: Final = frozenset({Passing.FAILED, Passing.TIMED_OUT, Passing.BUSY})
_OURS: Final = frozenset({NOT_PERMITTED, "PoolTimeout"})
"""Calls that this process did not make: no evidence of anybody else."""
_TRIES_AGAIN: Final = frozenset({Disposition.RETRY_NOW, Disposition.RETRY_AFTER, Disposition.RETRY_IF_IDEMPOTENT})


class OtherCause(StrEnum):
    """What else it is, if not the dependency."""

    KEY = "key"  # the first refuses our credential: nobody else would take it either
    INPUT = "input"  # the first refuses what it was sent
    QUOTA = "quota"  # we asked too often, or have paid too little: it goes on later
    NETWORK = "network"  # nothing answers us, whoever it is
    NOTHING = "nothing"  # the first is well
    UNPROVEN = "unproven"  # too little speaks for it


RIGHT_RUNG: Final[dict[OtherCause, str]] = {
    OtherCause.KEY: "a person renews the credential",
    OtherCause.INPUT: str(StrategyName.SCHEMA_AUTOFIX),
    OtherCause.QUOTA: str(StrategyName.AUTO_RETRY),
    OtherCause.NETWORK: str(StrategyName.AUTO_RETRY),
    OtherCause.NOTHING: str(StrategyName.AUTO_RETRY),
    OtherCause.UNPROVEN: str(StrategyName.AUTO_RETRY),
}


@value(frozen=True, slots=True, kw_only=True)
class IllnessSign:
    """What one source says of the first."""

    source: str
    says: Says
    detail: str
    cause: OtherCause | None = None
    """What it points to instead."""

    @property
    def told(self) -> JsonObject:
        """The evidence as data."""
        told: JsonObject = {"source": self.source, "says": self.says, "detail": self.detail}
        return told if self.cause is None else {**told, "cause": self.cause}


@value(frozen=True, slots=True, kw_only=True)
class Strikes:
    """Strikes at one place: of this organisation, and by how many others."""

    own: int = 0
    is_open: bool = False
    others: int = 0


@value(frozen=True, slots=True, kw_only=True)
class IllnessVerdict:
    """Whether it is the dependency; if not, what it is, and which rung is the right one."""

    cause: OtherCause | None
    evidence: tuple[IllnessSign, ...]

    @property
    def is_ill(self) -> bool:
        """Whether the dependency is proven ill."""
        return self.cause is None

    @property
    def reason(self) -> str:
        """The verdict in words, with the evidence that decided."""
        if self.cause is None:
            return "; ".join(one.detail for one in self.evidence if one.says == "ill")
        decided = next((one for one in self.evidence if one.cause is self.cause), self.evidence[0])
        return f"it is not the dependency ({self.cause}): {decided.detail}; the right rung is {RIGHT_RUNG[self.cause]}"

    @property
    def told(self) -> list[JsonObject]:
        """All evidence as data."""
        return [one.told for one in self.evidence]


def of_failure(failure: Failure, diagnosis: Diagnosis) -> IllnessSign:
    """Return what the failure itself says of the first."""
    status = error_of(failure.context).http_status
    match diagnosis.disposition:
        case Disposition.NEEDS_CREDENTIAL:
            return IllnessSign(source="failure", says="nothing", detail="it needs a credential", cause=OtherCause.KEY)
        case Disposition.NEEDS_MONEY:
            return IllnessSign(
                source="failure", says="nothing", detail="it needs a balance or quota", cause=OtherCause.QUOTA
            )
        case Disposition.NEEDS_REPAIR:
            return IllnessSign(
                source="failure", says="nothing", detail="its input needs repair", cause=OtherCause.INPUT
            )
        case _:
            pass
    if status is not None:
        return _of_status("failure", status, {}, f"the failed call was answered {status}")
    if diagnosis.evidence and diagnosis.disposition in _TRIES_AGAIN:
        return IllnessSign(source="failure", says="ill", detail="the failed call got no answer")
    return IllnessSign(source="failure", says="nothing", detail="the failure does not say how the call ended")


def of_strikes(strikes: Strikes) -> tuple[IllnessSign, ...]:
    """Return what the breakers say: this organisation's counts, the others' are told."""
    if strikes.is_open:
        own = IllnessSign(source="breaker", says="ill", detail=f"this organisation's breaker is open ({strikes.own})")
    else:
        says: Says = "ill" if strikes.own else "nothing"
        own = IllnessSign(source="breaker", says=says, detail=f"{strikes.own} calls in a row failed here")
    if not strikes.others:
        return (own,)
    detail = f"{strikes.others} other organisations have strikes at the same place: evidence only"
    return own, IllnessSign(source="others", says="nothing", detail=detail)


def of_health(result: CallResult, *, as_declared: bool | None) -> IllnessSign:
    """Return what the health call says; `as_declared`: whether its answer was the one that is demanded."""
    match result:
        case EgressRefused(reason=reason):
            return _nothing(f"the health call is not allowed: {reason}")
        case NotSent(kind=kind, reason=reason) if kind in _OURS:
            return _nothing(f"the health call did not leave this process: {reason}")
        case NotSent(reason=reason) | Ambiguous(reason=reason):
            return IllnessSign(source="health", says="ill", detail=f"the health call got no answer: {reason}")
        case Answer() if as_declared:
            return IllnessSign(
                source="health",
                says="well",
                detail=f"the health call was answered {result.status}",
                cause=OtherCause.NOTHING,
            )
        case Answer(status=status) if status < 300:  # noqa: PLR2004 - HTTP's own border
            return IllnessSign(
                source="health", says="ill", detail=f"answered {status}, and not what a well one answers"
            )
        case Answer(status=status):
            return _of_status("health", status, result.named_headers, f"the health call was answered {status}")


def of_input(fault: str | None) -> IllnessSign:
    """Return what the contract says of the request."""
    if fault is None:
        return IllnessSign(source="input", says="nothing", detail="the request keeps the contract")
    return IllnessSign(
        source="input", says="nothing", detail=f"the request misses the contract: {fault}", cause=OtherCause.INPUT
    )


def of_network(*, candidates: int, unreachable: int, health: CallResult) -> IllnessSign:
    """Return whether anything answers us: where nothing that we dial does, it is our own network."""
    if isinstance(health, NotSent) and candidates and candidates == unreachable:
        detail = f"neither the first nor any of {candidates} candidates could be reached"
        return IllnessSign(source="network", says="nothing", detail=detail, cause=OtherCause.NETWORK)
    detail = "the first was reached" if isinstance(health, Answer | Ambiguous) else "a candidate was reached"
    return IllnessSign(
        source="network", says="nothing", detail=detail if candidates != unreachable else "nothing speaks"
    )


def is_askable(said: IllnessSign) -> bool:
    """Return whether a failure gives reason to ask after the first's health."""
    return said.cause is None


def verdict(evidence: Sequence[IllnessSign]) -> IllnessVerdict:
    """Weigh the evidence: any other cause rules the dependency out; else health and one more have to say `ill`."""
    found = tuple(evidence)
    for cause in (OtherCause.KEY, OtherCause.INPUT, OtherCause.QUOTA, OtherCause.NETWORK, OtherCause.NOTHING):
        if any(one.cause is cause for one in found):
            return IllnessVerdict(cause=cause, evidence=found)
    ill = {one.source for one in found if one.says == "ill"}
    proven = "health" in ill and len(ill) > 1
    return IllnessVerdict(cause=None if proven else OtherCause.UNPROVEN, evidence=found)


def _of_status(source: str, status: int, headers: dict[str, str], detail: str) -> IllnessSign:
    kind = passing(status, headers)
    if kind in _SERVER_FAILED:
        return IllnessSign(source=source, says="ill", detail=detail)
    cause = None
    if kind is Passing.THROTTLED or status == _MONEY:
        cause = OtherCause.QUOTA
    elif status in _KEY or status == _FORBIDDEN:
        cause = OtherCause.KEY
    elif source == "failure" and status in _INPUT:
        cause = OtherCause.INPUT
    return IllnessSign(source=source, says="nothing", detail=detail, cause=cause)


def _nothing(detail: str) -> IllnessSign:
    return IllnessSign(source="health", says="nothing", detail=detail)
