"""State of a suspended auto-retry: what its next look is to settle, and how far its looks are. Pure but for the clock.

While the other side is left alone, the heal is nobody's. Its state holds no request, no answer and no address: those
stand in the failure. What an answer said is kept as redacted words of ours, for the attempt.

The wait counts by two clocks. The database's makes the heal due; by this state's own moment, a look that comes too
early (a clock that jumped) is known as such, and only what has passed by both is taken off the quiet period.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from consumer.heal.calls.asked_wait import asked_wait
from consumer.heal.calls.read_back import LookLater, LookProgress
from consumer.heal.calls.session import CallSession
from consumer.heal.calls.status_verdict import Definite, EarlierAnswer, MayHaveRun, Repeat
from consumer.heal.kept import HealState, Suspended, keepable_text
from consumer.heal.session import NO_TIME, SECOND
from consumer.model import Json, JsonObject, Proof
from consumer.model.call import Answer
from schemas.names import Code, Verdict

LONGEST_SUSPENSION: Final = timedelta(hours=1)
"""Far above the longest quiet period: no process was there to look."""
_MAX_TEXT: Final = 200
_MAX_ENTRIES: Final = 10
_MAX_PROOFS: Final = 4

Seconds: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Text: TypeAlias = Annotated[str, Field(max_length=_MAX_TEXT)]
Entry: TypeAlias = dict[str, int | float | str]
About: TypeAlias = Literal["earlier", "call", "refusal", "answer"]
"""A call before this heal; a call of ours; one that was refused as done before; an answer that proves nothing."""


class KeptProof(BaseModel):
    """A proof, as it is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    oracle: Text
    verdict: Verdict
    detail: Text

    @property
    def proof(self) -> Proof:
        """The proof itself."""
        return Proof(oracle=self.oracle, verdict=self.verdict, detail=self.detail)


class CallDoubt(BaseModel):
    """What the look is to settle, and what follows from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    about: About
    calls: int = Field(default=0, ge=0)
    """Calls of this heal."""
    in_doubt: bool = True
    """One of the calls so far may have had its effect."""
    why: Text = ""
    throttled: bool = False
    is_answered: bool = False
    asked_wait: Seconds | None = None
    """What the answer asked for, from the moment of the suspension on."""
    refused_as: Text = ""
    """Of a refusal: what it is where nothing was done before."""
    is_final: bool = False
    """Of a refusal: then a repeat would be refused as well."""
    code: Code | None = None
    proofs: tuple[KeptProof, ...] = ()

    def after(self, passed: timedelta) -> "CallDoubt":
        """Return the doubt so long after its suspension."""
        if self.asked_wait is None:
            return self
        return self.model_copy(update={"asked_wait": max(0.0, self.asked_wait - passed / SECOND)})

    def judged(self) -> MayHaveRun:
        """Return the verdict on the call."""
        return MayHaveRun(why=self.why, throttled=self.throttled, answer=self._answer())

    def otherwise(self) -> Repeat | Definite:
        """Return the verdict on a refused call where nothing was done before."""
        if self.is_final:
            return Definite(why=self.refused_as)
        return Repeat(why=self.refused_as, throttled=self.throttled, answer=self._answer())

    def _answer(self) -> EarlierAnswer | None:
        if not self.is_answered:
            return None
        return EarlierAnswer(asked_wait=None if self.asked_wait is None else self.asked_wait * SECOND)


class DoubtState(HealState):
    """A doubt, how far its looks are, and what the attempt tells of the calls so far."""

    version: ClassVar[int] = 1
    doubt: CallDoubt
    left: Seconds
    """Of the quiet period, before the wait."""
    wait: Seconds
    since: AwareDatetime
    looks: int = Field(ge=0)
    unclear: int = Field(ge=0)
    tries_made: tuple[Entry, ...] = ()
    looks_made: tuple[Entry, ...] = ()

    def passed(self, now: datetime) -> timedelta:
        """Return what has passed of the wait, at most all of it."""
        return min(max(NO_TIME, now - self.since), self.wait * SECOND)

    def progress(self, now: datetime) -> LookProgress:
        """Return how far the looks are."""
        left = max(NO_TIME, self.left * SECOND - self.passed(now))
        return LookProgress(left=left, looks=self.looks, unclear=self.unclear)

    @property
    def details(self) -> JsonObject:
        """The calls and looks so far, as an attempt's details have them."""
        told: JsonObject = {"tries": self.tries}
        return told | ({"looks": self.seen} if self.looks_made else {})

    @property
    def tries(self) -> list[Json]:
        """The calls so far, as an attempt's details have them."""
        return [{**one} for one in self.tries_made]

    @property
    def seen(self) -> list[Json]:
        """The looks so far, as an attempt's details have them."""
        return [{**one} for one in self.looks_made]


def doubt_of(
    session: CallSession,
    about: About,
    judged: MayHaveRun,
    *,
    calls: int = 0,
    in_doubt: bool = True,
    otherwise: Repeat | Definite | None = None,
    code: Code | None = None,
    proofs: Iterable[Proof] = (),
) -> CallDoubt:
    """Return a doubt in the form in which it is kept: words of bounded length, without secrets."""
    answer, redact = judged.answer, session.tools.redact
    asked = asked_wait(answer, session.tools.now()) if isinstance(answer, Answer) else None
    kept = [
        KeptProof(oracle=one.oracle, verdict=one.verdict, detail=keepable_text(one.detail, redact, _MAX_TEXT))
        for one in [*proofs][:_MAX_PROOFS]
    ]
    return CallDoubt(
        about=about,
        calls=calls,
        in_doubt=in_doubt,
        why=keepable_text(judged.why, redact, _MAX_TEXT),
        throttled=judged.throttled if otherwise is None or isinstance(otherwise, Definite) else otherwise.throttled,
        is_answered=answer is not None,
        asked_wait=None if asked is None else max(NO_TIME, asked) / SECOND,
        refused_as="" if otherwise is None else keepable_text(otherwise.why, redact, _MAX_TEXT),
        is_final=isinstance(otherwise, Definite),
        code=code,
        proofs=tuple(kept),
    )


def suspend(session: CallSession, doubt: CallDoubt, later: LookLater) -> Suspended:
    """Suspend a heal until its next look."""
    state = DoubtState(
        doubt=doubt,
        left=max(NO_TIME, later.progress.left) / SECOND,
        wait=later.wait / SECOND,
        since=session.tools.now(),
        looks=later.progress.looks,
        unclear=later.progress.unclear,
        tries_made=entries(session.tries),
        looks_made=entries(session.looks),
    )
    return Suspended(
        state=state,
        look_again=later.wait,
        reason=f"{later.why}: whether the call has happened is read back again",
        dependency_unhealthy=session.dependency_unhealthy,
    )


def entries(made: list[Json]) -> tuple[Entry, ...]:
    """Return the last entries of calls or looks, as they are kept."""
    return tuple(
        {name: value for name, value in one.items() if isinstance(value, int | float | str)}
        for one in made[-_MAX_ENTRIES:]
        if isinstance(one, dict)
    )
