"""`shw doctor` on a real database and broker: it says all at once, and the line that it gives for each mends it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from consumer.service import doctor
from consumer.service.doctor import StartFinding
from consumer.settings import Settings, setting_names, unknown_variables
from tests.support.documented_role import dsn_as
from tests.support.patience import PATIENCE
from tests.support.pipeline import Site, catalog, environment_of
from tests.support.shw import Ran, shw

ROLE = """
DO $$ BEGIN
  IF to_regrole('shw_doctor') IS NULL THEN CREATE ROLE shw_doctor LOGIN PASSWORD 'x'; END IF;
END $$
"""
WRONG_CATALOG = """version: 1
sources:
- {sorce: '*', organisations: '*'}
workflows:
- name: w
  attempst: 3
"""


async def ask(settings: Mapping[str, str]) -> Ran:
    return await asyncio.to_thread(shw, "doctor", "--json", settings=settings)


def wrong(ran: Ran) -> list[dict[str, Any]]:
    return [one for one in ran.json if not one["is_note"]]


async def test_all_that_is_wrong_is_said_at_once_with_the_line_that_mends_it(
    embedded_place: Site, tmp_path: Path
) -> None:
    place = embedded_place
    settings = environment_of(place.settings)
    ran = await ask(settings)
    assert (ran.code, wrong(ran)) == (0, []), ran.err
    assert "can start" in ran.err

    path = tmp_path / "mine.yaml"
    entry = "- name: w\n  hosts: []\n- name: nightly.*\n  hosts: []\n"
    path.write_text(catalog() + entry + "secrets: {T: {env: SURELY_NOT_SET, hosts: [a.example]}}\n")
    dsn = settings["SHW_POSTGRES__DSN"]
    await place.db.execute(ROLE)
    broken = settings | {
        "SHW_CATALOG": str(path),
        "SHW_KAFKA__RESULTS_TOPIC": "nobody-made-this",
        "SHW_KAFKA_BOOTSTRAP": "a:9092",
        "SHW_POSTGRES__DSN": dsn_as(dsn, "shw_doctor"),
    }
    ran = await ask(broken)
    told = {(one["about"], one["mend"]) for one in ran.json}
    assert ran.code == 2
    assert ("settings", "export SHW_KAFKA__BOOTSTRAP=...") in told
    assert ("kafka", "shw topics") in told
    assert ("database", "ALTER ROLE shw_doctor BYPASSRLS;") in told
    assert ("catalog", "export SURELY_NOT_SET=...") in told
    assert any(one["what"].endswith("takes the same: move w above *") for one in ran.json), ran.out
    grants = [one["mend"] for one in wrong(ran) if "lacks a right" in one["what"]]
    assert "GRANT SELECT ON workflow_failures TO shw_doctor;" in grants

    path.write_text(WRONG_CATALOG)
    ran = await ask(settings | {"SHW_CATALOG": str(path)})
    faults = [one["what"].removeprefix(f"{path}:") for one in wrong(ran)]
    assert [fault.split(":")[0] for fault in faults] == sorted(fault.split(":")[0] for fault in faults)
    assert "did you mean `source`?" in " ".join(faults)
    assert "did you mean `attempts`?" in " ".join(faults)

    nobody = {"SHW_KAFKA__BOOTSTRAP": "127.0.0.1:9", "SHW_POSTGRES__DSN": "postgres://me:hunter2@127.0.0.1:9/db"}
    ran = await ask(settings | nobody)
    assert (ran.code, [one["about"] for one in wrong(ran)]) == (3, ["kafka", "database"])
    assert "hunter2" not in ran.out.decode() + ran.err


async def test_servers_that_are_silent_are_told_within_seconds_and_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(catalog())

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(keep_silent, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        settings = {
            "SHW_CATALOG": str(path),
            "SHW_KAFKA__BOOTSTRAP": f"127.0.0.1:{port}",
            "SHW_KAFKA__REQUEST_TIMEOUT": "PT0.5S",
            "SHW_POSTGRES__DSN": f"postgres://me@127.0.0.1:{port}/db",
            "SHW_POSTGRES__CONNECT_TIMEOUT": "PT0.5S",
        }
        ran = await ask(settings)
        assert (ran.code, [one["about"] for one in wrong(ran)]) == (3, ["kafka", "database"]), ran.err
        assert all(one["what"].count("Check SHW_") == 1 for one in wrong(ran))
        ran = await asyncio.to_thread(shw, "run", settings=settings)
    assert (ran.code, ran.err.count("Check SHW_KAFKA__BOOTSTRAP")) == (3, 1), ran.err


async def test_both_are_asked_side_by_side(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(catalog())
    monkeypatch.setenv("SHW_CATALOG", str(path))
    both = asyncio.Barrier(2)

    async def asked(_: Settings) -> AsyncIterator[StartFinding]:
        await both.wait()  # one after the other would wait for ever
        yield StartFinding(about="kafka", what="away")

    monkeypatch.setattr(doctor, "_kafka", asked)
    monkeypatch.setattr(doctor, "_database", asked)
    async with asyncio.timeout(PATIENCE):
        assert [one.what async for one in doctor.examine()][-2:] == ["away", "away"]


def test_each_setting_is_known_and_what_is_none_is_told_with_the_one_that_is_near() -> None:
    assert unknown_variables(dict.fromkeys(setting_names(), "x")) == {}
    asked = {"SHW_CATALOGUE": "x", "SHW_NOTHING_LIKE_IT": "x", "PATH": "x", "SHW_TEST_DEFAULTS": "x"}
    assert unknown_variables(asked) == {"SHW_CATALOGUE": "SHW_CATALOG", "SHW_NOTHING_LIKE_IT": None}
