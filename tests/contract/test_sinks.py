"""No new way out without the search for planted secrets: commands, routes and topics are compared with its list."""

import typer

from consumer.cli.commands import app
from consumer.settings import KafkaSettings
from schemas.openapi import openapi_document
from tests.support.sinks import COMMANDS, READ_TOPICS, ROUTES, WRITTEN_TOPICS


def commands(of: object, *names: str) -> set[str]:
    """Every command below one, by its names."""
    below: dict[str, object] | None = getattr(of, "commands", None)
    if below is None:
        return {" ".join(names)}
    return {name for each, one in below.items() for name in commands(one, *names, each)}


def test_every_command_is_searched_or_says_why_not() -> None:
    known = commands(typer.main.get_command(app))
    assert known - COMMANDS.keys() == set(), "a new command joins tests/support/sinks.py"
    assert COMMANDS.keys() - known == set(), "a command that is gone leaves tests/support/sinks.py"
    assert all(how for how in COMMANDS.values())


def test_every_route_is_searched() -> None:
    known = {f"{method.upper()} {path}" for path, methods in openapi_document()["paths"].items() for method in methods}
    assert known == ROUTES.keys() | {"GET /api/healing/openapi.json"}, "a new route joins tests/support/sinks.py"


def test_every_topic_is_written_or_read() -> None:
    assert {name for name in KafkaSettings.model_fields if name.endswith("_topic")} == WRITTEN_TOPICS | READ_TOPICS
