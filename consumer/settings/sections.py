"""Settings of the service, read once from the environment (`SHW_KAFKA__BOOTSTRAP=...`), one class per section."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
)

from consumer.settings.addresses import check_bootstrap, check_dsn, check_key_url, read_dsn


def _parse_seconds(value: object) -> object:
    # Environment variables are strings, and ISO 8601 parsing would not read a plain "20" as seconds.
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


def _check_secret(secret: SecretStr | None) -> SecretStr | None:
    length = len(secret.get_secret_value().encode()) if secret is not None else 0
    if 0 < length < MIN_SECRET_BYTES:
        raise ValueError(
            f"it has {length} bytes, and HS256 needs {MIN_SECRET_BYTES} at least: a shorter one can be guessed"
        )
    return secret if length else None


MIN_SECRET_BYTES: Final = 32
_NUMBER = re.compile(r"\d+(\.\d+)?")
Seconds = Annotated[timedelta, BeforeValidator(_parse_seconds), Field(gt=timedelta(0))]
"""Seconds as a number, or an ISO 8601 duration such as PT0.5S."""

Topic = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
"""A topic's name, as Kafka allows it."""


class Section(BaseModel):
    """Base class of a settings section: frozen, and an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class KafkaSettings(Section):
    """Broker connection, consumer group and topics."""

    bootstrap: Annotated[str, AfterValidator(check_bootstrap)] = "127.0.0.1:9092"
    group_id: Annotated[str, Field(min_length=1)] = "self-healing-workflows"
    client_id: str = "shw"
    failures_topic: Topic = "workflow.failures"
    results_topic: Topic = "workflow.heal-results"
    dlq_topic: Topic = "workflow.failures.dlq"
    commands_topic: Topic = "maos.heal-commands"
    heartbeats_topic: Topic = "workflow.heartbeats"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = "PLAIN"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    sasl_token_file: Path | None = None
    """For OAUTHBEARER: read at each connection, so whoever renews the token writes it anew, and restarts nothing."""
    ssl_cafile: Path | None = None
    ssl_certfile: Path | None = None
    """This client's own certificate (mTLS), with its chain."""
    ssl_keyfile: Path | None = None
    idempotence: bool = True
    """Idempotent producer. Off only for the embedded broker, which does not support it."""
    session_timeout: Seconds = timedelta(seconds=10)
    """The broker evicts a dead member after this long; shorter makes a long garbage collection look like a death."""
    rebalance_timeout: Seconds = timedelta(seconds=30)
    """A member that drains longer than this on a rebalance is removed from the group."""
    max_poll_interval: Seconds = timedelta(minutes=5)
    request_timeout: Seconds = timedelta(seconds=20)
    max_message_bytes: Annotated[int, Field(ge=4096)] = 900_000
    """Size of a whole message: key, headers, value. A larger one is truncated before it is published. Below the
    broker's own limit of 1,048,588."""

    @property
    def own_topics(self) -> tuple[str, ...]:
        """The topics of this service: none of them is anybody else's to write records of another format to."""
        return self.failures_topic, self.results_topic, self.dlq_topic, self.commands_topic, self.heartbeats_topic

    def reading(self, topic: str, group_id: str) -> "KafkaSettings":
        """Return the same connection for a member that reads another topic, in a group of its own."""
        return self.model_copy(update={"failures_topic": topic, "group_id": group_id})


class PostgresSettings(Section):
    """Database connection: with the service's own role, which row-level security does not bind."""

    dsn: Annotated[SecretStr, AfterValidator(check_dsn)] = SecretStr("postgres://postgres@127.0.0.1:5432/postgres")
    pool_size: Annotated[int, Field(ge=4, le=100)] = 10
    """Intake, resume and the outbox sweeper hold one connection each at most, settle two; the rest serve the API and
    the effect gates."""
    statement_timeout: Seconds = timedelta(seconds=30)
    connect_timeout: Seconds = timedelta(seconds=10)
    pooler: Literal["none", "transaction"] = "none"
    """Connection pooler in front of the server: a pooler in transaction mode gives each transaction another session, so
    session state is lost."""

    @property
    def pooler_shares(self) -> bool:
        """Whether server sessions are shared with other connections (transaction pooling)."""
        return self.pooler == "transaction"

    def shown(self) -> str:
        """Return the connection URL without its password, for messages and logs."""
        parts = read_dsn(self.dsn.get_secret_value())
        user, hosts = parts["user"], parts["hosts"]
        at = hosts if "," in hosts or hosts.rpartition(":")[2].isdecimal() else f"{hosts}:5432"
        return f"{parts['scheme']}://{user}{'@' if user else ''}{at}{parts['path']}"


class IntakeSettings(Section):
    """Group commit of new failures, and the limits at which intake pauses."""

    max_rows: Annotated[int, Field(ge=1, le=5000)] = 1000
    """Batch size: so many rows share a transaction's round trips; beyond it, it gets longer and not cheaper per row."""
    max_bytes: Annotated[int, Field(ge=65_536)] = 8 * 1024 * 1024
    max_wait: Seconds = timedelta(milliseconds=50)
    """How long a poll waits for a first record; whatever has arrived by then is one batch."""
    max_event_bytes: Annotated[int, Field(ge=1024)] = 1024 * 1024
    """A larger event becomes a dead letter (truncated, with its digest)."""
    record_budget: Seconds = timedelta(seconds=5)
    """CPU time for reading one large record in a worker process; one that takes more becomes a dead letter. The worst
    that is known takes 1.5 s for 1 MiB."""
    open_rows_cap: Annotated[int, Field(ge=1)] = 1_000_000
    """Open failures in the database above which Kafka is paused: the backlog is safer in Kafka than in the tables."""
    open_bytes_cap: Annotated[int, Field(ge=1)] = 4 * 1024 * 1024 * 1024
    aside_rows: Annotated[int, Field(ge=2)] = 20_000
    """Records set aside because another application holds their organisation's row locked; beyond, dead letters."""
    aside_bytes: Annotated[int, Field(ge=2 * 1024 * 1024)] = 256 * 1024 * 1024
    resume_below: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Hysteresis: intake resumes below this part of the cap. Pausing drops prefetched records, so it must not flap."""
    sample_every: Seconds = timedelta(seconds=2)
    """How often open rows and bytes are counted; leave room in the caps for what arrives in between."""


class DeadLetterLimitSettings(Section):
    """Intake breaker: pauses intake when dead letters flood in from most sources (our fault), not from one alone."""

    sources: Annotated[int, Field(ge=1)] = 3
    """Minimum number of sources that must have fallen silent, with dead letters in their names. Fewer are those
    sources' own deploys; bare JSON of one topic is one source."""
    organisations: Annotated[int, Field(ge=1)] = 3
    letters: Annotated[int, Field(ge=1)] = 30
    """Minimum number of dead letters as well: a handful is no flood, and `shw dlq replay` brings them back."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Part of the usually accepted sources that must have fallen silent. Half would be an evening's lull."""
    expected: Annotated[int, Field(ge=1)] = 30
    """Organisations (each once a beat) that should have been heard before their silence is statistically significant:
    with 30, six or fewer are heard by chance once in eight million times."""
    beat: Seconds = timedelta(seconds=10)
    """Length of a counting interval for accepted sources; the same in every replica."""
    longest: Seconds = timedelta(minutes=15)
    """Longest silence that is evaluated: a fleet so quiet that its silence shows only later than this has no flood
    either."""
    usual: Seconds = timedelta(hours=1)
    """Baseline: past time, only while some process was reading, from which the usual rate is computed."""
    probe_every: Seconds = timedelta(minutes=1)
    """While paused, one process reads a small batch this often as a probe; its outcome may end the pause."""
    probe_records: Annotated[int, Field(ge=1, le=5000)] = 20
    """Enough to see several sources, few enough that refusing them costs little."""


class HealSettings(Section):
    """Concurrency of heals, and how long a claim holds."""

    slots: Annotated[int, Field(ge=1, le=10_000)] = 2000
    """Concurrent heals: a batch, the reserve, and as much again. Each may have a socket, so the limit of open files is
    raised to it."""
    resume_share: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """Part of the slots reserved for failures that are due again, which new failures may not take."""
    organisation_share: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Fairness: share that one organisation may have of the slots that it holds and that are free: a second greedy one
    gets 9 %."""
    slot_stall: Seconds = timedelta(milliseconds=250)
    """Without a slot freed for this long, intake stores failures without healing them at once."""
    slot_wait: Seconds = timedelta(milliseconds=500)
    """Longest time that intake waits for slots while some are being freed."""
    lease: Seconds = timedelta(seconds=15)
    """Lease duration: a process that has not renewed for this long counts as dead. It is renewed three times in it."""
    settle_rows: Annotated[int, Field(ge=1, le=5000)] = 1000
    foreign_state: Seconds = timedelta(hours=1)
    """How long a heal whose state this release cannot read is left to another release; then it waits for a person."""
    waiter_retry: Seconds = timedelta(seconds=30)
    """Fallback poll of a failure that waits for another's scope, in case the wake-up is missed."""


class BreakerSettings(Section):
    """Circuit breaker of a dependency: when it opens, and how it is probed."""

    first: Annotated[int, Field(ge=1, le=1000)] = 10
    """Slow start: concurrent heals of one dependency until they succeed; each success allows one more."""
    strikes: Annotated[int, Field(ge=1, le=1000)] = 5
    """Consecutive heals, over all replicas, without a healthy answer, after which the breaker opens."""
    probe_every: Seconds = timedelta(seconds=5)
    """Delay of the first probe after the breaker opened; doubled by each probe that fails."""
    probe_cap: Seconds = timedelta(minutes=2)
    """Longest delay between two probes: how long a recovery may stay unnoticed."""
    forget: Seconds = timedelta(minutes=10)
    """A strike this long after the one before is not counted as consecutive."""


class ResumeSettings(Section):
    """Polling of the database for failures that are due, and for claims whose owner is dead."""

    interval: Seconds = timedelta(seconds=1)
    batch: Annotated[int, Field(ge=1, le=5000)] = 200
    per_organisation: Annotated[int, Field(ge=1)] = 50
    hide: Seconds = timedelta(seconds=15)
    """How long a picked failure is hidden from further picks; if its process dies between pick and start, it is found
    after that. Planning takes milliseconds, and a start that comes too late finds the failure claimed."""


class OutboundSettings(Section):
    """What one organisation, and each source of it, may have this process call and send; more is put off."""

    calls_per_second: Annotated[float, Field(gt=0)] = 500
    """Rate at which calls refill: ten times what an organisation that heals in earnest makes for long."""
    calls_burst: Annotated[float, Field(ge=1)] = 30_000
    """Calls at once, before that rate counts."""
    bytes_per_second: Annotated[float, Field(gt=0)] = 1024 * 1024
    """Rate at which bytes refill that are sent beyond what the event itself brought: answers that are handed over."""
    bytes_burst: Annotated[float, Field(ge=1)] = 64 * 1024 * 1024
    """Such bytes at once: a dozen of the largest answers."""


class ApiSettings(Section):
    """HTTP server of the process: API, health and metrics."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """0 takes a free port."""
    jwt_secret: Annotated[SecretStr | None, AfterValidator(_check_secret)] = None
    """Key that signs the platform's tokens (HS256), of 32 bytes at least. Without it, and without a key set, the
    healing endpoints answer 503; metrics and health serve."""
    jwks_url: Annotated[str | None, AfterValidator(check_key_url)] = None
    """JWK set with the public keys that sign the platform's tokens (RS256, ES256, EdDSA)."""
    jwks_file: Path | None = None
    """The same as a file, instead of the URL."""
    jwt_audience: Annotated[str | None, BeforeValidator(lambda value: value or None)] = "authenticated"
    """Required `aud` claim of a token; empty accepts any."""
    jwt_issuer: Annotated[str | None, BeforeValidator(lambda value: value or None)] = None
    """Required `iss` claim of a token; empty accepts any."""
    jwt_role: Annotated[str, Field(min_length=1)] = "authenticated"
    """The one `role` claim that is a signed-in user's; a token without the claim is taken for one."""
    trusted_proxies: str | None = None
    """Addresses and networks (with commas) whose X-Forwarded-For is believed; without it: nobody's."""
    connections: Annotated[int, Field(ge=16, le=100_000)] = 1280
    """Open connections at most. Fewer where the limit of open files leaves no room for them beside the heals."""
    connections_per_address: Annotated[int, Field(ge=1, le=100_000)] = 1024
    """Of one address; a trusted proxy's count as one."""
    header_timeout: Seconds = timedelta(seconds=10)
    """For a whole head of a request, from its connection or its first byte on."""
    body_timeout: Seconds = timedelta(seconds=10)
    request_timeout: Seconds = timedelta(seconds=15)
    """For the work on a request, and again for its answer to be taken; a heal has `heal_wait` besides."""
    keep_alive: Seconds = timedelta(seconds=15)
    max_body_bytes: Annotated[int, Field(ge=1024, le=1024 * 1024)] = 64 * 1024
    """The largest request is a webhook that tells of many failures."""
    address_rate: Annotated[float, Field(gt=0)] = 5.0
    """Refused or anonymous requests a second of one address (an IPv6 network of 64 bits); those beyond get a 429."""
    address_burst: Annotated[int, Field(ge=1)] = 100
    user_rate: Annotated[float, Field(gt=0)] = 100.0
    """Requests a second of one user."""
    user_burst: Annotated[int, Field(ge=1)] = 2000
    """Enough for a thousand at once for a heal of one failure: they share one."""
    streams: Annotated[int, Field(ge=0, le=50_000)] = 500
    """Viewers of what moves (`GET /api/healing/stream`, and open pages) at most, and no more than half of the
    connections; those beyond get a 429, and open pages ask from time to time instead."""
    streams_per_organisation: Annotated[int, Field(ge=0, le=50_000)] = 200
    streams_per_address: Annotated[int, Field(ge=0, le=50_000)] = 200
    stream_for: Seconds = timedelta(minutes=5)
    """How long one stream lasts: whoever comes back is asked anew what they may see."""
    heal_wait: Seconds = timedelta(seconds=10)
    """How long POST /api/healing/heal waits for the attempt before it answers 202."""
    loop_stall: Seconds = timedelta(seconds=15)
    """Liveness: /healthz fails when the event loop has not turned for this long."""
    in_flight_stall: Seconds = timedelta(minutes=15)
    """Liveness: /healthz fails when a heal has been in flight for this long: every one is bounded well below."""
    step_stall: Seconds = timedelta(minutes=5)
    """Liveness: /healthz fails when one step of a loop (a transaction, a poll, a send) takes this long: each is bounded
    to about a minute, also while Kafka or PostgreSQL is away."""
    unassigned_stall: Seconds = timedelta(minutes=5)
    """Liveness: /healthz fails when this member has been out of its group, has read nothing of what waits, or could not
    commit, for this long while Kafka answers others."""

    @property
    def longest_request(self) -> timedelta:
        """How long a whole request may take, from its body to the end of the work on it."""
        return self.request_timeout + self.heal_wait + self.body_timeout
