"""Every metric, with what to do when it moves. Names and labels are a contract with the dashboards and alerts.

Label values come from enums only (and partition numbers, and the catalog's own words): no event can make a new series.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from schemas.names import Code, Disposition, FailureType, PoisonReason, Result, Status, StrategyName

K = TypeVar("K")
M = TypeVar("M")


class EventOutcome(StrEnum):
    """What became of a record that was read."""

    ACCEPTED = "accepted"  # a new failure stands in the database
    DUPLICATE = "duplicate"  # the failure was there already: nothing changed
    CONFLICTING = "conflicting"  # the same id with another content: the first stays, its publisher has a bug
    DEAD_LETTER = "dead_letter"  # can never be accepted: it is on its way to the dead letters


class LoopPhase(StrEnum):
    """What the loops spend their time on. The loops run side by side; within one of the first two the phases add up."""

    # The loop that reads.
    POLL = "poll"  # waiting for records: idle when nothing arrives
    PAUSED = "paused"  # the same while intake is paused: shw_intake_paused says why
    DECODE = "decode"  # the processor's time for bytes to plans
    HAND_OVER = "hand_over"  # waiting until the loop that takes in has room for a batch
    # The loop that takes in.
    STARVED = "starved"  # waiting for a batch: what reads is the slower one, or nothing arrives
    SLOTS = "slots"  # waiting for quick heals to free slots
    INTAKE = "intake"  # the database's time for a batch
    RETRY = "retry"  # the database did not take a batch: resting before the next try
    # Loops beside them.
    COMMIT = "commit"  # the broker's time for offsets
    SETTLE = "settle"  # the database's time for finished heals
    PUBLISH = "publish"  # the broker's time for results and dead letters
    RESUME = "resume"  # the database's time for what is due again, and for claims of the dead
    CENSUS = "census"  # the database's time for counting what is open
    DRAIN = "drain"  # a partition is being given back, or the process stops


class PauseReason(StrEnum):
    """Why Kafka is not read just now."""

    OPEN_ROWS = "open_rows"  # too many failures are open
    OPEN_BYTES = "open_bytes"  # they take too much room
    DATABASE = "database"  # what was read before is not durable yet
    DEAD_LETTERS = "dead_letters"  # events of nearly everybody are refused: most likely our own fault


class BreakerChange(StrEnum):
    """What happened to the breaker of a dependency."""

    OPENED = "opened"  # its failures wait, and one probe at a time tries it
    CLOSED = "closed"  # a heal succeeded: those that wait come back, ever more at once


class Reload(StrEnum):
    """What came of a catalog whose text has changed."""

    CHANGED = "changed"  # in force from now on
    REFUSED = "refused"  # wrong: the one before stays in force, and the log names the line


class Rebuilt(StrEnum):
    """What is made anew when it has died."""

    MEMBER = "member"  # of the consumer group: another rebalance
    PRODUCER = "producer"  # of one topic; after each send without an answer, too


class PublishOutcome(StrEnum):
    """A topic that is written to, whatever its name."""

    RESULTS = "results"  # while it backs off, subscribers hear nothing, and no failure takes its next step
    DEAD_LETTERS = "dead_letters"  # while it backs off, refused records wait in the outbox
    FORMER = "former"  # no setting names it any more: what it should have got waits in the outbox


class Children(dict[K, M]):
    """A metric's series by their labels, made at first use: `labels()` costs more than the increment itself."""

    def __init__(self, make: Callable[[K], M]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: K) -> M:
        child = self[key] = self._make(key)
        return child


# Below 10 ms nobody notices; at a fifth of the session's timeout heartbeats are late.
DELAY_BUCKETS: Final = (0.01, 0.05, 0.25, 1.0, 5.0, 15.0)
# A no-op takes milliseconds, a call that waits for its timeout up to 10 s, a repair by the agent minutes.
HEAL_BUCKETS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
# From detection to resolved: at once, after a back-off (5 s to 10 min), after a person, up to the oldest worth healing.
TIME_TO_HEAL_BUCKETS: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)

RECENT: Final = 1000
"""Failures over which the share of the unknown ones is taken."""


@dataclass(slots=True)
class _Step:
    phase: LoopPhase
    since: float
    counted_to: float


class Metrics:
    """All of them, on the registry that is passed in. Series that an alert watches stand at 0 from the start.

    Read like `metrics.events[EventOutcome.ACCEPTED].inc()` and `metrics.attempts[kind, strategy, result, code].inc()`.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        # One more series for each, that nobody draws; the library has this switch for the whole process only.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry
        self._intake(registry)
        self._catalog(registry)
        self._heals(registry)
        self._gates(registry)
        self._standing(registry)
        self._flow(registry)
        self._process(registry)
        self._under_way: dict[int, _Step] = {}
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self._unknown = 0

    @contextmanager
    def timed(self, phase: LoopPhase) -> Iterator[None]:
        """Add the time of the block to its phase; while it lasts, it is what `longest_phase` looks at."""
        now = time.monotonic()
        step = _Step(phase, now, now)
        self._under_way[id(step)] = step
        try:
            yield
        finally:
            del self._under_way[id(step)]
            self.loop_seconds[phase].inc(time.monotonic() - step.counted_to)

    def count_phases(self) -> None:
        """Add the time so far of what is under way: a wait of an hour is to be seen while it lasts."""
        now = time.monotonic()
        for step in self._under_way.values():
            self.loop_seconds[step.phase].inc(now - step.counted_to)
            step.counted_to = now

    def longest_phase(self) -> tuple[LoopPhase, timedelta] | None:
        """Give what has been under way for the longest time; None when nothing is that has to end."""
        # Begun in order of time, and a dict keeps it: the first is the oldest.
        steps = (step for step in self._under_way.values() if step.phase is not LoopPhase.STARVED)
        oldest = next(steps, None)
        return None if oldest is None else (oldest.phase, timedelta(seconds=time.monotonic() - oldest.since))

    def count_diagnosis(self, kind: FailureType, disposition: Disposition) -> None:
        """Count the diagnosis of a new failure."""
        self.diagnoses[kind, disposition].inc()
        if len(self._recent) == RECENT:
            self._unknown -= self._recent[0]
        self._recent.append(kind is FailureType.UNKNOWN)
        self._unknown += kind is FailureType.UNKNOWN

    def unknown_ratio(self) -> float:
        """Give the share of `unknown` among the newest failures; 0 before the first."""
        return self._unknown / max(1, len(self._recent))

    def kept_open(self) -> float:
        """Give how many of the failures that this process took in it has not healed: what grows between two counts."""
        healed = sum(_value(child) for key, child in self.attempts.items() if key[2] is Result.SUCCESS)
        return _value(self.events[EventOutcome.ACCEPTED]) - healed

    def _intake(self, registry: CollectorRegistry) -> None:
        events = Counter(
            "shw_events",
            "Records read. Many `conflicting`: tell the publisher that it uses an event id twice.",
            ["outcome"],
            registry=registry,
        )
        self.events = Children[EventOutcome, Counter](events.labels)
        dead_letters = Counter(
            "shw_dead_letters",
            "Records that can never be accepted. Moves: `shw dlq list` says whose and why; fix, `shw dlq replay`.",
            ["reason"],
            registry=registry,
        )
        self.dead_letters = Children[PoisonReason, Counter](dead_letters.labels)
        replays = Counter(
            "shw_replayed_events",
            "Records that `shw dlq replay` had sent again. Many `dead_letter`: the cause is not gone: `shw dlq list`.",
            ["outcome"],
            registry=registry,
        )
        self.replays = Children[EventOutcome, Counter](replays.labels)
        diagnoses = Counter(
            "shw_diagnoses",
            "Failures diagnosed. Many `unknown`: `shw failures --top-unknown` says which; add a rule.",
            ["failure_type", "disposition"],
            registry=registry,
        )
        self.diagnoses = Children[tuple[FailureType, Disposition], Counter](lambda key: diagnoses.labels(*key))
        Gauge(
            "shw_unknown_ratio",
            "Share of `unknown` in the newest 1,000 diagnoses. Above 0.3: `shw failures --top-unknown`, add a rule.",
            registry=registry,
        ).set_function(self.unknown_ratio)
        for outcome in EventOutcome:
            self.events[outcome].inc(0)
            self.replays[outcome].inc(0)
        for reason in PoisonReason:
            self.dead_letters[reason].inc(0)

    def _catalog(self, registry: CollectorRegistry) -> None:
        reloads = Counter(
            "shw_catalog_reloads",
            "Catalogs read because the file changed. `refused` moves: `catalog_refused` in the log names the line.",
            ["outcome"],
            registry=registry,
        )
        self.catalog_reloads = Children[Reload, Counter](reloads.labels)
        for outcome in Reload:
            self.catalog_reloads[outcome].inc(0)
        self.catalog_refused = Gauge(
            "shw_catalog_refused",
            "1 while the catalog's file is wrong and an older one in force. Mend it: `shw catalog check` says where.",
            registry=registry,
        )
        # The only labels that are no enums: what operator and strategies declare, finite as both are.
        missing = Counter(
            "shw_missing_context",
            "Fields that new failures lacked. Moves: tell the publisher; `shw check-event` shows what an event lacks.",
            ["source", "strategy", "field"],
            registry=registry,
        )
        self.missing_context = Children[tuple[str, StrategyName, str], Counter](lambda key: missing.labels(*key))

    def _heals(self, registry: CollectorRegistry) -> None:
        attempts = Counter(
            "shw_attempts",
            "Finished attempts. `failed` rises: the code says who has to act; `unknown`: a person must look at each.",
            ["failure_type", "strategy", "result", "code"],
            registry=registry,
        )
        self.attempts = Children[tuple[FailureType, StrategyName, Result, Code | None], Counter](
            lambda key: attempts.labels(*key[:3], key[3] or "")
        )
        heal_seconds = Histogram(
            "shw_heal_seconds",
            "From claim to outcome. Rises: the healed side is slow; look at its own latency before adding slots.",
            ["strategy", "result"],
            buckets=HEAL_BUCKETS,
            registry=registry,
        )
        self.heal_seconds = Children[tuple[StrategyName, Result], Histogram](lambda key: heal_seconds.labels(*key))
        time_to_heal = Histogram(
            "shw_time_to_heal_seconds",
            "From detection to resolved. Rises while shw_heal_seconds does not: failures wait for slots or a time.",
            ["failure_type"],
            buckets=TIME_TO_HEAL_BUCKETS,
            registry=registry,
        )
        self.time_to_heal_seconds = Children[FailureType, Histogram](time_to_heal.labels)
        self.drift_findings = Counter(
            "shw_drift_findings",
            "Producers whose payloads keep needing the same repair. Moves: `shw drift` says whose, and the fix.",
            registry=registry,
        )

    def _gates(self, registry: CollectorRegistry) -> None:
        self.breakers_open = Gauge(
            "shw_breakers_open",
            "Dependencies that are ill, over all replicas. Above 0: `breaker_opened` in the log names them; mend them.",
            registry=registry,
        )
        changes = Counter(
            "shw_breaker_changes",
            "Breakers opened and closed by this process. Both often: a dependency flaps; raise SHW_BREAKER__STRIKES.",
            ["change"],
            registry=registry,
        )
        self.breaker_changes = Children[BreakerChange, Counter](changes.labels)
        for change in BreakerChange:
            self.breaker_changes[change].inc(0)
        self.workflows_braked = Gauge(
            "shw_workflows_braked",
            "Workflows of which too much is sick at once to heal one by one. Above 0: find the cause they share.",
            registry=registry,
        )

    def _standing(self, registry: CollectorRegistry) -> None:
        open_failures = Gauge(
            "shw_open_failures",
            "Failures by where they stand. `needs_person` above 0: `shw failures --status needs_person`, and act.",
            ["status"],
            registry=registry,
        )
        self.open_failures = Children[Status, Gauge](open_failures.labels)
        for status in set(Status) - {Status.RESOLVED, Status.GIVEN_UP}:
            self.open_failures[status].set(0)
        self.live_claims = Gauge(
            "shw_live_claims",
            "Claims of this process: heals under way, and ended ones until settled. At the slots for long: more slots.",
            registry=registry,
        )
        self.oldest_pending_seconds = Gauge(
            "shw_oldest_pending_seconds",
            "How long the oldest pending failure that nobody heals has been due. Rises: healing does not keep up.",
            registry=registry,
        )
        self.outbox_depth = Gauge(
            "shw_outbox_depth",
            "Messages decided and not yet acknowledged by the broker. Rises: the broker is slow or refuses.",
            registry=registry,
        )
        self.outbox_oldest_seconds = Gauge(
            "shw_outbox_oldest_seconds",
            "Age of the oldest of them. Above a minute: read the log for `publish_failed`, check the topics' ACLs.",
            registry=registry,
        )
        back_off = Gauge(
            "shw_publish_back_off",
            "1 while nothing gets through to this topic and its messages wait. Stays: is it there, may we write to it?",
            ["topic"],
            registry=registry,
        )
        self.publish_back_off = Children[PublishOutcome, Gauge](back_off.labels)
        for topic in PublishOutcome:
            self.publish_back_off[topic].set(0)
        self.messages_put_off = Gauge(
            "shw_messages_put_off",
            "Messages that their topic takes in no form. Above 0: the log names them; look at the topic's settings.",
            registry=registry,
        )

    def _flow(self, registry: CollectorRegistry) -> None:
        self._lag = Gauge(
            "shw_consumer_lag_records",
            "Records not yet durable, by partition. Rises on all: another replica; on one: its key is too popular.",
            ["partition"],
            registry=registry,
        )
        self.consumer_lag_records = Children[int, Gauge](self._lag.labels)
        self._open_transactions = Gauge(
            "shw_open_transaction_seconds",
            "How long a transaction has kept records from being read. Above minutes: its producer hangs or died.",
            ["partition"],
            registry=registry,
        )
        self.open_transaction_seconds = Children[int, Gauge](self._open_transactions.labels)
        self.consumer_lag_seconds = Gauge(
            "shw_consumer_lag_seconds",
            "Age of the oldest record not yet durable, over this member's partitions. Rises: as for the records.",
            registry=registry,
        )
        paused = Gauge(
            "shw_intake_paused",
            "1 while Kafka is not read for this reason. For long: each reason has its page in docs/operations.md.",
            ["reason"],
            registry=registry,
        )
        self.intake_paused = Children[PauseReason, Gauge](paused.labels)
        for reason in PauseReason:
            self.intake_paused[reason].set(0)
        self.rebalances = Counter(
            "shw_rebalances",
            "Times that partitions were assigned anew. Moves without a deploy: members die, or drain too slowly.",
            registry=registry,
        )

    def _process(self, registry: CollectorRegistry) -> None:
        loop_seconds = Counter(
            "shw_loop_seconds",
            "Where the loops' time goes. `poll` and `starved` near 0: saturated; `paused` moves: too much is open.",
            ["phase"],
            registry=registry,
        )
        self.loop_seconds = Children[LoopPhase, Counter](loop_seconds.labels)
        for phase in LoopPhase:
            self.loop_seconds[phase].inc(0)
        rebuilt = Counter(
            "shw_rebuilds",
            "Kafka clients made anew. Moves: the broker refuses or goes away; read `member_rebuilt`, `publish_failed`.",
            ["client"],
            registry=registry,
        )
        self.rebuilds = Children[Rebuilt, Counter](rebuilt.labels)
        for client in Rebuilt:
            self.rebuilds[client].inc(0)
        self.connections_opened = Counter(
            "shw_database_connections_opened",
            "Connections to Postgres opened. Keeps moving: something cuts them, or the server restarts.",
            registry=registry,
        )
        self.claims_inherited = Counter(
            "shw_claims_inherited",
            "Claims taken over from dead processes. Moves without a stop: processes die, or lose their lease.",
            registry=registry,
        )
        self.claims_lost = Counter(
            "shw_claims_lost",
            "Own claims found in other hands. Moves: this process was stopped or starved for longer than they hold.",
            registry=registry,
        )
        self.clock_skew_seconds = Gauge(
            "shw_clock_skew_seconds",
            "How far the host's clock is ahead of the database's, which counts. Beyond 2: synchronise the clocks.",
            registry=registry,
        )
        self.loop_delay_seconds = Histogram(
            "shw_event_loop_delay_seconds",
            "How late the event loop turns. Above 0.25 s: something blocks it, or the processor is short.",
            buckets=DELAY_BUCKETS,
            registry=registry,
        )

    def forget_partition(self, partition: int) -> None:
        """Drop the lag of a partition that another member has now: it would stand still for ever."""
        if self.consumer_lag_records.pop(partition, None) is not None:
            self._lag.remove(partition)
        if self.open_transaction_seconds.pop(partition, None) is not None:
            self._open_transactions.remove(partition)


def _value(counter: Counter) -> float:
    return next(
        sample.value for family in counter.collect() for sample in family.samples if sample.name.endswith("_total")
    )
