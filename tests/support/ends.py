"""One ended heal of each kind, as settlements: what the tables and the wire have to take."""

from dataclasses import replace
from datetime import timedelta

from consumer.catalog import WorkflowPolicy
from consumer.model import (
    Claim,
    Crashed,
    Evidence,
    Heal,
    Healed,
    Intent,
    MicroAud,
    NotHealed,
    Outcome,
    Proof,
    Recovered,
    Refused,
    RetryLater,
    Scope,
    Settlement,
    Trace,
    Unknown,
    attempt_id,
)
from consumer.results.events import Outlet
from consumer.results.settlement import FinishedHeal, settle_heal
from schemas.names import Code, Effect, StrategyName, Verdict
from tests.support.healing import NOW, diagnosis, failure

OUTLET = Outlet(results_topic="results", dlq_topic="dlq", max_bytes=900_000)
PASSED = Proof(oracle="json_schema", verdict=Verdict.PASSED, detail="valid")
HANDED_OVER = Proof(oracle="handover", verdict=Verdict.PASSED, detail="answered 200")
RECOVERED = Recovered(
    status=200,
    headers={"content-type": "application/json"},
    body={"id": 7, "names": ["ä", None]},
    size=31,
    digest="sha256:" + "0a" * 32,
    truncated=False,
)
FAILURE = replace(
    failure({"note": 1}), trace=Trace(traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
)
DIAGNOSIS = replace(
    diagnosis(),
    evidence=(Evidence(source="failure_reason", text="timed out", rule="words.timeout", weight=1.0),),
    confidence=0.83,
)

OUTCOMES: dict[str, Outcome] = {
    "healed": Healed(
        proofs=(PASSED, HANDED_OVER),
        recovered=RECOVERED,
        details={"tries": [{"n": 1, "status": 200}]},
        spent=MicroAud(1),
    ),
    "not healed": NotHealed(code=Code.NOT_HEALED, reason="503 three times", proofs=(PASSED,), details={"handover": []}),
    "unverified": NotHealed(code=Code.UNVERIFIED, reason="no oracle"),
    "asked to wait": RetryLater(after=timedelta(seconds=90), reason="Retry-After"),
    "missing context": Refused(code=Code.MISSING_CONTEXT, reason="lacks", missing=("context.request.url",)),
    "no credits": Refused(code=Code.INSUFFICIENT_CREDITS, reason="Text budget exhausted"),
    "crashed": Crashed(reason="auto-retry crashed: ValueError"),
    "unknown": Unknown(reason="died in it", proofs=(PASSED,), details={"tries": []}),
}


PLAN = Heal(
    strategy=StrategyName.AUTO_RETRY,
    intent=Intent(scope=Scope("org:test:1"), effect=Effect.NONE, window=timedelta(seconds=30)),
    hold=MicroAud(50_000),
    catalog_version="0123456789ab",
)


def ended(outcome: Outcome, *, step: int = 0, made: int = 0) -> FinishedHeal:
    failed = replace(FAILURE, step=step, attempts=made)
    claim = Claim(attempt_id=attempt_id(failed.id, step), step=step, held=MicroAud(50_000), deadline=0.0)
    return FinishedHeal(
        failure=failed,
        diagnosis=DIAGNOSIS,
        strategy=StrategyName.AUTO_RETRY,
        plan=PLAN,
        claim=claim,
        outcome=outcome,
        attempted_at=NOW,
        finished_at=NOW + timedelta(seconds=2),
    )


def settlement(outcome: Outcome, *, step: int = 0, made: int = 0, outlet: Outlet = OUTLET) -> Settlement:
    policy = WorkflowPolicy(name="*", attempts=3)
    return settle_heal(ended(outcome, step=step, made=made), policy, 0.5, outlet)
