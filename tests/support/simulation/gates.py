"""Breakers, limits and credits as a model: `consumer/store/{breaker,limits,credits}.py` in plain values."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from consumer.errors import RefusedByDatabase
from consumer.model import AttemptId, FailureId, Health, MicroAud, OrgId, Rate
from consumer.settings import BreakerSettings
from consumer.store.breakers import (
    FORGET_OPEN_AFTER,
    BreakerRequest,
    BreakerStates,
    Probes,
    Verdicts,
    _to_wake,
    _trailing_strikes,
    choose_probes,
)
from consumer.store.rate_limits import Limited, allow
from consumer.store.wallets import ALL_HELD, EXHAUSTED, Hold, Wallet, admit
from schemas.names import Budget
from tests.support.simulation.loop import EPOCH


class Refused(RefusedByDatabase):
    """A CHECK or a unique index of the schema says no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """One row of `heal_breaker`."""

    org_id: OrgId
    dependency: str
    strikes: int
    struck_at: float
    opened_at: float | None = None
    failed_probes: int = 0
    probe_due: float | None = None
    probe: FailureId | None = None
    probe_until: float | None = None


@dataclass(slots=True, kw_only=True)
class Breakers:
    """The table; `now` is the database's clock."""

    now: Callable[[], float]
    rows: dict[str, Breaker] = field(default_factory=dict)

    def known(self, settings: BreakerSettings) -> BreakerStates:
        now, forget = self.now(), settings.forget.total_seconds()
        for key, row in list(self.rows.items()):
            forgotten = row.opened_at is None and row.struck_at < now - forget
            if forgotten or (row.probe_due is not None and row.probe_due < now - FORGET_OPEN_AFTER.total_seconds()):
                del self.rows[key]
        return BreakerStates(
            struck=frozenset(self.rows),
            unhealthy=frozenset(k for k, row in self.rows.items() if row.opened_at),
        )

    def admit_probes(self, asking: Sequence[BreakerRequest]) -> Probes:
        now = self.now()
        opened = {one.key: row for one in asking if (row := self.rows.get(one.key)) is not None and row.opened_at}
        probe_in = {
            key: (row.probe_due or 0) - now if (row.probe_until or float("-inf")) < now else None
            for key, row in opened.items()
        }
        probes, chosen = choose_probes(asking, probe_in)
        for one in chosen:
            until = now + one.window.total_seconds()
            self.rows[one.key] = replace(self.rows[one.key], probe=one.failure_id, probe_until=until)
        return probes

    def judge(self, said: Sequence[Health], settings: BreakerSettings) -> tuple[Verdicts, dict[str, float]]:
        """Give the verdicts, and when the next probe of those that are still ill is due."""
        if not said:
            return Verdicts(), {}
        well = sorted({one.key for one in said if one.healthy})
        closed = tuple(key for key in well if (row := self.rows.pop(key, None)) is not None and row.opened_at)
        struck = _trailing_strikes(said)
        opened = tuple(key for key in sorted(struck) if self._strike(key, *struck[key], settings))
        for key in {one.key for one in said if one.probe and one.healthy is False}:
            self._probe_failed(key, settings)
        silent = {one.key for one in said if one.probe and one.healthy is None}
        for key in silent & self.rows.keys():
            self.rows[key] = replace(self.rows[key], probe=None, probe_until=None)
        is_open = {k for k in struck.keys() | silent if k in self.rows and self.rows[k].opened_at is not None}
        wake = _to_wake(said, is_open, dict.fromkeys(closed, settings.first))
        due = {key: self.rows[key].probe_due or 0 for key in is_open}
        return Verdicts(opened=opened, closed=closed, struck=tuple(struck), wake=wake), due

    def _strike(self, key: str, one: Health, count: int, settings: BreakerSettings) -> bool:
        now, row = self.now(), self.rows.get(key)
        if row is None:
            row = Breaker(org_id=one.org_id, dependency=one.dependency, strikes=count, struck_at=now)
        else:
            before = 0 if row.struck_at < now - settings.forget.total_seconds() else row.strikes
            row = replace(row, strikes=before + count, struck_at=now)
        opens = row.opened_at is None and row.strikes >= settings.strikes
        if opens:
            row = replace(row, opened_at=now, probe_due=now + settings.probe_every.total_seconds())
        self.rows[key] = row
        return opens

    def _probe_failed(self, key: str, settings: BreakerSettings) -> None:
        row = self.rows.get(key)
        if row is not None and row.opened_at is not None:
            wait = settings.probe_every.total_seconds() * 2.0 ** min(row.failed_probes + 1, 20)
            self.rows[key] = replace(
                row,
                probe=None,
                probe_until=None,
                failed_probes=row.failed_probes + 1,
                probe_due=self.now() + min(settings.probe_cap.total_seconds(), wait),
            )


@dataclass(slots=True, kw_only=True)
class Rates:
    """`heal_rate`: when the same thing was healed last."""

    now: Callable[[], float]
    starts: dict[str, list[float]] = field(default_factory=dict)

    def admit(self, limited: Sequence[Limited]) -> dict[AttemptId, timedelta]:
        refused = {}
        now = EPOCH + timedelta(seconds=self.now())
        for one in limited:
            waits = [wait for rate in one.rates if (wait := self._wait(rate, now)) is not None]
            if waits:
                refused[one.attempt_id] = max(waits)
                continue
            for rate in one.rates:
                self.starts.setdefault(rate.key, []).append(self.now())
        return refused

    def _wait(self, rate: Rate, now: datetime) -> timedelta | None:
        return allow([EPOCH + timedelta(seconds=at) for at in self.starts.get(rate.key, [])], rate, now)


_EXHAUSTED = EXHAUSTED[Budget.TEXT]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of `token_usage_events`."""

    org_id: OrgId
    attempt_id: AttemptId | None
    phase: str | None
    """None of what was collected of a debt."""
    amount: int


@dataclass(slots=True, kw_only=True)
class Credits:
    """Wallets, lockouts and the ledger."""

    wallets: dict[OrgId, int]
    lockouts: dict[OrgId, str] = field(default_factory=dict)
    ledger: list[Entry] = field(default_factory=list)
    debts: dict[AttemptId, tuple[OrgId, int]] = field(default_factory=dict)

    def hold(
        self, holds: Iterable[Hold], held_by_others: Callable[[OrgId, frozenset[AttemptId]], int]
    ) -> tuple[Mapping[AttemptId, str], Mapping[OrgId, int]]:
        wanted = [hold for hold in holds if hold.amount > 0]
        self.collect({hold.org_id for hold in wanted})
        wallets = {org: Wallet(budget=left, lockout=self.lockouts.get(org)) for org, left in self.wallets.items()}
        admission = admit(wanted, wallets)
        for paid in admission.paid:
            self._enter(paid.org_id, paid.attempt_id, "hold", -paid.amount)
        refused = frozenset(admission.refused)
        short = {hold.org_id: hold for hold in wanted if admission.refused.get(hold.attempt_id) == _EXHAUSTED}
        gone = {org for org, hold in short.items() if wallets[org].budget + held_by_others(org, refused) < hold.amount}
        org_of = {hold.attempt_id: hold.org_id for hold in wanted}
        reasons = {
            attempt: ALL_HELD[Budget.TEXT] if reason == _EXHAUSTED and org_of[attempt] not in gone else reason
            for attempt, reason in admission.refused.items()
        }
        return reasons, admission.left

    def lock_out(self, org_id: OrgId, unpaid: int, held: int) -> None:
        if org_id in self.wallets and self.wallets[org_id] + held < unpaid:
            self.lockouts.setdefault(org_id, _EXHAUSTED)

    def give_back(self, org_id: OrgId, attempt: AttemptId, held: MicroAud, spent: MicroAud) -> None:
        if held > 0 and org_id in self.wallets:
            self._enter(org_id, attempt, "settle", held - min(spent, held))

    def owe(self, org_id: OrgId, attempt: AttemptId, beyond: int) -> None:
        if beyond > 0:
            self.debts[attempt] = (org_id, beyond + self.debts.get(attempt, (org_id, 0))[1])

    def collect(self, orgs: Collection[OrgId]) -> None:
        for attempt, (org_id, amount) in list(self.debts.items()):
            part = min(amount, self.wallets.get(org_id, 0)) if org_id in orgs else 0
            if part > 0:
                self._enter(org_id, None, None, -part)
                self.debts[attempt] = (org_id, amount - part)
                if part == amount:
                    del self.debts[attempt]

    def _enter(self, org_id: OrgId, attempt: AttemptId | None, phase: str | None, amount: int) -> None:
        if attempt and any((entry.attempt_id, entry.phase) == (attempt, phase) for entry in self.ledger):
            raise Refused(f"token_usage_events_once: {phase} of {attempt}")
        left = self.wallets[org_id] + amount
        if left < 0:
            raise Refused(f"token_wallets_never_negative: {left}")
        self.wallets[org_id] = left
        self.ledger.append(Entry(org_id=org_id, attempt_id=attempt, phase=phase, amount=amount))
