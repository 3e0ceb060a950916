"""The failure of a silent run: one id for one silence, a text that is diagnosed as a stall, and its evidence."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from consumer.catalog import parse_catalog
from consumer.diagnose import diagnose
from consumer.heartbeats.looks import look_without_runner
from consumer.heartbeats.stall import Stall, stall_message
from consumer.ingest.decode import AdmissionRules, decode
from consumer.model import Failure, Record
from consumer.model.live_run import LiveRun, PartitionRead
from schemas.names import FailureType
from tests.support.heartbeats import beat
from tests.support.pipeline import catalog

CATALOG = parse_catalog(catalog())
HEARD = 1_773_489_600.0
SECOND_LOOK = datetime.fromtimestamp(HEARD + 40, UTC)


def stall(heard: float = HEARD, allowed: float = 30.0, epoch: int | None = 1) -> Stall:
    run = LiveRun(beat=beat(epoch=epoch, offset=7), heard=heard, allowed=allowed)
    looks = look_without_runner(SECOND_LOOK - timedelta(seconds=5)), look_without_runner(SECOND_LOOK)
    return Stall(run=run, runner=None, looks=looks, read=PartitionRead(partition=0, offset=8, up_to=HEARD + 39))


def test_one_silence_has_one_id_whoever_tells_it_and_whatever_its_deadline_is_by_then() -> None:
    assert stall().event_id == stall(allowed=45.0).event_id
    assert stall().event_id != stall(heard=HEARD + 60).event_id
    assert stall().event_id != stall(epoch=2).event_id
    assert stall().event_id != replace(stall(), runner="prefect").event_id


def test_its_event_comes_in_as_any_and_is_diagnosed_as_a_stall() -> None:
    told = stall()
    message = stall_message(told, "failures", "heartbeats")
    record = Record(
        topic="failures",
        partition=0,
        offset=0,
        timestamp_ms=1,
        key=message.key,
        value=message.body,
        headers=message.headers,
    )
    failure = decode(record, AdmissionRules(catalog=CATALOG, max_event_bytes=1_000_000), SECOND_LOOK)
    assert isinstance(failure, Failure)
    assert failure.id == told.failure_id
    assert failure.org_id == UUID(int=1)
    assert failure.context["run"] == {
        "id": "run-1", "status": "executing", "heartbeat": "2026-03-14T12:00:00Z", "step": "fetch", "epoch": 1,
    }  # fmt: skip
    evidence = failure.context["stall"]
    assert isinstance(evidence, dict)
    assert isinstance(evidence["looks"], list)
    assert evidence["watermark"] == {
        "topic": "heartbeats", "partition": 0, "offset": 8, "read_up_to": "2026-03-14T12:00:39Z",
    }  # fmt: skip
    assert len(evidence["looks"]) == 2
    assert diagnose(failure.failure_reason, failure.context).failure_type is FailureType.WORKFLOW_STALL
