"""Session of one heal that makes an asset: its tools, its parsed context, what was called and what it has cost."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

from consumer.catalog import AutoRegenerateLimits
from consumer.generators.contract import AssetOrder, Generator, Generators
from consumer.heal.auto_regenerate.ports import AssetStore, AssetStores, MadeAssets, MediaWorkers
from consumer.heal.auto_regenerate.state import Entry, MakeState, Stage, entry, latest
from consumer.heal.kept import Kept
from consumer.heal.session import HealSession, proof
from consumer.heal.strategy import Redact
from consumer.media.verdict import MediaEvidence, MediaExpectation, MediaVerdict
from consumer.media_store.contract import AssetRef, FetchedAsset, PointerState, StoreFailed, StoreOrigins
from consumer.model import Healed, Json, JsonObject, MicroAud, NotHealed, Proof, Refused
from schemas.asset import AssetContext
from schemas.names import Code, Verdict

StoreResultT = TypeVar("StoreResultT")
REPORTING_MARGIN: Final = timedelta(seconds=1)
"""Time kept free at the end of the window: a heal that is cut off cannot report what it has paid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegenerateTools:
    """Dependencies of every heal that makes an asset; sleep, the clock and randomness are injected."""

    generators: Generators
    media: MediaWorkers
    stores: AssetStores
    made: MadeAssets
    redact: Redact
    sleep: Callable[[float], Awaitable[None]]
    now: Callable[[], datetime]


@dataclass(slots=True, kw_only=True)
class RegenerateSession(HealSession):
    """State of one heal of an asset."""

    tools: RegenerateTools
    asset: AssetContext
    ref: AssetRef
    store: AssetStore
    order: AssetOrder
    expected: MediaExpectation
    usable: tuple[Generator, ...]
    """The generators that can make it, in order."""
    pointer: PointerState | None = None
    """What the asset pointed at when it was looked at: it is swapped from this state alone."""
    calls: int = 0
    answered: int = 0
    spent: int = 0
    in_doubt: int = 0
    told: int = 0
    """What the gate knows of both."""
    known: int = 0
    """What the call is known to have cost in which the heal was interrupted, whatever its answer was."""
    passed_over: set[str] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)
    looks: list[Json] = field(default_factory=list)
    proofs: list[Proof] = field(default_factory=list)
    file: JsonObject = field(default_factory=dict)
    """What its users get that is right."""
    wrong: list[Proof] = field(default_factory=list)
    """What was made, and was not right: told where nothing right came."""

    @property
    def limits(self) -> AutoRegenerateLimits:
        """The limits of auto-regenerate for its workflow."""
        return self.policy.auto_regenerate

    @property
    def origins(self) -> StoreOrigins:
        """Where its store is called."""
        return self.store.origins()

    @property
    def paid(self) -> MicroAud:
        """What it costs: what was charged, and what calls may have cost whose answer never came."""
        return MicroAud(self.spent + self.in_doubt)

    @property
    def left(self) -> int:
        """What is left of the hold."""
        return self.task.plan.hold - self.paid

    @property
    def details(self) -> JsonObject:
        """What was looked at, called and paid so far, for the attempt's details, redacted."""
        told: JsonObject = {"asset": self.asset.id}
        told |= {"generations": [{**one} for one in self.entries]} if self.entries else {}
        told |= {"looks": self.looks} if self.looks else {}
        told |= {"in_doubt_aud": f"{self.in_doubt / 1_000_000:.6f}"} if self.in_doubt else {}
        told |= {"file": self.file} if self.file else {}
        clean, _ = self.tools.redact(told)
        return clean if isinstance(clean, dict) else {}

    def call_time(self, limit: timedelta | None = None) -> timedelta:
        """Return the timeout of one call, which leaves time to report its outcome; raises as `within`."""
        return self.within(self.limits.timeout if limit is None else limit, spare=REPORTING_MARGIN)

    async def judge(self, content: bytes) -> MediaVerdict:
        """Judge the bytes of an asset in a child process."""
        return await self.tools.media.validate(content, self.expected, of=self.task.failure.org_id)

    def note(self, generator: Generator, came: str, said: str, cost: int = 0) -> None:
        """Record what came of one call."""
        clean, _ = self.tools.redact(said)
        noted = entry(n=self.calls, generator=generator.name, came=came, said=str(clean), micro_aud=cost)
        self.entries.append(noted or {"n": self.calls, "came": came, "micro_aud": cost})

    def see(self, where: str, said: str) -> None:
        """Record a look, where it tells something new."""
        noted: JsonObject = {"at": where, "said": said[:200]}
        if not self.looks or self.looks[-1] != noted:
            self.looks.append(noted)

    def state(self, stage: Stage, **changes: str | float | None) -> MakeState:
        """Return the state to keep."""
        return MakeState.model_validate(
            {
                "stage": stage,
                "calls": self.calls,
                "answered": self.answered,
                "spent": self.spent,
                "in_doubt": self.in_doubt,
                "passed_over": tuple(sorted(name[:160] for name in self.passed_over)),
                "made": latest(self.entries),
            }
            | changes
        )

    async def keep(self, state: MakeState, covered: int = 0) -> None:
        """Keep a state, and with it what was paid: whoever inherits the claim settles that, though it reads no more.

        `covered`: what its heir counts for the call or the job that begins under it.
        """
        self.tell_paid()
        await self.gate.keep(state)
        self.gate.cover(MicroAud(covered))

    def pay(self, cost: int) -> None:
        """Count what a call cost that was answered."""
        self.spent += max(cost, self.known)
        self.known = 0
        self.tell_paid()

    def lose(self, price: int) -> None:
        """Count what a call or a job may have cost that brings nothing any more."""
        self.in_doubt += self.known or price
        self.known = 0

    def tell_paid(self) -> None:
        """Tell the gate what was paid since it was last told."""
        if self.paid > self.told:
            self.gate.charge(MicroAud(self.paid - self.told))
            self.told = self.paid

    def of_store(self, origin: str, came: StoreResultT) -> StoreResultT:
        """Count what came from one of the store's origins for or against its health, and return it."""
        intent = self.task.plan.intent
        unhealthy = isinstance(came, FetchedAsset | StoreFailed) and came.dependency_unhealthy
        if origin in intent.others:
            self.task.others[origin] = not unhealthy
        elif origin == intent.dependency:
            self.dependency_unhealthy = unhealthy
        return came

    def restore(self, state: MakeState, kept: Kept) -> None:
        """Go on from a state, and from what was paid since it was kept."""
        self.calls, self.answered = state.calls, state.answered
        self.spent, self.in_doubt = state.spent, state.in_doubt
        self.told = max(self.paid, kept.charged)
        self.known = self.told - self.paid
        if state.stage in ("calls", "waits") and (generator := self.generator(state.generator)) is not None:
            self.gate.cover(MicroAud(generator.most(self.order) or 0))
        self.passed_over = set(state.passed_over)
        self.entries = [{**one} for one in state.made]

    def generator(self, name: str) -> Generator | None:
        """Return one of its generators by name; None where the catalog has it no more."""
        return next((one for one in self.usable if one.name[:160] == name), None)

    def prove(self, seen: MediaEvidence) -> None:
        """Keep which bytes its users get that are right."""
        named = None if seen.media_type is None else seen.media_type.value
        self.file = {"sha256": seen.sha256, "media_type": named, "bytes": seen.size}

    def healed(self, proofs: tuple[Proof, ...], code: Code | None = None) -> Healed:
        """Build the outcome of a proven heal."""
        self.tell_paid()
        return Healed(proofs=proofs, code=code, details=self.details)

    def failed(self, code: Code, reason: str, proofs: tuple[Proof, ...] = ()) -> NotHealed:
        """Build the outcome of a heal that is known to have failed, or is not proven; what was paid is settled."""
        self.tell_paid()
        return NotHealed(
            code=code,
            reason=reason,
            proofs=(*self.wrong, *self.proofs, *proofs),
            details=self.details,
            dependency_unhealthy=self.dependency_unhealthy,
        )

    def refused(self, reason: str) -> Refused:
        """Build the refusal of what the same order would meet again."""
        self.tell_paid()
        return Refused(code=Code.REFUSED, reason=reason, details=self.details)


def proof_of(oracle: str, verdict: MediaVerdict, where: str) -> Proof:
    """Build the proof of a verdict on bytes."""
    seen = verdict.evidence
    measured = [f"{seen.media_type}" if seen.media_type else "", f"{seen.size} bytes", f"sha256 {seen.sha256[:16]}"]
    measured += [f"{seen.width}x{seen.height}"] if seen.width else []
    measured += [f"{seen.seconds:.2f} s"] if seen.seconds is not None else []
    detail = ", ".join(filter(None, measured)) if verdict.verdict is Verdict.PASSED else verdict.detail
    return proof(oracle, verdict.verdict, f"{where}: {detail}")
