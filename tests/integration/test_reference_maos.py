"""The reference supervisor of `examples/maos`, as its README runs it: it approves, denies, or leaves to people."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

from tests.integration.test_approvals import acting, mark
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE
from tests.support.pipeline import Site, event, until

KINDS = ("approve", "deny")
MAOS = ROOT / "examples" / "maos"


async def maos(*arguments: str, cwd: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, str(MAOS / "maos.py"), *arguments, cwd=cwd, stdout=asyncio.subprocess.PIPE
    )


@asynccontextmanager
async def supervising(place: Site, cwd: Path, group: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run it until the block ends; its end is clean."""
    kafka = place.settings.kafka
    places = {
        "--bootstrap": kafka.bootstrap,
        "--results": kafka.results_topic,
        "--commands": kafka.commands_topic,
        "--group": group,
        "--key": "maos-1.pem",
        "--policy": str(MAOS / "policy.yaml"),
    }
    arguments = [one for pair in places.items() for one in pair]
    process = await maos("run", *arguments, "--no-idempotence", cwd=cwd)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0, out


async def test_plans_are_answered_by_policy_once_through_a_restart(embedded_place: Site, tmp_path: Path) -> None:
    made = await maos("key", "maos-1", cwd=tmp_path)
    entry, _ = await asyncio.wait_for(made.communicate(), PATIENCE)
    keys = tmp_path / "keys.yaml"
    keys.write_bytes(entry)
    assert (tmp_path / "maos-1.pem").stat().st_mode & 0o077 == 0
    place = embedded_place.changed(commands={"keys_file": keys, "group_id": f"commands.{uuid4().hex[:12]}"})
    mark(place)
    acts: list[UUID] = []
    async with place.consumer(acting(acts)) as running:
        org = await place.organisation()
        names = ("orders.sync", "billing.sync", "other.sync")
        await place.publish(*(event(org, name, workflow_name=name) for name in names))

        async def stand() -> dict[str, str]:
            return {name: row["status"] for name, row in (await place.failures()).items()}

        async def answered() -> bool:
            found = await stand()
            return (found.get("orders.sync"), found.get("billing.sync")) == ("resolved", "given_up")

        async with supervising(place, tmp_path, "maos"):
            await until(answered)
        assert (await stand())["other.sync"] == "awaiting_approval"
        before = await place.count("heal_command")
        # One that has lost its place reads everything again, and sends the same commands under the same ids.
        async with supervising(place, tmp_path, "maos.again") as process:
            assert process.stdout is not None
            async with asyncio.timeout(PATIENCE):
                sent = [json.loads(await process.stdout.readline()) for _ in range(2)]
        assert {one["event"] for one in sent} == {"sent"}

        async def both_came_again() -> bool:
            return all(running.metric("shw_commands_total", command=kind, outcome="accepted") >= 2 for kind in KINDS)

        await until(both_came_again)
        assert await place.count("heal_command") == before == 2
    failures = await place.failures()
    assert acts == [failures["orders.sync"]["id"]]
    rows = await place.db.fetch("SELECT key_id, issued_by, outcome FROM heal_command")
    assert {tuple(row) for row in rows} == {("maos-1", "reference-maos (maos)", "accepted")}
