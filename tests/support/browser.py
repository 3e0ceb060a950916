"""Chromium, driven over its DevTools protocol: opens pages, fills in forms, presses, and takes pictures.

Nothing waits for a time: what leads to another page is over once that has loaded. The protocol goes through a pipe, so
no port is opened, and no library is needed.
"""

import asyncio
import base64
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

from tests.support.patience import PATIENCE
from tests.support.required_tools import require_tool

_FLAGS: Final = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-extensions", "--disable-component-update", "--disable-sync",
    "--no-proxy-server", "--remote-debugging-pipe", "about:blank",
)  # fmt: skip
_AS_3_AND_4: Final = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3); os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Becomes the program, with the ends of the pipes where Chromium reads and writes."""
_SAID: Final = "const said = one => one.innerText.replace(/\\s+/g, ' ').trim();"
_LONGEST_ANSWER: Final = 64 * 1024 * 1024
DESKTOP: Final = (1200, 900)
PHONE: Final = (390, 844)


class PageAway(Exception):
    """What was asked for could not be answered: its page has gone meanwhile, or there is no such method."""


@dataclass(slots=True)
class Browser:
    """One page of a running Chromium."""

    reader: asyncio.StreamReader
    writer: asyncio.WriteTransport
    session: str = ""
    errors: list[str] = field(default_factory=list)
    """What went wrong in its pages: uncaught errors, and what the policy of a page has refused."""
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _answers: dict[int, asyncio.Future[Any]] = field(default_factory=dict)
    _loaded: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        """Hand on its answers and events until it ends."""
        while True:
            message = json.loads((await self.reader.readuntil(b"\0"))[:-1])
            match message:
                case {"id": int(number), "error": error} if number in self._answers:
                    self._answers.pop(number).set_exception(PageAway(str(error)))
                case {"id": int(number)} if number in self._answers:
                    self._answers.pop(number).set_result(message.get("result"))
                case {"method": "Page.loadEventFired"}:
                    self._loaded.set()
                case {"method": "Runtime.exceptionThrown", "params": params}:
                    self.errors.append(json.dumps(params))
                case {"method": "Page.javascriptDialogOpening", "params": params}:
                    self.errors.append(f"a page opened a dialog: {params['message']}")
                    self.writer.write(self._said(next(self._numbers), "Page.handleJavaScriptDialog", accept=True))
                case {"method": "Log.entryAdded", "params": {"entry": entry}} if entry["source"] == "security":
                    self.errors.append(entry["text"])

    async def call(self, method: str, **params: Any) -> Any:  # noqa: ANN401 - the protocol's JSON
        """Call a method of the protocol."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self.writer.write(self._said(number, method, **params))
        async with asyncio.timeout(PATIENCE):
            return await answer

    async def evaluate(self, script: str) -> Any:  # noqa: ANN401 - whatever the page computes
        """Return what a script comes to in the page."""
        came = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in came:
            raise AssertionError(came["exceptionDetails"])
        return came["result"].get("value")

    async def open(self, address: str) -> None:
        """Open a page, and wait until it has loaded."""
        self._loaded.clear()
        gone = await self.call("Page.navigate", url=address)
        assert "errorText" not in gone, gone
        await self._until_loaded()

    async def press(self, words: str) -> None:
        """Press the one button or link that is seen and says so, and wait for the page that it leads to."""
        self._loaded.clear()
        await self._click("button, a", words)
        await self._until_loaded()

    async def unfold(self, words: str) -> None:
        """Unfold what is folded under these words."""
        await self._click("summary", words)

    async def fill(self, label: str, text: str) -> None:
        """Write into the field of a label, as a person who replaces what is there."""
        wanted = json.dumps(label)
        ready = await self.evaluate(
            f"(() => {{ {_SAID} const found = [...document.querySelectorAll('label')]"
            f".filter(one => said(one) === {wanted} && one.control && one.control.checkVisibility());"
            "if (found.length !== 1) return found.length;"
            "const field = found[0].control; field.focus(); if (field.select) field.select(); return true; })()"
        )
        assert ready is True, f"{ready} fields are called {label!r}: {await self.text()}"
        await self.call("Input.insertText", text=text)

    async def choose(self, label: str, option: str) -> None:
        """Choose an option of a list."""
        chosen = await self.evaluate(
            f"(() => {{ {_SAID} const field = [...document.querySelectorAll('label')]"
            f".find(one => said(one) === {json.dumps(label)}).control;"
            f"const option = [...field.options].find(one => one.text === {json.dumps(option)});"
            "if (option) field.value = option.value; return option !== undefined; })()"
        )
        assert chosen, f"{label!r} has no {option!r}"

    async def text(self) -> str:
        """Return what is seen of the page."""
        return str(await self.evaluate("document.body.innerText"))

    async def shows(self, words: str) -> bool:
        """Return whether words are seen; not while a page that looks again by itself is between two of its states."""
        try:
            return words in await self.text()
        except (PageAway, AssertionError):
            return False

    async def hides(self, words: str) -> bool:
        """Return whether words are not seen any more."""
        return words not in await self.text()

    async def connect(self, *, is_online: bool) -> None:
        """Take the network away, or give it back."""
        await self.call(
            "Network.emulateNetworkConditions",
            offline=not is_online,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    async def show_as(self, size: tuple[int, int], *, scheme: str = "light") -> None:
        """Look at pages in a window of a size, by day or by night."""
        width, height = size
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        # Nothing moves, so that no colour is read on its way to another one.
        wanted = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in wanted.items()]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def picture(self, path: Path, *, is_whole: bool = False) -> None:
        """Keep a picture of what is seen; of the whole page if so wanted."""
        taken = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=is_whole)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(taken["data"]))

    def _said(self, number: int, method: str, **params: Any) -> bytes:  # noqa: ANN401 - the protocol's JSON
        said = {"id": number, "method": method, "params": params} | (
            {"sessionId": self.session} if self.session else {}
        )
        return json.dumps(said).encode() + b"\0"

    async def _click(self, kinds: str, words: str) -> None:
        clicked = await self.evaluate(
            f"(() => {{ {_SAID} const found = [...document.querySelectorAll({json.dumps(kinds)})]"
            f".filter(one => said(one) === {json.dumps(words)} && one.checkVisibility());"
            "if (found.length === 1) found[0].click(); return found.length; })()"
        )
        assert clicked == 1, f"{clicked} of {kinds} say {words!r}: {await self.text()}"

    async def _until_loaded(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self._loaded.wait()


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Run Chromium with one page until the end of the block."""
    program = require_tool("chromium")
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    with tempfile.TemporaryDirectory(prefix="shw-browser-", ignore_cleanup_errors=True) as home:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-S", "-c", _AS_3_AND_4, str(to_read), str(from_write),
            program, f"--user-data-dir={home}", *_FLAGS,
            pass_fds=(to_read, from_write), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_read)
        os.close(from_write)
        try:
            async with _pipes(from_read, to_write) as (reader, writer):
                browser = Browser(reader=reader, writer=writer)
                listening = asyncio.create_task(browser.listen())
                try:
                    await _attach(browser)
                    yield browser
                finally:
                    listening.cancel()
                    await asyncio.gather(listening, return_exceptions=True)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@asynccontextmanager
async def _pipes(read: int, write: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.WriteTransport]]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LONGEST_ANSWER)
    inward, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read, "rb", 0))
    outward, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(write, "wb", 0))
    try:
        yield reader, outward
    finally:
        outward.abort()
        inward.close()


async def _attach(browser: Browser) -> None:
    targets = (await browser.call("Target.getTargets"))["targetInfos"]
    page = next(one["targetId"] for one in targets if one["type"] == "page")
    attached = await browser.call("Target.attachToTarget", targetId=page, flatten=True)
    browser.session = attached["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network"):
        await browser.call(f"{domain}.enable")
