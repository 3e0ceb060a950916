"""What the demo's world believes."""

from uuid import uuid4

import pytest

from consumer.catalog import parse_catalog
from consumer.demo.catalog import ADDRESSED, demo_catalog
from consumer.ingest.foreign.webhooks import WebhookFormat


@pytest.mark.parametrize("source", [f"urn:shw-api:{form}" for form in WebhookFormat])
def test_what_is_posted_to_its_api_is_healed(source: str) -> None:
    catalog = parse_catalog(demo_catalog([1], {name: f"http://127.0.0.1:{n}" for n, name in enumerate(ADDRESSED, 1)}))
    policy = catalog.policy("mine.first")
    assert policy is not None
    assert catalog.source_refusal(source, uuid4(), "mine.first", policy) is None
