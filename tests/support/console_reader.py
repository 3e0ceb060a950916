"""A reader of the console: asks for its pages and sends its forms as a signed-in person, and takes markup apart."""

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import httpx2 as httpx

from consumer.console.session import NAME, form_token
from tests.support.api_world import OTHERS, World
from tests.support.patience import PATIENCE

HERE = {"Sec-Fetch-Site": "same-origin"}


class Markup(HTMLParser):
    """Collects each element with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def elements_of(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Markup()
    parser.feed(page)
    return parser.elements


def links_of(page: str) -> list[str]:
    return [values["href"] or "" for tag, values in elements_of(page) if tag == "a"]


async def ask(world: World, method: str, path: str, person: str | None = "owner", **options: Any) -> httpx.Response:  # noqa: ANN401 - of the client
    token = world.signed(person).removeprefix("Bearer ") if person else ""
    headers = {"Cookie": f"{NAME}={token}"} if token else {}
    if method == "POST":
        given = {"csrf": form_token(token)} if token else {}
        options["data"] = given | options.get("data", {})
        headers |= HERE
    options["headers"] = headers | options.get("headers", {})
    async with httpx.AsyncClient(base_url=world.url, timeout=PATIENCE, trust_env=False, verify=False) as client:
        return await client.request(method, path, **options)


async def assert_leaders_alone_write(world: World, writes: Mapping[str, dict[str, str]]) -> None:
    """Each form is taken from who leads the organisation, in a session of theirs and from a page of ours, alone."""
    for path, data in writes.items():
        unsigned = await ask(world, "POST", path, None, data=data)
        assert (unsigned.status_code, unsigned.headers["Location"]) == (303, "/sign-in"), path
        elsewhere = await ask(world, "POST", path, data=data, headers={"Sec-Fetch-Site": "cross-site"})
        other_session = await ask(world, "POST", path, data=data | {"csrf": "0" * 64})
        assert (elsewhere.status_code, other_session.status_code) == (403, 403), path
        for person in OTHERS:
            assert (await ask(world, "POST", path, person, data=data)).status_code == 404, (path, person)
