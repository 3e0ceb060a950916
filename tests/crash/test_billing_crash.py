"""Billing under kills: an event is applied once, by whoever goes on, also where the handler does not know it again.

An ordinary run makes the cells that differ in kind; `SHW_FAULT_MATRIX=full` makes them all. Every boundary within one
process stands in `unit/heal/billing_sync/test_strategy.py`.
"""

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support import oracle
from tests.support.faults.matrix import FULL
from tests.support.pipeline import SECOND, Site, event, process
from tests.support.worlds.billing_world import KEY, BillingWorld, billing_catalog, on_http
from tests.support.worlds.http_world import World

REASON = "Billing is out of sync with Stripe: webhook events were never delivered"
CELLS = [("before", 2), ("during", 2), ("keeping", 1), ("kept", 1), ("kept", 2), ("after", 1), ("settle", 1)]
ORDINARY = {("during", 2), ("kept", 1)}


@pytest.mark.parametrize(("at", "nth"), [one for one in CELLS if FULL or one in ORDINARY])
async def test_after_a_kill_each_event_is_applied_once(
    embedded_place: Site,
    world: World,
    catalog_file: Path,
    tmp_path: Path,
    at: str,
    nth: int,
) -> None:
    billing = BillingWorld(now=lambda: datetime.now(UTC), dedupes=False, slow=0.3)
    on_http(billing, world)
    declared = billing_catalog(world.url(""), world.port)
    key = tmp_path / "key"
    key.write_text(KEY)
    catalog_file.write_text(declared.replace("env: BILLING_KEY", f"file: {key}"))  # noqa: ASYNC240 - a page
    own = {"customer": "cus_1", "currency": "aud", "status": "paid", "amount_paid": 10}
    for k in range(4):
        made = datetime.now(UTC) - timedelta(hours=k)
        billing.change("invoice", f"in_{k}", made, "invoice.paid", missed=True, **own)
    place = embedded_place
    org = await place.organisation()
    context = {"request": {"method": "POST", "url": world.url("/billing")}}
    await place.publish(event(org, "1", workflow_name="billing", failure_reason=REASON, context=context))
    mortal = place.changed(kafka={"session_timeout": SECOND})
    async with process(mortal, tmp_path / "log", at=at, nth=str(nth), path="/billing") as killed:
        assert await killed.ended() == -signal.SIGKILL, killed.last_lines
    await place.time_passes()
    async with place.consumer() as heir, place.consumer():
        row = (await heir.settled(1))["billing"]
    assert row["status"] == "resolved"
    assert set(billing.applied.values()) == {1}
    assert billing.is_in_step()
    await oracle.everything_that_ended_was_told(place)
    await oracle.one_attempt_per_step(place)
