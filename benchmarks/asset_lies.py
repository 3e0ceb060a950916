"""`python -m benchmarks.asset_lies`: every lie of a generator, and every true file, through the whole strategy.

Each is ordered, made, judged in a child process, and, where it is right, stored, pointed at and fetched as users do. A
lie that is a success, or is put in its place, and a true file that is refused, are named; the exit code is 1 then.
"""

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.harness.report import table
from consumer.media.verdict import MediaExpectation
from consumer.model import Healed
from tests.support.media.lies import LIES
from tests.support.media.tool_files import tool_images, tool_sounds
from tests.support.media.true_files import TRUE_FILES
from tests.support.worlds.workshop import heal_named, naming_workshop

TOOLS: Final = ("ffmpeg", "sox", "espeak-ng")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """A file, and what it is expected to be."""

    content: bytes
    expected: MediaExpectation


def lies() -> dict[str, Ordered]:
    """Return the lies; an event asks for no shape without a size, so that lie is left to the validation's own tests."""
    found = {name: lie for name, lie in LIES.items() if lie.expected.aspect is None}
    return {name: Ordered(content=lie.make(), expected=lie.expected) for name, lie in found.items()}


def true_files(directory: Path) -> dict[str, Ordered]:
    """Return the true files, those of the system's own encoders included where all of them are installed."""
    found = {name: Ordered(content=file.make(), expected=file.expected) for name, file in TRUE_FILES.items()}
    if all(shutil.which(tool) for tool in TOOLS):
        made = tool_images(directory) | tool_sounds(directory)
        found |= {name: Ordered(content=content, expected=expected) for name, (content, expected) in made.items()}
    return found


async def heal_all(files: Mapping[str, Ordered]) -> tuple[set[str], int, int, float]:
    """Return which were healed, how many assets were put in their places, calls of the generator, and CPU seconds."""
    begun = time.process_time()
    async with naming_workshop({name: file.content for name, file in files.items()}, files) as shop:
        healed = {
            name for name, file in files.items() if isinstance(await heal_named(shop, name, file.expected), Healed)
        }
        return healed, len(shop.placed), len(shop.world.calls("/make")), time.process_time() - begun


def main() -> None:
    """Print how many lies were believed, and how many true files were refused."""
    console, wrong, rows = Console(width=None if sys.stdout.isatty() else 120), set[str](), []
    with tempfile.TemporaryDirectory() as directory:
        for kind, files in (("lies", lies()), ("true files", true_files(Path(directory)))):
            healed, placed, calls, cpu = asyncio.run(heal_all(files))
            wrong |= healed if kind == "lies" else files.keys() - healed
            rows.append([kind, *map(str, (len(files), len(healed), placed, calls)), f"{cpu:.1f} s"])
    columns = ("", "files", "healed", "put in their place", "calls of a generator", "CPU of this process")
    console.print(table("through auto-regenerate", columns, rows))
    if wrong:
        console.print(f"believed, or refused, wrongly: {', '.join(sorted(wrong))}")
        sys.exit(1)


if __name__ == "__main__":
    main()
