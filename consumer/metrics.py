"""All Prometheus metrics, with what to do when they move. Names and labels are a contract with dashboards and alerts.

Label values come from enums only (and partition numbers, and the catalog's own words): no event can create a new
series.
"""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from importlib.metadata import version
from itertools import product
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from consumer.errors import OwnFault
from schemas.definition_change import DefinitionState
from schemas.dependency_binding import BindingState
from schemas.names import (
    BudgetWarningKind,
    Code,
    CommandName,
    CommandOutcome,
    DiagnosisAnswerKind,
    Disposition,
    FailureType,
    PoisonReason,
    ReachKind,
    Result,
    Status,
    StrategyName,
)

K = TypeVar("K")
M = TypeVar("M")


class EventOutcome(StrEnum):
    """Outcome of reading one record."""

    ACCEPTED = "accepted"  # a new failure was written to the database
    DUPLICATE = "duplicate"  # the failure was there already (second delivery): nothing changed
    CONFLICTING = "conflicting"  # the same id with different content: its publisher has a bug, or another took the id
    SAME_RUN = "same_run"  # a failure of a run that another event reported first: its evidence is linked to that one
    NO_FAILURE = "no_failure"  # of a topic that the catalog declares, and it tells of no failure
    SET_ASIDE = "set_aside"  # its organisation's row is locked by somebody else: it is taken in once that is free
    DEAD_LETTER = "dead_letter"  # can never be accepted: it goes to the dead-letter queue


class LoopPhase(StrEnum):
    """What a loop spends its time on. The loops run side by side; within one of the first two the phases add up."""

    # The reading loop (consumer).
    POLL = "poll"  # waiting for records: idle when nothing arrives
    PAUSED = "paused"  # the same while intake is paused: the metric shw_intake_paused has the reason
    DECODE = "decode"  # CPU time from bytes to plans
    HAND_OVER = "hand_over"  # backpressure: waiting until the intake loop has room for a batch
    # The intake loop.
    STARVED = "starved"  # waiting for a batch: the reading loop is the slower one, or nothing arrives
    SLOTS = "slots"  # waiting for quick heals to free slots
    INTAKE = "intake"  # database time of a batch
    RETRY = "retry"  # the database did not accept a batch: back-off before the next try
    # Loops beside these two.
    COMMIT = "commit"  # broker time of offset commits
    SETTLE = "settle"  # database time of finished heals
    PUBLISH = "publish"  # broker time of results and dead letters
    RESUME = "resume"  # database time of finding failures that are due again, and claims of dead owners
    CENSUS = "census"  # database time of counting open failures
    DRAIN = "drain"  # a partition is being revoked, or the process stops


class PauseReason(StrEnum):
    """Why consumption from Kafka is paused."""

    OPEN_ROWS = "open_rows"  # too many failures are open
    OPEN_BYTES = "open_bytes"  # they take too much space
    DATABASE = "database"  # an earlier batch is not durable yet
    LARGE_RECORDS = "large_records"  # worker processes still read as many bytes of large records as may wait
    DEAD_LETTERS = "dead_letters"  # events of nearly every source are refused: most likely our own fault


class BreakerChange(StrEnum):
    """State change of a dependency's circuit breaker."""

    OPENED = "opened"  # its failures wait, and one probe at a time tries the dependency
    CLOSED = "closed"  # a heal succeeded: waiting failures come back by slow start, ever more at once


class Reload(StrEnum):
    """Outcome of reloading a catalog file that has changed."""

    CHANGED = "changed"  # in force from now on
    REFUSED = "refused"  # invalid: the previous catalog stays in force, and the log names the line


class ApprovalEvent(StrEnum):
    """What happens to a plan that needs a person's yes."""

    ASKED = "asked"  # it waits for its answer
    APPROVED = "approved"  # it is carried out as soon as there is a free slot
    DENIED = "denied"  # it is never carried out
    EXPIRED = "expired"  # nobody answered in time: it is planned anew


class HeartbeatOutcome(StrEnum):
    """What became of a heartbeat."""

    TAKEN = "taken"
    OLD = "old"  # read before, or of an earlier start of its run
    NO_ROOM = "no_room"  # as many runs are remembered as may be
    REFUSED = "refused"  # it cannot be read, or its source may not speak for the organisation


class SilenceOutcome(StrEnum):
    """What became of a run that missed its deadline."""

    STALLED = "stalled"  # two looks agreed: a failure was made of it
    RECOVERED = "recovered"  # it beat again before a heal had begun: the failure is resolved
    OVER = "over"  # its runner says that it has ended well, or was ended
    WAITS = "waits"  # its runner says that it waits for something outside
    MOVES = "moves"  # its runner sees it get on
    LOOK_FAILED = "look_failed"  # its runner did not say


class RewriteAuthor(StrEnum):
    """What proposed a patch of a workflow."""

    AGENT = "agent"  # the model, which is paid
    RULE = "rule"  # a patch that was learnt, and that a person made a rule


class RebuiltClient(StrEnum):
    """Kafka client that is rebuilt after it has died."""

    MEMBER = "member"  # the consumer group member: costs another rebalance
    PRODUCER = "producer"  # the producer of one topic; also rebuilt after each send without an answer


class PublishOutcome(StrEnum):
    """Topic that the service publishes to, whatever its configured name."""

    RESULTS = "results"  # while it backs off, subscribers receive nothing, and no failure takes its next step
    DEAD_LETTERS = "dead_letters"  # while it backs off, refused records wait in the outbox
    FAILURES = "failures"  # while it backs off, what the watches of runners found waits in the outbox
    FORMER = "former"  # no setting names it any more: its messages wait in the outbox


class WatchedRun(StrEnum):
    """What became of a run that the watch of a runner found."""

    TOLD = "told"  # its failure, or that it stands still, was published as an event
    RECOVERED = "recovered"  # it stood at no failure any more when it was looked at: it is not told
    STILL_OPEN = "still_open"  # an earlier failure of it was told, and is not healed: it is that one's


class SignInRefusal(StrEnum):
    """Why a request to the API was not signed in."""

    NO_TOKEN = "no_token"  # noqa: S105 - a label; no token at all: a client that does not sign in, or a scanner
    MALFORMED = "malformed"  # not a token, or one whose parts cannot be read
    AMBIGUOUS = "ambiguous"  # two Authorization headers, or a name twice in one object of the token: two readings
    ALGORITHM = "algorithm"  # signed by an algorithm for which no key is configured
    KEY_UNKNOWN = "key_unknown"  # names a key that is not in the key set: rotated away, or another issuer's
    SIGNATURE = "signature"  # the signature is wrong: many mean a wrong secret, or forgery
    EXPIRED = "expired"  # its time is over: the client has to sign in again
    NOT_YET_VALID = "not_yet_valid"  # its time has not come: look at the clocks
    AUDIENCE = "audience"  # meant for another service
    ISSUER = "issuer"  # of another issuer than the configured one
    ROLE = "role"  # a key of the platform (anon, service_role), and no user
    ANONYMOUS_USER = "anonymous_user"  # a user without an account
    CLAIMS = "claims"  # a claim is missing or odd


class ApiLimit(StrEnum):
    """Limit by which the API turned a request or a connection away."""

    CONNECTIONS = "connections"  # an idle connection was closed, or a new one not taken, to stay below the cap
    REQUESTS = "requests"  # all connections but the spare ones were in use: answered 503
    ADDRESS_RATE = "address_rate"  # too many refused or anonymous requests of one address: answered 429
    USER_RATE = "user_rate"  # too many requests of one user: answered 429
    BODY = "body"  # a body above the limit: answered 413
    STREAMS = "streams"  # one viewer more than may watch what moves: answered 429
    TIME = "time"  # a head, a body, an answer or a whole request took too long: answered 408 or 503, or cut


class Children(dict[K, M]):
    """Cache of a metric's child series by label values: `labels()` costs more than the increment itself."""

    def __init__(self, make: Callable[[K], M]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: K) -> M:
        child = self[key] = self._make(key)
        return child


# Event loop delay: below 10 ms it does no harm; at a fifth of the session timeout heartbeats are late.
DELAY_BUCKETS: Final = (0.01, 0.05, 0.25, 1.0, 5.0, 15.0)
# Heal duration: a no-op takes milliseconds, a call that waits for its timeout up to 10 s, a repair by the agent
# minutes.
HEAL_BUCKETS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
# From detection to resolved: at once, after a back-off (5 s to 10 min), after a person's decision, up to the oldest
# failure worth healing.
TIME_TO_HEAL_BUCKETS: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)

ATTEMPT_ENDS: Final[Mapping[Result, tuple[Code | None, ...]]] = {
    Result.SUCCESS: (None, Code.RECOVERED, Code.RELINKED),
    Result.FAILED: tuple(set(Code) - {Code.RECOVERED, Code.RELINKED, Code.CRASHED, Code.INTERRUPTED}),
    Result.ERROR: (Code.CRASHED,),
    Result.UNKNOWN: (Code.INTERRUPTED,),
}
"""The codes that an attempt of each result can have: their series stand at 0 from the start."""

DISTRIBUTION: Final = "self-healing-workflows"
"""The package whose version `shw_build_info` tells."""

RECENT: Final = 1000
"""Sliding window, in failures, over which the share of unknown ones is computed."""


@dataclass(slots=True)
class _RunningPhase:
    phase: LoopPhase
    since: float
    counted_to: float


class Metrics:
    """All metrics, registered on the given registry. Series that an alert watches stand at 0 from the start.

    Use: `metrics.events[EventOutcome.ACCEPTED].inc()` and `metrics.attempts[kind, strategy, result, code].inc()`.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        # It adds one more series to each metric, which no dashboard draws; the library can only disable it
        # process-wide.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry
        self._create_intake(registry)
        self._create_catalog(registry)
        self._create_heals(registry)
        self._create_gates(registry)
        self._create_state(registry)
        self._create_suspended(registry)
        self._create_pauses(registry)
        self._create_relapses(registry)
        self._create_rewrites(registry)
        self._create_bindings(registry)
        self._create_definitions(registry)
        self._create_runner_watches(registry)
        self._create_flow(registry)
        self._create_rows(registry)
        self._create_health(registry)
        self._create_process(registry)
        self._create_api(registry)
        self._create_commands(registry)
        self._create_heartbeats(registry)
        self._running: dict[int, _RunningPhase] = {}
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self._unknown = 0

    @contextmanager
    def timed(self, phase: LoopPhase) -> Iterator[None]:
        """Add the block's duration to its phase; while it runs, it counts for `longest_phase`."""
        now = time.monotonic()
        step = _RunningPhase(phase, now, now)
        self._running[id(step)] = step
        try:
            yield
        finally:
            del self._running[id(step)]
            self.loop_seconds[phase].inc(time.monotonic() - step.counted_to)

    def count_phases(self) -> None:
        """Add the elapsed time of phases still running: a wait of an hour must show while it lasts."""
        now = time.monotonic()
        for step in self._running.values():
            self.loop_seconds[step.phase].inc(now - step.counted_to)
            step.counted_to = now

    def longest_phase(self) -> tuple[LoopPhase, timedelta] | None:
        """Return the phase that has been running longest; None when none is running that is bound to end."""
        # Entries are added in order of time, and a dict keeps insertion order: the first is the oldest.
        steps = (step for step in self._running.values() if step.phase is not LoopPhase.STARVED)
        oldest = next(steps, None)
        return None if oldest is None else (oldest.phase, timedelta(seconds=time.monotonic() - oldest.since))

    def count_diagnosis(self, kind: FailureType, disposition: Disposition) -> None:
        """Count the diagnosis of a new failure, in its counter and in the window of `unknown_ratio`."""
        self.diagnoses[kind, disposition].inc()
        if len(self._recent) == RECENT:
            self._unknown -= self._recent[0]
        self._recent.append(kind is FailureType.UNKNOWN)
        self._unknown += kind is FailureType.UNKNOWN

    def unknown_ratio(self) -> float:
        """Return the share of `unknown` among the newest failures; 0 before the first."""
        return self._unknown / max(1, len(self._recent))

    def kept_open(self) -> float:
        """Return accepted minus healed failures of this process; two readings differ by how many stayed open."""
        healed = sum(_value(child) for key, child in self.attempts.items() if key[2] is Result.SUCCESS)
        return _value(self.events[EventOutcome.ACCEPTED]) - healed

    def _create_intake(self, registry: CollectorRegistry) -> None:
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
        self.mended_events = Counter(
            "shw_mended_events",
            "Events with NUL or a piece of a character. Moves: a producer cuts texts; see `event_text_mended`.",
            registry=registry,
        )
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
        for diagnosis in product(FailureType, Disposition):
            self.diagnoses[diagnosis].inc(0)

    def _create_bindings(self, registry: CollectorRegistry) -> None:
        self.bindings_held = Gauge(
            "shw_dependency_bindings",
            "Dependencies of organisations that are replaced now. Above 0: `shw bindings` says by what and why.",
            registry=registry,
        )
        changes = Counter(
            "shw_dependency_binding_changes",
            "Changes of where calls go. `canary` rises again and again: a dependency flaps; raise `binding.steady`.",
            ["state"],
            registry=registry,
        )
        self.binding_changes = Children[BindingState, Counter](changes.labels)
        probes = Counter(
            "shw_dependency_probes",
            "Health calls to dependencies that are replaced. Only `ill`, for hours: tell its operator.",
            ["found"],
            registry=registry,
        )
        self.binding_probes = Children[bool, Counter](lambda well: probes.labels("well" if well else "ill"))
        for state in BindingState:
            self.binding_changes[state].inc(0)
        for well in (True, False):
            self.binding_probes[well].inc(0)

    def _create_definitions(self, registry: CollectorRegistry) -> None:
        changes = Counter(
            "shw_definition_changes",
            "Rewritten definitions, by what became of them. `rolled_back` moves: read the agent's patch and its event.",
            ["state"],
            registry=registry,
        )
        self.definition_changes = Children[DefinitionState, Counter](changes.labels)
        for state in DefinitionState:
            self.definition_changes[state].inc(0)

    def _create_runner_watches(self, registry: CollectorRegistry) -> None:
        runs = Counter(
            "shw_watched_runs",
            "Runs that watches of runners found. `told` rises without a producer's events: let it publish them too.",
            ["found"],
            registry=registry,
        )
        self.watched_runs = Children[WatchedRun, Counter](runs.labels)
        for found in WatchedRun:
            self.watched_runs[found].inc(0)
        self.watch_looks_refused = Counter(
            "shw_watch_looks_refused",
            "Looks of watches that an engine refused or did not answer. Moves: `runner_watch_refused` says which, why.",
            registry=registry,
        )
        self.watch_lag_seconds = Gauge(
            "shw_watch_lag_seconds",
            "How long the most belated watch is overdue. Rises: its engine is away, or `calls_a_minute` too low.",
            registry=registry,
        )

    def _create_catalog(self, registry: CollectorRegistry) -> None:
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
        # The only labels not from an enum: names that the operator and the strategies declare, so the set stays finite.
        missing = Counter(
            "shw_missing_context",
            "Fields that new failures lacked. Moves: tell the publisher; `shw check-event` shows what an event lacks.",
            ["source", "strategy", "field"],
            registry=registry,
        )
        self.missing_context = Children[tuple[str, StrategyName, str], Counter](lambda key: missing.labels(*key))

    def _create_heals(self, registry: CollectorRegistry) -> None:
        attempts = Counter(
            "shw_attempts",
            "Finished attempts. `failed` rises: the code says who has to act; `unknown`: a person must look at each.",
            ["failure_type", "strategy", "result", "code"],
            registry=registry,
        )
        self.attempts = Children[tuple[FailureType, StrategyName, Result, Code | None], Counter](
            lambda key: attempts.labels(*key[:3], key[3] or "")
        )
        for kind, strategy, (result, codes) in product(FailureType, StrategyName, ATTEMPT_ENDS.items()):
            for code in codes:
                self.attempts[kind, strategy, result, code].inc(0)
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
        for kind in FailureType:
            self.time_to_heal_seconds[kind]
        self._create_credits(registry)
        self.drift_findings = Counter(
            "shw_drift_findings",
            "Producers whose payloads keep needing the same repair. Moves: `shw drift` says whose, and the fix.",
            registry=registry,
        )

        own_faults = Counter(
            "shw_own_faults",
            "Heals put off for want of files, memory or processes here. Moves: `own_fault` in the log says what.",
            ["fault"],
            registry=registry,
        )
        self.own_faults = Children[OwnFault, Counter](own_faults.labels)
        for fault in OwnFault:
            self.own_faults[fault].inc(0)

    def _create_gates(self, registry: CollectorRegistry) -> None:
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

    def _create_commands(self, registry: CollectorRegistry) -> None:
        commands = Counter(
            "shw_commands",
            "Commands answered. `refused` moves: the log's `command_refused` says who and why.",
            ["command", "outcome"],
            registry=registry,
        )
        self.commands = Children[tuple[CommandName, CommandOutcome], Counter](lambda key: commands.labels(*key))
        for pair in product(CommandName, CommandOutcome):
            self.commands[pair].inc(0)
        letters = Counter(
            "shw_command_letters",
            "Records of the commands topic that nobody can be answered for. `not_authentic` moves: a key that is not "
            "listed, or somebody forges.",
            ["reason"],
            registry=registry,
        )
        self.command_letters = Children[PoisonReason, Counter](letters.labels)
        for reason in PoisonReason:
            self.command_letters[reason].inc(0)
        self.commands_stopped = Gauge(
            "shw_commands_stopped",
            "1 while no commands are read; healing goes on. Stays: `commands_stopped` in the log says what to mend.",
            registry=registry,
        )
        self.commands_wait_for_keys = Gauge(
            "shw_commands_wait_for_keys",
            "1 while commands wait for a JWK set that cannot be read: look at `SHW_COMMANDS__JWKS_URL`.",
            registry=registry,
        )
        self.commands_lag_records = Gauge(
            "shw_commands_lag_records",
            "Commands of this member's partitions without an answer yet. Stays above 0: the log says why.",
            registry=registry,
        )
        self.commands_lag_seconds = Gauge(
            "shw_commands_lag_seconds",
            "Age of the oldest command without an answer, over this member's partitions. Rises: as for the records.",
            registry=registry,
        )

        self.topics_stopped = Gauge(
            "shw_topics_stopped",
            "Topics of the catalog that are not read; all else goes on. Stays: `topic_stopped` in the log says why.",
            registry=registry,
        )
        self.topics_lag_records = Gauge(
            "shw_topics_lag_records",
            "Records of the catalog's topics, of this member's partitions, that are not durable yet.",
            registry=registry,
        )

    def _create_state(self, registry: CollectorRegistry) -> None:
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

    def _create_suspended(self, registry: CollectorRegistry) -> None:
        suspended = Gauge(
            "shw_suspended_heals",
            "Heals that wait for another system, without a slot. Rises alone: that system does not end its jobs.",
            ["strategy"],
            registry=registry,
        )
        self.suspended_heals = Children[StrategyName, Gauge](suspended.labels)
        suspended_oldest = Gauge(
            "shw_suspended_oldest_seconds",
            "How long the first of them has been suspended. Near the strategy's longest suspension: look at its job.",
            ["strategy"],
            registry=registry,
        )
        self.suspended_oldest_seconds = Children[StrategyName, Gauge](suspended_oldest.labels)
        for strategy in StrategyName:
            self.suspended_heals[strategy].set(0)
            self.suspended_oldest_seconds[strategy].set(0)

    def _create_pauses(self, registry: CollectorRegistry) -> None:
        pauses = Gauge(
            "shw_pauses",
            "Pauses in force (fleet), by the narrowest thing that each names. Stays above 0: nobody has resumed one.",
            ["reach"],
            registry=registry,
        )
        self.pauses = Children[ReachKind, Gauge](pauses.labels)
        for kind in ReachKind:
            self.pauses[kind].set(0)

    def _create_relapses(self, registry: CollectorRegistry) -> None:
        relapses = Counter(
            "shw_relapses",
            "Failures that came again on the same scope within the watch of a proven heal. Moves: heals do not last.",
            ["strategy"],
            registry=registry,
        )
        self.relapses = Children[StrategyName, Counter](relapses.labels)
        for strategy in StrategyName:
            self.relapses[strategy].inc(0)

    def _create_rewrites(self, registry: CollectorRegistry) -> None:
        rewrites = Counter(
            "shw_rewrites_asked",
            "Patches of workflows that a person was asked for, by what proposed them. The agent's share should fall.",
            ["by"],
            registry=registry,
        )
        self.rewrites = Children[RewriteAuthor, Counter](rewrites.labels)
        for author in RewriteAuthor:
            self.rewrites[author].inc(0)

        answers = Counter(
            "shw_agent_diagnoses",
            "What a model said of failures that no rule knew. `refused` or `unanswered` moves: read `agent_diagnosed`.",
            ["answer"],
            registry=registry,
        )
        self.agent_diagnoses = Children[DiagnosisAnswerKind, Counter](answers.labels)
        for kind in DiagnosisAnswerKind:
            self.agent_diagnoses[kind].inc(0)

    def _create_flow(self, registry: CollectorRegistry) -> None:
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

    def _create_health(self, registry: CollectorRegistry) -> None:
        Gauge(
            "shw_build_info",
            "Always 1; the labels say what runs. Several versions for long: a rolling deploy has got stuck.",
            ["version", "python"],
            registry=registry,
        ).labels(version(DISTRIBUTION), ".".join(map(str, sys.version_info[:3]))).set(1)
        ProcessCollector(registry=registry)
        self.database_up = Gauge(
            "shw_database_up",
            "1 while the database answers this process. 0: bring PostgreSQL back, restart nobody.",
            registry=registry,
        )
        self.kafka_up = Gauge(
            "shw_kafka_up",
            "1 while the brokers answer this process, as it last saw them. 0: bring Kafka back, restart nobody.",
            registry=registry,
        )

    def _create_process(self, registry: CollectorRegistry) -> None:
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
        self.rebuilds = Children[RebuiltClient, Counter](rebuilt.labels)
        for client in RebuiltClient:
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

    def _create_credits(self, registry: CollectorRegistry) -> None:
        held = Counter(
            "shw_credits_held_aud",
            "Credits held for heals that have ended. Far above shw_credits_spent_aud_total: lower its `allowance_aud`.",
            ["strategy"],
            registry=registry,
        )
        self.credits_held = Children[StrategyName, Counter](held.labels)
        spent = Counter(
            "shw_credits_spent_aud",
            "Credits that heals have spent, what was charged beyond their holds included.",
            ["strategy"],
            registry=registry,
        )
        self.credits_spent = Children[StrategyName, Counter](spent.labels)
        beyond = Counter(
            "shw_credits_beyond_hold_aud",
            "Charged beyond holds. Moves: a price is wrong; `credits_beyond_hold` in the log names the attempt.",
            ["strategy"],
            registry=registry,
        )
        self.credits_beyond_hold = Children[StrategyName, Counter](beyond.labels)
        approvals = Counter(
            "shw_approvals",
            "Plans that need a person's yes, by what happened. Asked grows and the others do not: nobody answers.",
            ["event"],
            registry=registry,
        )
        self.approvals = Children[ApprovalEvent, Counter](approvals.labels)
        for event in ApprovalEvent:
            self.approvals[event].inc(0)
        warnings = Counter(
            "shw_budget_warnings",
            "Wallets that fell to a threshold. Moves: the organisation has been warned; heals will wait for credits.",
            ["kind"],
            registry=registry,
        )
        self.budget_warnings = Children[BudgetWarningKind, Counter](warnings.labels)
        for kind in BudgetWarningKind:
            self.budget_warnings[kind].inc(0)
        for strategy in StrategyName:
            for counter in (self.credits_held, self.credits_spent, self.credits_beyond_hold):
                counter[strategy].inc(0)
        self.credit_debt = Gauge(
            "shw_credit_debt_aud",
            "Charged beyond holds, and not paid by wallets yet (fleet). Above 0: those organisations' heals wait.",
            registry=registry,
        )

    def _create_rows(self, registry: CollectorRegistry) -> None:
        self.records_aside = Gauge(
            "shw_records_aside",
            "Records whose organisation another application holds locked. Above 0: find the open transaction.",
            registry=registry,
        )
        self.locked_wallets = Gauge(
            "shw_locked_wallets",
            "Organisations whose heals wait because another application holds their wallet's row. Above 0: find it.",
            registry=registry,
        )
        self.too_large_rows = Counter(
            "shw_too_large_rows",
            "Members' rows given up unread, above `intake_member_limit`. Moves: a role inserts past the triggers.",
            registry=registry,
        )

    def _create_heartbeats(self, registry: CollectorRegistry) -> None:
        beats = Counter(
            "shw_heartbeats",
            "Heartbeats read. `refused` or `no_room` moves: the log's `heartbeat_refused` says whose and why.",
            ["outcome"],
            registry=registry,
        )
        self.heartbeats = Children[HeartbeatOutcome, Counter](beats.labels)
        for outcome in HeartbeatOutcome:
            self.heartbeats[outcome].inc(0)
        silences = Counter(
            "shw_silent_runs",
            "Runs beyond their deadline, by what looks at them said. Many `recovered`: the deadline is too short.",
            ["outcome"],
            registry=registry,
        )
        self.silences = Children[SilenceOutcome, Counter](silences.labels)
        for said in SilenceOutcome:
            self.silences[said].inc(0)
        self.live_runs = Gauge(
            "shw_live_runs",
            "Runs whose heartbeats this member reads. At SHW_HEARTBEATS__RUNS: further ones are dropped; raise it.",
            registry=registry,
        )
        self.heartbeats_stopped = Gauge(
            "shw_heartbeats_stopped",
            "1 while no heartbeats are read: no stall is seen. Stays: `heartbeats_stopped` in the log says why.",
            registry=registry,
        )
        self.heartbeats_behind_seconds = Gauge(
            "shw_heartbeats_behind_seconds",
            "How long ago this member's partitions were read to their end. Rises: no stall is seen meanwhile.",
            registry=registry,
        )

    def _create_api(self, registry: CollectorRegistry) -> None:
        refused = Counter(
            "shw_sign_ins_refused",
            "Requests to the API that were not signed in. `signature` moves: wrong secret, or forgery; see the log.",
            ["reason"],
            registry=registry,
        )
        self.sign_ins_refused = Children[SignInRefusal, Counter](refused.labels)
        for reason in SignInRefusal:
            self.sign_ins_refused[reason].inc(0)
        turned_away = Counter(
            "shw_api_turned_away",
            "Requests and connections beyond a limit of the API. Moves: the log names the address; raise it, or block.",
            ["limit"],
            registry=registry,
        )
        self.api_turned_away = Children[ApiLimit, Counter](turned_away.labels)
        for limit in ApiLimit:
            self.api_turned_away[limit].inc(0)
        self.api_connections = Gauge(
            "shw_api_connections",
            "Open connections of the API. At SHW_API__CONNECTIONS for long: look who keeps them; raise the limit.",
            registry=registry,
        )

    def forget_partition(self, partition: int) -> None:
        """Remove the lag series of a partition that is now assigned to another member: its value would go stale."""
        if self.consumer_lag_records.pop(partition, None) is not None:
            self._lag.remove(partition)
        if self.open_transaction_seconds.pop(partition, None) is not None:
            self._open_transactions.remove(partition)


def _value(counter: Counter) -> float:
    return next(
        sample.value for family in counter.collect() for sample in family.samples if sample.name.endswith("_total")
    )
