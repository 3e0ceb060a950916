"""`shw_report` with a function in Kafka's place, and the healer's own answer to what it sent."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import requests

import shw_report
from consumer.cli.check_event import check_event
from shw_report import publishing
from tests.support.patience import PATIENCE
from tests.support.report_cases import UNKNOWN_HOST

ORG: Final = "6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f"
SOURCE: Final = "urn:example:orders"
CATALOG: Final = f"""version: 1
sources: [{{source: "{SOURCE}", organisations: "*", workflows: ["orders.*"]}}]
workflows:
- name: orders.*
  hosts:
  - {{host: 127.0.0.1, ports: PORTS, schemes: [http, https], addresses: [127.0.0.0/8]}}
  - {{host: {UNKNOWN_HOST}, ports: [80], schemes: [http]}}
"""


@dataclass(slots=True, kw_only=True)
class Reported:
    """What a producer's process has published."""

    catalog: Path
    records: list[tuple[str, bytes | None, bytes, list[tuple[str, bytes]]]] = field(default_factory=list)

    def send(self, topic: str, key: bytes | None, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        """Stand in for Kafka."""
        self.records.append((topic, key, value, headers))

    def events(self) -> list[dict[str, Any]]:
        """Wait until all has gone, and return the events."""
        assert shw_report.flush(PATIENCE)
        return [json.loads(value) for _, _, value, _ in self.records]

    def event(self) -> dict[str, Any]:
        """Return the one event."""
        [event] = self.events()
        return event

    def context(self) -> dict[str, Any]:
        """Return the one event's context."""
        context: dict[str, Any] = self.event()["data"]["context"]
        return context

    def checked(self, ports: list[int]) -> dict[str, Any]:
        """Return what `shw check-event` says of the one event."""
        self.catalog.write_text(CATALOG.replace("PORTS", json.dumps(ports)))
        self.event()
        _, _, value, headers = self.records[0]
        return dict(check_event(value, headers, catalog=self.catalog, with_database=False))


@contextmanager
def reporting(folder: Path, **more: Any) -> Iterator[Reported]:  # noqa: ANN401 - as configure takes them
    """Configure it for one test, with all clients watched; nothing of it is left."""
    reported = Reported(catalog=folder / "catalog.yaml")
    with pytest.MonkeyPatch.context() as patch:
        for module, names in ((httpx, ("Client", "AsyncClient")), (requests, ("Session",))):
            for name in names:
                patch.setattr(getattr(module, name), "send", getattr(module, name).send)
            shw_report.watch(module)
        patch.setattr(publishing, "_outbox", None)
        patch.setattr(publishing, "_counts", dict.fromkeys(("published", "dropped", "broken"), 0))
        patch.setattr(publishing, "_told", set())
        patch.setattr(publishing, "_is_away", False)
        given: dict[str, Any] = {"source": SOURCE, "org_id": ORG, "producer": reported.send}
        shw_report.configure(**(given | more))
        outbox = publishing._outbox  # noqa: SLF001 - it ends with the test
        try:
            yield reported
        finally:
            if outbox is not None:
                outbox.close(0)
