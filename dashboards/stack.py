"""`make stack`: two replicas, servers, Prometheus and traffic as real processes, and a page of live dashboards."""

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response

from consumer.demo.consumer_process import run_consumers
from consumer.demo.stage import run_place
from consumer.event_loop import wait_for_event
from consumer.local.foreground import run_in_foreground
from consumer.local.kafka_jars import CHECKOUT
from consumer.local.server import LOCALHOST, free_ports
from dashboards.pages import ALL
from dashboards.panel import Page
from dashboards.people import Doors
from dashboards.picture import draw
from dashboards.prometheus import Prometheus, run_prometheus
from dashboards.traffic import Traffic

HOME: Final = CHECKOUT / ".local" / "stack"
PICTURES: Final = CHECKOUT / "docs" / "dashboards"
SHOWN: Final = timedelta(minutes=10)
DRAWN_EVERY: Final = 10
"""Seconds after which a browser asks for the pictures again."""

# A picture is replaced once the next one is there: nobody who reads one loses it, or their place on the page.
_FRAME: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Self-healing workflows</title>
<style>
body {{ font-family: sans-serif; background: #f4f5f7; margin: 0 1em 1em }}
nav {{ position: sticky; top: 0; background: #f4f5f7; padding: .8em 0; line-height: 1.6 }}
img {{ display: block; max-width: 100%; margin-bottom: 1em; scroll-margin-top: 4em }}
</style>
<nav>{links}</nav>{drawn}
<script>
const draw = async (picture) => {{
  const next = new Image();
  next.src = new URL(picture.src).pathname + "?at=" + Date.now();
  try {{ await next.decode(); picture.src = next.src }} catch {{ }}
}};
setInterval(() => document.querySelectorAll("img").forEach(draw), {every});
</script></html>
"""


def main() -> int:
    """Run until Ctrl-C, or for some minutes and then leave the pictures."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.stack", description=__doc__)
    parser.add_argument(
        "--pictures", type=float, metavar="MINUTES", help="run so long, write docs/dashboards/*.svg, end"
    )
    minutes: float | None = parser.parse_args().pictures
    return run_in_foreground(lambda: _run(minutes), interrupted=0)


async def _run(minutes: float | None) -> int:
    async with AsyncExitStack() as resources:
        place = await resources.enter_async_context(run_place(HOME))
        logs = [HOME / "consumer-1.log", HOME / "consumer-2.log"]
        doors = Doors()
        replicas = await resources.enter_async_context(run_consumers({**place.settings, **doors.settings}, logs))
        directory = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="shw-prometheus-")))
        targets = [f"{LOCALHOST}:{one.port}" for one in replicas]
        prometheus = await resources.enter_async_context(run_prometheus(targets, directory))
        began = time.time()
        meanwhile = await resources.enter_async_context(asyncio.TaskGroup())
        traffic = meanwhile.create_task(Traffic(place=place, replicas=replicas, doors=doors).run())
        if minutes is not None:
            await wait_for_event(asyncio.Event(), timedelta(minutes=minutes))
            traffic.cancel()
            await write_pictures(prometheus, began, PICTURES)
            return 0
        server = uvicorn.Server(
            uvicorn.Config(live(prometheus, began), host=LOCALHOST, port=free_ports(1)[0], log_level="warning")
        )
        serving = meanwhile.create_task(server.serve())
        sys.stdout.write(
            "".join(f"Replica     {one.address}/metrics\n" for one in replicas)
            + f"Prometheus  {prometheus.address}\nKafka       {place.kafka.bootstrap}\nPostgres    {place.stack.dsn}\n"
            f"Dashboards  http://{LOCALHOST}:{server.config.port}/\n"
        )
        sys.stdout.flush()
        await serving
        traffic.cancel()
    return 0


async def write_pictures(prometheus: Prometheus, began: float, folder: Path) -> None:
    """Draw every page over the run so far, and write it to a file."""
    for page in ALL:
        picture = await draw(page, prometheus, began, time.time())
        await asyncio.to_thread((folder / f"{page.uid}.svg").write_text, picture)


def live(prometheus: Prometheus, began: float) -> FastAPI:
    """Return the site: one document with every page, each drawn when it is asked for."""
    site = FastAPI(openapi_url=None)
    pages = {page.uid: page for page in ALL}

    @site.get("/")
    async def index() -> HTMLResponse:
        return HTMLResponse(_document(ALL))

    @site.get("/{uid}.svg")
    async def picture(uid: str) -> Response:
        page = pages.get(uid)
        if page is None:
            return Response(status_code=404)
        now = time.time()
        drawn = await draw(page, prometheus, max(began, now - SHOWN.total_seconds()), now)
        return Response(drawn, media_type="image/svg+xml", headers={"Cache-Control": "no-store"})

    return site


def _document(pages: tuple[Page, ...]) -> str:
    links = " · ".join(f'<a href="#{page.uid}">{page.title.removeprefix("Healing: ")}</a>' for page in pages)
    drawn = "".join(f'<img id="{page.uid}" alt="{page.title}" src="/{page.uid}.svg">' for page in pages)
    return _FRAME.format(links=links, drawn=drawn, every=DRAWN_EVERY * 1000)


if __name__ == "__main__":
    sys.exit(main())
