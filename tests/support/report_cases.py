"""Twenty services as they fail, written with `shw_report` as a producer would, and what ought to become of each."""

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx
import requests

from shw_report import report
from tests.support.certificates import Authority

UNKNOWN_HOST: Final = "orders.invalid"
SHORT: Final = 0.05
"""Seconds until a caller gives up on a service that does not answer before its caller has gone."""
_ANSWERS: Final = {
    "/busy": (503, "text/plain", "upstream is overloaded"),
    "/refuses": (
        422,
        "application/json",
        json.dumps({"detail": [{"loc": ["body", "count"], "msg": "field required"}]}),
    ),
    "/locked": (401, "application/json", json.dumps({"error": "invalid_api_key"})),
    "/page": (200, "text/html", "<html><title>Maintenance</title><body>We are down for maintenance</body></html>"),
    "/graphql": (200, "application/json", json.dumps({"data": None, "errors": [{"message": "upstream timed out"}]})),
    "/fine": (200, "application/json", json.dumps({"items": [1, 2]})),
}


class _Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        with suppress(ConnectionError):
            self._answer()

    do_POST = do_PUT = do_GET  # noqa: N815 - the server's names

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.startswith("/slow"):
            self.close_connection = True
            self.rfile.read(1)  # until its caller has gone
            return
        status, kind, text = _ANSWERS[self.path.partition("?")[0]]
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the server's name for it
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a caller that has gone, or does not like the certificate."""


@contextmanager
def running_service(secured: ssl.SSLContext | None = None) -> Iterator[str]:
    """Run the service that all of them call; gives its URL."""
    with _Server(("127.0.0.1", 0), _Service) as server:
        if secured is not None:
            server.socket = secured.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http{'s' if secured else ''}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One failing service."""

    name: str
    fails: Callable[[str], object]
    """Called with the service's URL; raises what its caller sees."""
    healable: bool
    said: str = ""
    """Of what is for a person: a part of the reason that they read."""


CASES: Final[list[Case]] = []


def case(*, healable: bool, said: str = "") -> Callable[[Callable[[str], object]], None]:
    """Enter a service into the list."""

    def enter(fails: Callable[[str], object]) -> None:
        CASES.append(Case(name=fails.__name__, fails=fails, healable=healable, said=said))

    return enter


@case(healable=True)
def get_timeout(url: str) -> None:
    with report("orders.sync", run="run-1", step="fetch"):
        httpx.get(f"{url}/slow/orders/17", timeout=SHORT)


@case(healable=True)
def post_503_with_key(url: str) -> None:
    with report("orders.sync", run="run-2"):
        headers = {"Idempotency-Key": "order-17-charge"}
        httpx.post(f"{url}/busy", json={"amount": 12}, headers=headers).raise_for_status()


@case(healable=False, said="may already have had its effect")
def post_without_key(url: str) -> None:
    with report("orders.sync", run="run-3"):
        httpx.post(f"{url}/slow", json={"amount": 12}, timeout=SHORT)


@case(healable=False, said="context.schema")
def validation_422(url: str) -> None:
    with report("orders.sync", run="run-4", step="import"):
        httpx.post(f"{url}/refuses", json={"cont": 12}).raise_for_status()


@case(healable=False, said="credential")
def unauthorized(url: str) -> None:
    with report("orders.sync", run="run-5"):
        httpx.get(f"{url}/locked", headers={"Authorization": "Bearer hunter2hunter2hunter2"}).raise_for_status()


@case(healable=True)
def requests_session(url: str) -> None:
    with requests.Session() as session, report("orders.sync", run="run-6"):
        session.get(f"{url}/busy?page=2").raise_for_status()


@case(healable=True)
def connection_refused(url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens on it
        with report("orders.sync", run="run-7"):
            httpx.post(f"http://127.0.0.1:{taken.getsockname()[1]}/orders", json={"amount": 12})
    assert url


@case(healable=True)
def unknown_host(url: str) -> None:
    with report("orders.sync", run="run-8"):
        httpx.get(f"http://{UNKNOWN_HOST}/orders/17")
    assert url


@case(healable=False, said="certificate")
def tls(url: str) -> None:
    with TemporaryDirectory() as folder:
        signed = Authority(Path(folder)).issue("orders")
        secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secured.load_cert_chain(signed.certificate, signed.key)
        with running_service(secured) as unknown, report("orders.sync", run="run-9"):
            httpx.get(f"{unknown}/fine")
    assert url


@case(healable=True)
def no_json(url: str) -> None:
    with report("orders.sync", run="run-10"):
        httpx.get(f"{url}/page").json()


@case(healable=False)
def key_error(url: str) -> None:
    with report("orders.sync", run="run-11"):
        assert httpx.get(f"{url}/fine").json()["total"] == 2


@case(healable=True)
def timeout_around(url: str) -> None:
    async def fetch() -> None:
        async with httpx.AsyncClient(timeout=60) as client:
            with report("orders.sync", run="run-12"):
                await asyncio.wait_for(client.get(f"{url}/slow"), SHORT)

    asyncio.run(fetch())


@case(healable=False, said="context.request")
def streamed_body(url: str) -> None:
    with report("orders.sync", run="run-13"):
        httpx.post(f"{url}/busy", content=(part for part in [b"a", b"b"])).raise_for_status()


@case(healable=False, said="context.request")
def multipart(url: str) -> None:
    with report("orders.sync", run="run-14"):
        requests.post(f"{url}/busy", files={"photo": b"\xff\xd8"}, timeout=5).raise_for_status()


@case(healable=True)
def graphql(url: str) -> None:
    with report("orders.sync", run="run-15"):
        answer = httpx.post(f"{url}/graphql", json={"query": "query Orders { orders { id } }"}).json()
        if answer.get("errors"):
            raise RuntimeError(answer["errors"][0]["message"])


@case(healable=True)
def retried_twice(url: str) -> None:
    with httpx.Client() as client, report("orders.sync", run="run-16"):
        for last in (False, False, True):
            answer = client.get(f"{url}/busy")
            if last:
                answer.raise_for_status()


@case(healable=True)
def thread_pool(url: str) -> None:
    with ThreadPoolExecutor(2) as pool, report("orders.sync", run="run-17"):
        for _ in pool.map(lambda n: httpx.get(f"{url}/slow/{n}", timeout=SHORT), range(2)):
            pass


@case(healable=True)
def nested(url: str) -> None:
    with report("orders.nightly", run="run-18"), report("orders.sync", run="run-18", step="one"):
        httpx.get(f"{url}/busy").raise_for_status()


@case(healable=True)
def generator(url: str) -> None:
    @report("orders.sync", run=lambda run: run)
    def pages(_run: str) -> Iterator[Any]:
        for place in ("fine", "busy"):
            yield httpx.get(f"{url}/{place}").raise_for_status().json()

    list(pages("run-19"))


@case(healable=False, said="context.request")
def big_body(url: str) -> None:
    with report("orders.sync", run="run-20"):
        httpx.put(f"{url}/busy", json={"text": "x" * 2_000_000}).raise_for_status()
