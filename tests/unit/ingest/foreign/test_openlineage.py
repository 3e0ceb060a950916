"""Real events of Airflow, and ones as Spark and dbt send them: what becomes of them as a failure."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from consumer.catalog import parse_catalog
from consumer.catalog.topics import DeclaredTopic, ForeignFormat
from consumer.ingest.decode import AdmissionRules
from consumer.ingest.foreign.roll_ups import roll_ups
from consumer.ingest.foreign.translate import as_event
from consumer.model import Failure, Record
from schemas.names import PoisonReason
from tests.support.foreign_records import part, translated
from tests.support.paths import ROOT
from tests.support.pipeline import catalog

ORG = UUID("9b1f3c52-6a55-4d1e-9a43-0a5d4c7b1e10")
TOPIC = DeclaredTopic(topic="lineage", format=ForeignFormat.OPENLINEAGE, organisations={"res": ORG, "spark-*": ORG})
TOPICS = {"lineage": TOPIC}
RULES = AdmissionRules(catalog=parse_catalog(catalog()), max_event_bytes=100_000)
SAMPLES = ROOT / "tests" / "data" / "foreign"


def sample(name: str) -> bytes:
    return Path(SAMPLES / f"openlineage_{name}.json").read_bytes()


def record(value: bytes | None) -> Record:
    return Record(topic="lineage", partition=0, offset=7, timestamp_ms=1, key=b"run:res", value=value, headers=())


def failure_of(value: bytes) -> Failure:
    return translated(record(value), TOPICS, RULES)


def run_event(kind: str = "FAIL", **changes: Any) -> bytes:  # noqa: ANN401 - JSON is anything
    whole: dict[str, Any] = {
        "eventType": kind,
        "eventTime": "2026-03-01T12:00:00Z",
        "job": {"namespace": "spark-prod", "name": "nightly"},
        "run": {"runId": "01a2258d-a84d-7c83-8659-3346ed70e069"},
    }
    return json.dumps(whole | changes).encode()


def test_a_failed_task_of_airflow() -> None:
    found = failure_of(sample("fail_task"))
    assert (found.workflow_name, found.source, found.org_id) == ("heal_me", "urn:openlineage:res", ORG)
    run = found.context["run"]
    assert run == {"id": "run-1795926370", "step": "charge", "epoch": 1, "status": "failed"}
    assert found.failure_reason.startswith("invalid amount 'forty-two': not of type integer")
    assert part(found, "error")["message"] == "invalid amount 'forty-two': not of type integer"
    assert found.detected_at == datetime(2026, 11, 29, 4, 26, 20, 67464, UTC)
    assert found.redactions == ()
    assert found.id == failure_of(sample("fail_task")).id


def test_a_task_that_never_started_is_told_by_the_scheduler() -> None:
    found = failure_of(sample("fail_task_never_started"))
    assert found.context["run"] == {"id": "run-1795926250", "step": "first", "epoch": 1, "status": "failed"}
    assert "reported that the task instance" in found.failure_reason


def test_a_dag_run_alone_names_the_one_task_that_failed() -> None:
    found = failure_of(sample("fail_dag_run"))
    assert found.context["run"] == {"id": "run-1795926250", "step": "first", "status": "failed"}
    assert found.failure_reason == "task_failure\nfailed: first"


def test_a_dag_run_is_a_roll_up_of_its_failed_task() -> None:
    task, whole, other = map(failure_of, map(sample, ("fail_task_never_started", "fail_dag_run", "fail_task")))
    assert roll_ups([task, whole, other]) == {whole.id}
    assert roll_ups([whole, task]) == {whole.id}
    assert roll_ups([whole, other]) == frozenset()


def of_run(run_id: str, *parents: str, kind: str = "FAIL") -> Failure:
    """The failure of a run of Spark, which is a part of others."""
    above: dict[str, Any] = (
        {"job": {"namespace": "res", "name": "whole"}, "run": {"runId": parents[0]}} if parents else {}
    )
    if len(parents) > 1:
        above["root"] = {"job": {"namespace": "res", "name": "root"}, "run": {"runId": parents[1]}}
    facets = {"parent": above} if parents else {}
    return failure_of(run_event(kind, run={"runId": run_id, "facets": facets}))


def test_of_runs_that_claim_to_be_parts_of_each_other_one_stays() -> None:
    first, second, third = of_run("a", "b"), of_run("b", "a"), of_run("c", "a", "b")
    assert roll_ups([first, second]) == {second.id}
    assert roll_ups([second, first]) == {first.id}
    assert roll_ups([first, second, third]) == {first.id, second.id}
    ring = [of_run("a", "b"), of_run("b", "c"), of_run("c", "a")]
    assert len(roll_ups(ring)) == 2
    assert roll_ups([of_run("a", "a")]) == frozenset()


def test_the_whole_of_a_whole_is_dropped_too() -> None:
    job, application, pipeline = of_run("job", "app"), of_run("app", "pipe"), of_run("pipe")
    assert roll_ups([pipeline, application, job]) == {pipeline.id, application.id}


def test_what_its_engine_can_run_again_is_no_roll_up_of_what_it_started() -> None:
    task = failure_of(sample("fail_task"))
    known = replace(task, run_key=b"k")
    assert task.lineage is not None
    part_of_it = of_run("job", str(part(task, "lineage")["run_id"]))
    assert roll_ups([task, part_of_it]) == {task.id}
    assert roll_ups([known, part_of_it]) == frozenset()


def test_a_run_that_failed_and_was_aborted_is_one_event() -> None:
    assert of_run("a").id == of_run("a", kind="ABORT").id != of_run("b").id


@pytest.mark.parametrize("kind", ["START", "RUNNING", "COMPLETE", "OTHER", "complete"])
def test_what_tells_of_no_failure_is_passed_over(kind: str) -> None:
    assert as_event(record(run_event(kind)), TOPICS, 100_000) is None
    assert as_event(record(json.dumps({"dataset": {}, "eventTime": "x"}).encode()), TOPICS, 100_000) is None


def test_an_aborted_spark_application_names_its_cause() -> None:
    stack = (
        "org.apache.spark.SparkException: Job aborted due to stage failure\n\tat org.apache.spark.scheduler.DAG(1)\n"
        "Caused by: java.io.IOException: No space left on device\n\t... 12 more"
    )
    facets = {
        "errorMessage": {"message": "Job aborted", "programmingLanguage": "JAVA", "stackTrace": stack},
        "parent": {"run": {"runId": "root-1"}, "job": {"namespace": "spark-prod", "name": "nightly"}},
    }
    found = failure_of(
        run_event(
            "ABORT",
            job={"namespace": "spark-prod", "name": "nightly.execute_insert"},
            run={"runId": "r-2", "facets": facets},
            inputs=[{"namespace": "s3", "name": "orders"}],
        )
    )
    assert found.failure_reason == "Job aborted\njava.io.IOException: No space left on device"
    assert found.context["error"] == {"type": "java.io.IOException", "message": "Job aborted"}
    assert found.context["run"] == {"id": "root-1", "step": "execute_insert", "status": "failed"}
    assert part(found, "lineage")["inputs"] == ["orders"]


def test_a_failure_without_a_message_says_so() -> None:
    assert failure_of(run_event()).failure_reason == "the run failed, and its event says nothing of why"
    assert failure_of(run_event("ABORT")).failure_reason == "the run was aborted"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(None, PoisonReason.NOT_JSON, id="no value"),
        pytest.param(b"\x00\x00\x00\x00\x07avro", PoisonReason.NOT_JSON, id="no JSON"),
        pytest.param(b"[" * 99_000, PoisonReason.TOO_DEEP, id="brackets"),
        pytest.param(b"[]", PoisonReason.WRONG_SHAPE, id="a list"),
        pytest.param(b"{}", PoisonReason.WRONG_SHAPE, id="nothing"),
        pytest.param(run_event("EXPLODE"), PoisonReason.WRONG_SHAPE, id="another type"),
        pytest.param(run_event(job=None), PoisonReason.WRONG_SHAPE, id="no job"),
        pytest.param(run_event(job={"namespace": "res", "name": 7}), PoisonReason.WRONG_SHAPE, id="a name of numbers"),
        pytest.param(run_event(run=[]), PoisonReason.WRONG_SHAPE, id="a run that is a list"),
        pytest.param(run_event(eventTime="yesterday"), PoisonReason.BAD_TIME, id="no time"),
        pytest.param(run_event(job={"namespace": "res", "name": "x" * 600}), PoisonReason.TOO_LARGE, id="a long name"),
        pytest.param(
            run_event(job={"namespace": "other", "name": "x"}), PoisonReason.SOURCE_NOT_ALLOWED, id="whose it is"
        ),
    ],
)
def test_what_is_no_event_is_a_letter_with_its_reason(value: bytes | None, reason: PoisonReason) -> None:
    event = as_event(record(value), TOPICS, 100_000)
    assert event is not None
    assert event.value == value
    assert event.fault is not None
    assert event.fault.reason is reason, event.fault


@pytest.mark.parametrize("where", ["errorMessage", "airflow", "airflowDagRun", "airflowState", "parent"])
@pytest.mark.parametrize(
    "junk",
    [
        None,
        7,
        "text",
        [],
        [1],
        {},
        {"run": 7},
        {"dag": []},
        {"tasksState": {"a": []}},
        {"taskInstance": {"try_number": True}},
    ],
    ids=str,
)
def test_a_facet_of_another_shape_is_left_out(where: str, junk: object) -> None:
    found = failure_of(run_event(run={"runId": "r", "facets": {where: junk}}))
    assert found.workflow_name == "nightly"
    assert part(found, "run")["id"] == "r"
