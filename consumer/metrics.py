"""Every metric, with what to do when it moves. Names and labels are a contract with the dashboards and alerts.

Label values come from enums only (and partition numbers): no event can make a new series.
"""

from collections.abc import Callable
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
    """What intake's loop spends its time on."""

    POLL = "poll"  # waiting for records: idle when nothing arrives
    DECODE = "decode"  # the processor's time for bytes to plans
    INTAKE = "intake"  # the database's time for the batch
    SETTLE = "settle"  # the database's time for finished heals
    PUBLISH = "publish"  # the broker's time for results
    COMMIT = "commit"  # the broker's time for offsets
    PAUSED = "paused"  # the cap on open rows or bytes is reached: Kafka waits
    DRAIN = "drain"  # a partition is being given back, or the process stops


class Children(dict[K, M]):
    """A metric's series by their labels, made at first use: `labels()` costs more than the increment itself."""

    def __init__(self, make: Callable[[K], M]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: K) -> M:
        child = self[key] = self._make(key)
        return child


# A no-op takes milliseconds, a call that waits for its timeout up to 10 s, a repair by the agent minutes.
HEAL_BUCKETS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
# From detection to resolved: at once, after a back-off (5 s to 10 min), after a person, up to the oldest worth healing.
TIME_TO_HEAL_BUCKETS: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)


class Metrics:
    """All of them, on the registry that is passed in. Series that an alert watches stand at 0 from the start.

    Read like `metrics.events[EventOutcome.ACCEPTED].inc()` and `metrics.attempts[kind, strategy, result, code].inc()`.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        # One more series for each, that nobody draws; the library has this switch for the whole process only.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry
        self._intake(registry)
        self._heals(registry)
        self._standing(registry)
        self._flow(registry)

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
        diagnoses = Counter(
            "shw_diagnoses",
            "Failures diagnosed. Many `unknown`: read them with `shw failures` and add a rule.",
            ["failure_type", "disposition"],
            registry=registry,
        )
        self.diagnoses = Children[tuple[FailureType, Disposition], Counter](lambda key: diagnoses.labels(*key))
        for outcome in EventOutcome:
            self.events[outcome].inc(0)
        for reason in PoisonReason:
            self.dead_letters[reason].inc(0)

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
            "Heals under way in this process. At the number of slots for long: more slots, or another replica.",
            registry=registry,
        )
        self.oldest_pending_seconds = Gauge(
            "shw_oldest_pending_seconds",
            "How long the oldest pending failure has been due. Rises: healing does not keep up, or it is paused.",
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

    def _flow(self, registry: CollectorRegistry) -> None:
        self._lag = Gauge(
            "shw_consumer_lag_records",
            "Records not yet read, by partition. Rises on all: another replica; on one: its key is too popular.",
            ["partition"],
            registry=registry,
        )
        self.consumer_lag_records = Children[int, Gauge](self._lag.labels)
        self.consumer_lag_seconds = Gauge(
            "shw_consumer_lag_seconds",
            "Age of the oldest record not yet read, over this member's partitions. Rises: as for the records.",
            registry=registry,
        )
        loop_seconds = Counter(
            "shw_loop_seconds",
            "Where the loop's time goes. `poll` near 0: it is saturated; `paused` moves: too much is open.",
            ["phase"],
            registry=registry,
        )
        self.loop_seconds = Children[LoopPhase, Counter](loop_seconds.labels)
        for phase in LoopPhase:
            self.loop_seconds[phase].inc(0)
        self.rebalances = Counter(
            "shw_rebalances",
            "Times that partitions were assigned anew. Moves without a deploy: members die, or drain too slowly.",
            registry=registry,
        )

    def forget_partition(self, partition: int) -> None:
        """Drop the lag of a partition that another member has now: it would stand still for ever."""
        if self.consumer_lag_records.pop(partition, None) is not None:
            self._lag.remove(partition)
