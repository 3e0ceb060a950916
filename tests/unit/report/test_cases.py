"""What twenty failing services report, by the healer's own answer: healed as it comes, or rightly for a person."""

import json
import socket
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.report_cases import CASES, UNKNOWN_HOST, Case
from tests.support.report_kit import Reported


@pytest.fixture(autouse=True)
def _no_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = socket.getaddrinfo

    def answer(host: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as it is called
        if host in (UNKNOWN_HOST, UNKNOWN_HOST.encode()):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
def test_a_failing_service_reports_what_is_healable_or_rightly_for_a_person(
    one: Case, url: str, reported: Reported
) -> None:
    with suppress(Exception):
        one.fails(url)
        pytest.fail("it did not fail")
    context = reported.context()
    said = urlsplit(context.get("request", {"url": url})["url"])
    answer = reported.checked([urlsplit(url).port or 0, said.port or 80])
    told = json.dumps(answer, indent=1)
    assert answer["accepted"], told
    assert answer["healable"] is one.healable, told
    assert one.said in told
    assert answer["redactions"] == []


def test_there_are_twenty_services() -> None:
    assert len(CASES) == 20
