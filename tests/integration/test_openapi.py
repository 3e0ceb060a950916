"""The API is what its OpenAPI document says, whatever it is asked by a user who is signed in."""

import asyncio
import json
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from schemas.openapi import openapi_document
from tests.support.api_world import World, serving

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def routes(app: FastAPI) -> set[tuple[str, str]]:
    known_to_the_framework = FastAPI.openapi(app)
    return {(path, method) for path, methods in known_to_the_framework["paths"].items() for method in methods}


async def test_every_route_is_in_the_document_and_the_document_is_served(database: str) -> None:
    document = openapi_document()
    told = {(path, method) for path, methods in document["paths"].items() for method in methods}
    async with serving(database) as world:
        assert isinstance(world.app, FastAPI)
        served = await world.ask("GET", "/api/healing/openapi.json", None)
        assert served.json() == json.loads(json.dumps(document))
        assert routes(world.app) == told - {("/api/healing/openapi.json", "get")}


def with_examples(document: dict[str, Any], failures: list[str]) -> dict[str, Any]:
    """Name failures that are there: what is made up finds none."""
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "failure_id":
                    parameter["examples"] = {one: {"value": one} for one in failures}
            if any(one in json.dumps(operation.get("requestBody")) for one in ("HealRequest", "IncidentRequest")):
                body = operation["requestBody"]["content"]["application/json"]
                body["examples"] = {one: {"value": {"failureId": one}} for one in failures}
    return document


async def fill(world: World) -> list[str]:
    deep = '{"a":' * 90 + "1" + "}" * 90
    odd = {"plain": "{}", "deep": deep, "number": '{"a": 1e400}', "text": '"x"', "null": "null"}
    ids = [await world.failure(name, context=context) for name, context in odd.items()]
    ids.append(await world.failure("done", status="resolved", resolved=True, due_at=None, failure_type="api_timeout"))
    ids.append(await world.failure("person", status="needs_person"))
    for failure_id in ids:
        await world.attempt(failure_id, 0, "failed", code="not_healed")
        await world.attempt(failure_id, None)
    await world.pool.execute("UPDATE workflow_failures SET detected_at = NULL WHERE failure_reason = 'null'")
    return list(map(str, ids))


async def test_schemathesis_finds_no_answer_of_500_and_none_that_is_not_told(database: str, tmp_path: Path) -> None:
    limits: dict[str, Any] = {"user_burst": 100_000, "address_burst": 100_000}
    limits["stream_for"] = timedelta(milliseconds=100)  # whoever reads an answer whole reads a stream to its end
    async with serving(database, **limits) as world:
        path = tmp_path / "openapi.json"
        path.write_text(json.dumps(with_examples(openapi_document(), await fill(world))))
        # One worker: two that parse at once break Python 3.11 itself ("AST constructor recursion depth mismatch").
        tried = await asyncio.create_subprocess_exec(
            *(str(Path(sys.executable).with_name("schemathesis")), "run", str(path), "--url", world.url),
            *("--header", f"Authorization: {world.signed(exp=int(time.time()) + 3600)}", "--checks", CHECKS),
            *("--max-examples", "10", "--seed", "1", "--workers", "1", "--no-color"),
            *("--phases", "examples,coverage,fuzzing", "--request-timeout", "20", "--generation-database", "none"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await tried.communicate()
        healed = await world.pool.fetchval("SELECT count(DISTINCT failure_id) FROM heal_request")
    assert tried.returncode == 0, said.decode()[-6000:]
    assert healed > 1
