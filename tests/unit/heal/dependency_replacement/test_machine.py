"""The binding's state machine under a virtual clock: outages, flapping, liars and lapsed leases; and its mutants."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest

from consumer.catalog.dependencies import BindingTimes
from consumer.heal.dependency_replacement import machine
from consumer.heal.dependency_replacement.machine import Ejection
from consumer.model.binding import REPLACED, Binding
from schemas.dependency_binding import BindingState
from tests.support.healing import NOW, ORG

TICK = timedelta(milliseconds=100)
TIMES = BindingTimes()
CANDIDATES = ("second", "third")
Ill = Callable[[float], bool]


@dataclass(slots=True)
class Run:
    """A dependency that is ill by a schedule, calls that come all the time, and probes while it is replaced."""

    ill: Ill
    lies: dict[str, Callable[[float], bool]] = field(default_factory=dict)
    binding: Binding | None = None
    seen: list[tuple[float, Binding]] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)
    to_dead: int = 0
    """Calls that went to the first while it was ill, other than the one that proved it and probes."""
    due: float = 0.0

    def play(self, seconds: float, *, probed: bool = True, calls: bool = True) -> "Run":
        for tick in range(int(seconds / TICK.total_seconds())):
            at = tick * TICK.total_seconds()
            now = NOW + timedelta(seconds=at)
            if calls:
                self._call(at, now)
            if probed and at >= self.due and self.binding is not None and self.binding.state is not BindingState.FIRST:
                self.probes.append(at)
                self.due = at + TIMES.probe_every.total_seconds()
                self._keep(at, machine.first_probed(self.binding, well=not self.ill(at), times=TIMES, now=now))
        return self

    def _call(self, at: float, now: datetime) -> None:
        binding = self.binding
        if binding is None or not binding.holds(now):
            idle = binding is not None and binding.idle_until is not None and now < binding.idle_until
            if idle:
                self.to_dead += self.ill(at)
            elif not self.ill(at):
                self._keep(at, machine.leave_alone(binding, ejection("", "well"), now + TIMES.steady, now))
            else:
                shunned = {} if binding is None else binding.shunned
                left = [name for name in CANDIDATES if name not in shunned or now >= shunned[name]]
                if left:
                    self._keep(at, machine.eject(binding, ejection(left[0]), TIMES, now))
            return
        name = str(binding.candidate)
        lies = name in self.lies and self.lies[name](at)
        self._keep(at, machine.candidate_answered(binding, name, good=not lies, times=TIMES, now=now))

    def _keep(self, at: float, binding: Binding) -> None:
        if self.binding is None or (binding.state, binding.candidate) != (self.binding.state, self.binding.candidate):
            self.seen.append((at, binding))
        self.binding = binding

    @property
    def switches(self) -> int:
        """How often the calls were sent elsewhere."""
        went = [one.candidate for _, one in self.seen]
        return sum(a != b for a, b in zip([None, *went], went, strict=False))

    def states(self) -> list[str]:
        return [str(one.state) for _, one in self.seen]

    def ejected(self) -> list[Binding]:
        return [one for _, one in self.seen if one.state is BindingState.CANARY]

    def since(self, state: BindingState) -> float:
        return next(at for at, one in self.seen if one.state is state)


def ejection(candidate: str, reason: str = "the health call was answered 503") -> Ejection:
    return Ejection(org_id=ORG, dependency="translate", workflow_name="w", candidate=candidate, reason=reason)


def outage(*spans: tuple[float, float]) -> Ill:
    return lambda at: any(begin <= at < end for begin, end in spans)


def flapping(period: float, until: float) -> Ill:
    return lambda at: at < until and int(at / period) % 2 == 0


# ---- the oracle: what has to hold of every run; the mutants below are found by it


def violations() -> Iterator[str]:  # noqa: C901, PLR0912 - one list of demands
    lease, steady, eject = (span.total_seconds() for span in (TIMES.lease, TIMES.steady, TIMES.eject))
    for span in (3.0, 60.0):
        run = Run(outage((0, span))).play(span + lease + 5)
        if run.states() != ["canary", "whole", "returning", "first"]:
            yield f"an outage of {span} s: {run.states()}"
            continue
        if run.to_dead:
            yield f"an outage of {span} s: calls to the dead one"
        well = max(span, eject)
        if not well <= run.since(BindingState.RETURNING) < run.since(BindingState.FIRST) <= span + lease:
            yield f"an outage of {span} s: it came back at {run.since(BindingState.FIRST)}"
        if run.since(BindingState.RETURNING) < span + steady or run.switches != 2:
            yield "it came back before it was steady"
        if run.since(BindingState.WHOLE) < (TIMES.canary - 1) * TICK.total_seconds():
            yield "all calls before the trial was over"
        if len(run.probes) > run.since(BindingState.FIRST) / TIMES.probe_every.total_seconds() + 1:
            yield "probed too often"
    if (run := Run(flapping(2, 60)).play(60)).switches > 3 or run.states() != ["canary", "whole"]:
        yield f"flapping every 2 s for a minute: {run.states()}"
    run = Run(flapping(16, 600)).play(600)
    if run.switches > 12 or max(one.ejections for _, one in run.seen) < 4:
        yield f"flapping slowly: {run.switches} switches"
    run = Run(outage((0, 20), (26, 60))).play(40)
    if "returning" not in run.states() or run.states()[-1] != "whole":
        yield f"ill again on its way back: {run.states()}"
    run = Run(outage((0, 300)), lies={"second": lambda _: True}).play(20)
    if [one.candidate for one in run.ejected()] != ["second", "third"] or run.states()[-1] != "whole":
        yield f"a liar on trial: {run.states()}"
    run = Run(outage((0, 300)), lies={"second": lambda at: at > 5}).play(20)
    if run.states()[:3] != ["canary", "whole", "first"] or run.seen[-1][1].candidate != "third":
        yield f"a candidate that begins to lie: {run.states()}"
    run = Run(outage((0, 300)), lies={"second": lambda at: 5 < at < 5.15}).play(20)
    if run.states() != ["canary", "whole"]:
        yield f"one lie of a candidate with all calls: {run.states()}"
    run = Run(outage((0, 300))).play(lease + 5, probed=False, calls=False)
    run.binding = machine.eject(None, ejection("second"), TIMES, NOW)
    if run.binding.holds(NOW + TIMES.lease) or not run.binding.holds(NOW + TIMES.lease - TICK):
        yield "a binding that nobody renews holds on"
    again = machine.eject(run.binding, ejection("second"), TIMES, NOW + TIMES.lease)
    if again.ejected_until - (NOW + TIMES.lease) != 2 * TIMES.eject:
        yield "an ejection in a row is no longer than the one before"
    free = replace(again, state=BindingState.FIRST, candidate=None)
    if machine.eject(free, ejection("second"), TIMES, NOW + TIMES.lease + TIMES.forgive).ejections != 1:
        yield "nothing is forgiven"
    if machine.eject(again, ejection("third"), TIMES, NOW + TIMES.lease + TICK).candidate != "second":
        yield "a binding that holds was replaced by another one"
    if [machine.most_replaced(n, 0.5) for n in (1, 2, 3, 4)] != [1, 1, 1, 2]:
        yield "more than a share is replaced"


def test_every_run_keeps_what_is_promised() -> None:
    assert list(violations()) == []


def test_a_dead_first_gets_one_probe_a_second_and_nothing_else() -> None:
    run = Run(outage((0, 60))).play(60)
    assert len(run.probes) <= 60
    assert run.to_dead == 0


def test_an_answer_of_another_candidate_or_of_a_lapsed_binding_says_nothing() -> None:
    bound = machine.eject(None, ejection("second"), TIMES, NOW)
    assert machine.candidate_answered(bound, "third", good=False, times=TIMES, now=NOW) is bound
    late = NOW + TIMES.lease
    assert machine.candidate_answered(bound, "second", good=False, times=TIMES, now=late) is bound


def test_the_share_of_the_candidate_follows_the_state() -> None:
    bound = machine.eject(None, ejection("second"), TIMES, NOW)
    shares = {state: machine.share_of(replace(bound, state=state), TIMES) for state in BindingState}
    assert shares == {"first": 0.0, "canary": 0.1, "whole": 1.0, "returning": 0.9}


# ---- mutants: each breaks one rule of the machine, and the oracle above has to find it


@contextmanager
def mutated(name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    with patch.object(machine, name, make(getattr(machine, name))):
        yield


def with_times(**changes: object) -> Callable[[Any], Any]:
    """The rule as if the catalog had declared other times."""

    def make(rule: Any) -> Any:  # noqa: ANN401 - any of the rules
        def changed(*given: Any, times: BindingTimes, **more: Any) -> Any:  # noqa: ANN401 - the same
            return rule(*given, times=times.model_copy(update=changes), **more)

        return changed

    return make


ZERO = timedelta(0)
MUTANTS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "comes back at the first good probe": ("first_probed", with_times(steady=ZERO)),
    "comes back before its time": ("_span", lambda _: lambda *__: ZERO),
    "ejections do not grow": ("_ejections", lambda _: lambda *__: 1),
    "ejections are never forgiven": (
        "_ejections",
        lambda _: lambda before, *__: 1 if before is None else before.ejections + 1,
    ),
    "the lease is not renewed": ("_renew", lambda _: lambda before, *__: before),
    "a trial of one call": ("candidate_answered", with_times(canary=1)),
    "a liar keeps its place": ("_dismiss", lambda _: lambda before, *__: before),
    "a liar is asked again at once": ("_dismiss", lambda rule: lambda *given: replace(rule(*given), shunned={})),
    "one lie is enough": ("FAILURES_IN_A_ROW", lambda _: 1),
    "many lies are not enough": ("FAILURES_IN_A_ROW", lambda _: 10**6),
    "ill again on its way back, and all the same": ("_probed_ill", lambda _: lambda before, *__: before),
    "an ill probe does not begin the wait anew": (
        "_probed_ill",
        lambda rule: lambda before, *more: before if before.state in REPLACED else rule(before, *more),
    ),
    "all goes back at once": (
        "_probed_well",
        lambda rule: (
            lambda before, times, now: rule(replace(before, state=BindingState.RETURNING, changed_at=NOW), times, now)
        ),
    ),
    "everything may be replaced": ("most_replaced", lambda _: lambda declared, _share: declared),
    "what holds is replaced": (
        "eject",
        lambda rule: (
            lambda before, *more: rule(
                None if before is None else replace(before, lease_until=before.changed_at), *more
            )
        ),
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_machine_that_breaks_a_rule_is_found(name: str) -> None:
    target, make = MUTANTS[name]
    with mutated(target, make):
        assert list(violations())
