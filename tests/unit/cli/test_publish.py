import io
import json
import uuid
from datetime import UTC, datetime

import pytest

from consumer.cli.publish import PublishOptions, Ready, UnfitEvent, publish, ready
from consumer.errors import ConfigError
from consumer.ingest.decode import event_failure_id
from schemas.envelope import Form, parse

ORG = uuid.UUID(int=7)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
DATA = {"org_id": str(ORG), "workflow_name": "w", "failure_reason": "timeout", "context": {"n": 2**70}, "more": 1}


def _manner(
    form: Form = Form.STRUCTURED, source: str | None = None, event_id: str | None = None, key: str | None = None
) -> PublishOptions:
    return PublishOptions(form=form, source=source, event_id=event_id, key=key)


def _ready(event: object, manner: PublishOptions) -> Ready:
    made = ready(json.dumps(event).encode(), manner, "failures", NOW)
    assert isinstance(made, Ready)
    return made


@pytest.mark.parametrize("form", list(Form))
def test_an_event_of_each_form_is_read_back_as_it_was(form: Form) -> None:
    made = _ready(DATA, _manner(form))
    found = parse(made.record.value, made.record.headers)
    assert found.form is form
    assert found.data == DATA


def test_the_failure_s_id_is_told_before_the_service_has_seen_it() -> None:
    made = _ready(DATA, _manner(source="urn:me", event_id="e1"))
    assert made.told == {"id": "e1", "failure_id": str(event_failure_id(ORG, "urn:me", "e1"))}
    assert _ready(DATA, _manner(Form.BARE)).told == {"id": None, "failure_id": None}


def test_a_cloudevent_keeps_its_id_source_and_extensions() -> None:
    event = {"specversion": "1.0", "id": "e", "source": "urn:s", "type": "workflow.failure.v1", "region": "eu"}
    made = _ready(event | {"data": DATA}, _manner(Form.BINARY))
    found = parse(made.record.value, made.record.headers)
    assert (found.id, found.source, found.extensions) == ("e", "urn:s", {"region": "eu"})


@pytest.mark.parametrize(
    ("context", "given", "key"),
    [
        ({"run": {"id": "r1"}}, None, b"r1"),
        ({"run": {"id": 17}}, None, b"17"),
        ({"run": {"id": ""}}, None, str(ORG).encode()),
        ({"run": "r1"}, None, str(ORG).encode()),
        ({}, None, str(ORG).encode()),
        ({"run": {"id": "r1"}}, "mine", b"mine"),
    ],
)
def test_the_key_is_the_given_one_or_the_run_or_the_organisation(
    context: dict[str, object], given: str | None, key: bytes
) -> None:
    assert _ready(DATA | {"context": context}, _manner(key=given)).record.key == key


def test_what_would_be_a_dead_letter_is_not_sent_and_says_why() -> None:
    made = ready(b'{"org_id": 5}', _manner(), "failures", NOW)
    assert isinstance(made, UnfitEvent)
    assert made.reason.startswith("wrong_shape: data.org_id")


def test_a_bare_event_cannot_have_an_id() -> None:
    with pytest.raises(ConfigError, match="neither source nor id"):
        publish(io.BytesIO(b""), _manner(Form.BARE, event_id="e"))
