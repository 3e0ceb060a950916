"""Catalog and settings of the demo's healer: allowed hosts, and short limits, so that a crash is over in seconds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml

from consumer.demo.assets import asset_entries
from consumer.demo.billing import LEDGER, PROCESSOR, billing_account, billing_entry
from consumer.demo.refunds import refund_entries
from consumer.demo.rewrites import SERVICE as BOOKINGS
from consumer.demo.rewrites import rewrite_engine, rewrite_entries
from consumer.demo.scripted_model import NAME as MODEL
from consumer.demo.stalls import SERVICE as STALLS
from consumer.demo.stalls import stall_engine, stall_entry
from consumer.demo.translations import FIRST, SECOND, stand_in_dependencies, stand_in_entry
from consumer.local.server import LOCALHOST
from consumer.local.stack import Stack
from consumer.model import Json, JsonObject

SOURCE: Final = "urn:demo:services"
BARE_SOURCE: Final = "urn:kafka:workflow.failures"
"""Event source assumed for failures that arrive without an event envelope."""
EXAMPLE: Final = "urn:example:orders"
"""Event source of the examples in README."""
BY_HAND: Final = "urn:shw:publish"
"""Default event source of `shw publish`."""
POSTED: Final = "urn:shw-api:*"
"""Event sources of what is posted to the API."""


INVOICE: Final[JsonObject] = {
    "type": "object",
    "properties": {
        "invoice_id": {"type": "string"},
        "amount": {"type": "integer"},
        "status": {"enum": ["open", "paid"]},
    },
    "required": ["invoice_id", "amount", "status"],
    "additionalProperties": False,
}
"""Input schema of the step `book` of every invoice workflow."""


ADDRESSED: Final = ("engine", STALLS, "studio", "shelf", FIRST, SECOND, PROCESSOR, LEDGER, BOOKINGS, MODEL)
"""Services whose addresses the catalog names."""


def demo_catalog(ports: Sequence[int], addresses: Mapping[str, str]) -> str:
    """Return the catalog as YAML for a world with these ports, and with the addresses of those that it names."""
    hosts: Json = [{"host": LOCALHOST, "ports": list(ports), "schemes": ["http"], "addresses": ["127.0.0.0/8"]}]
    # A dead process's claim is taken over once its effect deadline has passed: one short try keeps that at 7 s.
    one_try: JsonObject = {"tries": 1, "timeout": "PT2S"}
    three: JsonObject = {
        "tries": 3,
        "timeout": "PT1S",
        "inline_wait": "PT1.5S",
        "throttled_base": "PT0.5S",
        "cap": "PT1S",
    }
    # One call per heal, so that the calls to a dead service count its heals; and a slow answer is no timeout.
    one_call: JsonObject = {"tries": 1, "timeout": "PT5S"}
    limited = (("transfers.*", one_try), ("texts.*", one_try), ("labels.*", one_call), ("*", three))
    workflows: list[Json] = [
        {"name": name, "hosts": hosts, "attempts": 2, "backoff": "PT1S", "auto_retry": limits}
        for name, limits in limited
    ]
    repair: JsonObject = {"schemas": {"book": INVOICE}, "guarded": ["/amount"], "timeout": "PT2S", "verify": "PT5S"}
    invoices: JsonObject = {"name": "invoices.*", "runner": "engine", "schema_autofix": repair}
    workflows.insert(0, invoices | {"hosts": hosts, "attempts": 2, "backoff": "PT1S"})
    newsletters: JsonObject = {"name": "newsletters.*", "mode": "shadow"}
    workflows.insert(0, newsletters | {"hosts": hosts, "attempts": 2, "backoff": "PT1S"})
    workflows[:0] = [*refund_entries(hosts), stall_entry(hosts), stand_in_entry(hosts), billing_entry(hosts)]
    workflows[:0] = rewrite_entries(hosts, addresses[MODEL])
    assets, blocks = asset_entries(hosts, addresses["studio"], addresses["shelf"])
    workflows[:0] = assets
    for entry in workflows:
        if isinstance(entry, dict):
            entry["members"] = ["auto-retry"]  # some of the demo's failures are inserted by a plain member
    sources: list[Json] = [
        {"source": source, "organisations": "*", "workflows": "*"}
        for source in (SOURCE, BARE_SOURCE, EXAMPLE, BY_HAND, POSTED)
    ]
    document: JsonObject = {
        "version": 1,
        "runners": {
            "engine": _engine(addresses["engine"]),
            STALLS: stall_engine(addresses[STALLS]),
            BOOKINGS: rewrite_engine(addresses[BOOKINGS]),
        },
        "dependencies": stand_in_dependencies(addresses[FIRST], addresses[SECOND]),
        "billing": billing_account(addresses[PROCESSOR], addresses[LEDGER]),
        "sources": sources,
        "workflows": workflows,
        **blocks,
    }
    return yaml.safe_dump(document, sort_keys=False)


def _engine(address: str) -> JsonObject:
    rerun: JsonObject = {
        "url": f"{address}/runs/{{run.id}}/steps/{{run.step}}/rerun",
        "body": {"reference": "{run.id}", "input": "{payload}"},
        "effect": "keyed",
        "key_header": "Idempotency-Key",
    }
    look: JsonObject = {
        "url": f"{address}/runs/{{run.id}}",
        "status": "/state",
        "phases": {"running": "running", "done": "succeeded", "failed": "failed"},
    }
    return {"kind": "http", "rerun_step": rerun, "look": look, "timeout": "PT2S"}


def demo_settings(stack: Stack, catalog: Path) -> dict[str, str]:
    """Return the consumer's settings for the local stack, as environment variables."""
    return {
        "SHW_KAFKA__BOOTSTRAP": stack.bootstrap,
        "SHW_KAFKA__IDEMPOTENCE": str(stack.idempotence).lower(),
        "SHW_KAFKA__SESSION_TIMEOUT": "PT3S",
        "SHW_POSTGRES__DSN": stack.dsn,
        "SHW_HEAL__LEASE": "PT2S",
        "SHW_BREAKER__PROBE_EVERY": "PT0.5S",
        "SHW_BREAKER__PROBE_CAP": "PT0.5S",
        "SHW_RESUME__INTERVAL": "PT0.5S",
        "SHW_RESUME__HIDE": "PT3S",  # the consumer may be killed between pick and start
        "SHW_DRAIN": "PT15S",
        "SHW_CATALOG": str(catalog),
    }
