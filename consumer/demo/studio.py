"""The demo's studio, which makes pictures and voices, and the shelf on which they are stored and served from.

A picture is drawn here, as PNG. A voice is espeak-ng's where it is installed, else a tone generator's, which says so.
"""

import math
import shutil
import struct
import subprocess
import tempfile
import zlib
from collections import Counter
from functools import lru_cache
from hashlib import sha256
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from random import Random
from typing import Final

from consumer.demo.world import EffectRecord, Ending, WorldCall, WorldReply
from consumer.model import JsonObject

WIDTH: Final = 192
HEIGHT: Final = 120
HERO_PROMPT: Final = "a lamp shop by the sea"
CUT: Final = "a street of lamp makers at dusk"
"""Its first picture ends in the middle."""
FORBIDDEN: Final = "a portrait of a guest who has not agreed to it"
"""Refused by the studio's moderation."""
SPOKEN: Final = "Welcome back. Your lamp has been repaired and is ready for you at the counter."
OBJECTS: Final = "sha256"
"""Where the service stores what was made, under its digest; an asset's address points at one of them."""
_RATE: Final = 22_050
_SPEAKER: Final = "espeak-ng"
_SPEAK_WITHIN: Final = 20
_SECONDS_PER_CHARACTER: Final = 0.062


class Studio:
    """Makes what is asked for, once a call; one answer is cut off, and one prompt is refused."""

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()

    def __call__(self, call: WorldCall, record: EffectRecord) -> Ending:
        """Make a picture or a voice."""
        prompt = str(call.body.get("prompt", ""))
        self._calls[prompt] += 1
        if prompt == FORBIDDEN:
            said: JsonObject = {"code": "moderation_blocked", "message": "rejected by the safety system"}
            return WorldReply(status=HTTPStatus.BAD_REQUEST, body={"error": said})
        if prompt == CUT and self._calls[prompt] == 1:
            whole = picture(prompt)
            return WorldReply(content=whole[: len(whole) // 2], headers=(("Content-Type", "image/png"),))
        record.perform(call)
        if call.path.startswith("/voices"):
            return WorldReply(content=voice(prompt), headers=(("Content-Type", "audio/wav"),))
        return WorldReply(content=picture(prompt), headers=(("Content-Type", "image/png"),))


class Shelf:
    """Keeps files by path, replaced only by who knows what stands there; what it keeps lies in a folder, too."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)  # what an earlier demo left was not made by this one
        self._files: dict[str, bytes] = {}

    def __call__(self, call: WorldCall, record: EffectRecord) -> Ending:
        """Take a file, or give one."""
        stands = self._files.get(call.path)
        if call.method == "PUT":
            return self._take(call, stands, record)
        if stands is None:
            return WorldReply(status=HTTPStatus.NOT_FOUND, body={"error": "nothing here"})
        return WorldReply(content=b"" if call.method == "HEAD" else stands, headers=(("ETag", _etag(stands)),))

    def _take(self, call: WorldCall, stands: bytes | None, record: EffectRecord) -> Ending:
        only_new, match = call.headers.get("if-none-match") == "*", call.headers.get("if-match")
        if (only_new and stands is not None) or (match is not None and (stands is None or match != _etag(stands))):
            return WorldReply(status=HTTPStatus.PRECONDITION_FAILED, body={"error": "another one stands there"})
        self._files[call.path] = call.content
        if call.path.startswith("/assets/"):
            record.perform(call)
            self._show(call.path.rpartition("/")[2], call.content)
        elif call.path.startswith(f"/{OBJECTS}/"):
            self._show(f"{OBJECTS}/{call.path.rpartition('/')[2]}", call.content)
        return WorldReply(status=HTTPStatus.CREATED, headers=(("ETag", _etag(call.content)),))

    def _show(self, name: str, content: bytes) -> None:
        if self._folder is not None:
            file = self._folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


def _etag(content: bytes) -> str:
    return f'"{sha256(content).hexdigest()[:32]}"'


@lru_cache(maxsize=8)
def picture(prompt: str) -> bytes:
    """Draw a sky, a sea and some lamps, other ones for each prompt, as PNG."""
    dice = Random(prompt)  # noqa: S311 - a picture
    lamps = [(dice.randrange(WIDTH), dice.randrange(HEIGHT // 4, HEIGHT), dice.randrange(8, 30)) for _ in range(9)]
    tint = [dice.randrange(40, 200) for _ in range(3)]
    rows = (b"\0" + bytes(chain.from_iterable(_pixel(x, y, lamps, tint) for x in range(WIDTH))) for y in range(HEIGHT))
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(b"".join(rows), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _pixel(x: int, y: int, lamps: list[tuple[int, int, int]], tint: list[int]) -> tuple[int, int, int]:
    light = sum(200 * math.exp(-((x - at) ** 2 + (y - up) ** 2) / (size * size)) for at, up, size in lamps)
    wave = 25 * math.sin(x / 17 + y / 5) if y > HEIGHT * 2 // 3 else 0
    sky = y / HEIGHT * 90
    red, green, blue = (min(255, max(0, int(part * 0.5 + sky + light + wave))) for part in tint)
    return red, green, blue


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def speaker() -> str:
    """Return what speaks here, in words."""
    return _SPEAKER if shutil.which(_SPEAKER) else "a tone generator (espeak-ng is not installed)"


@lru_cache(maxsize=8)
def voice(text: str) -> bytes:
    """Speak a text, as WAV."""
    program = shutil.which(_SPEAKER)
    if program is None:
        return _tones(text)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "voice.wav"
        subprocess.run([program, "-w", str(file), text], check=True, timeout=_SPEAK_WITHIN)  # noqa: S603 - its own text
        return file.read_bytes()


def _tones(text: str) -> bytes:
    """Hum a text in syllables, with the harmonics of a voice, for as long as it would take to say it."""
    dice, count = Random(text), int(len(text) * _SECONDS_PER_CHARACTER * _RATE)  # noqa: S311 - a sound
    loud = [dice.uniform(0.02, 1.0) for _ in range(count // (_RATE // 9) + 2)]
    samples, phase = bytearray(), 0.0
    for n in range(count):
        at = n / _RATE
        phase += 2 * math.pi * 118 * (1 + 0.12 * math.sin(4.4 * at) + 0.05 * math.sin(14.5 * at)) / _RATE
        tone = sum(
            share * math.sin(number * phase) for number, share in ((1, 0.5), (2, 0.8), (3, 1.0), (5, 0.4), (9, 0.3))
        )
        here, between = divmod(n, _RATE // 9)
        level = loud[here] + (loud[here + 1] - loud[here]) * between / (_RATE // 9)
        edge = min(1.0, n / 1000, (count - n) / 1000)
        samples += struct.pack("<h", int(5000 * edge * level**1.6 * (tone + dice.gauss(0, 0.02))))
    head = (
        b"RIFF"
        + struct.pack("<I", 36 + len(samples))
        + b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, 1, _RATE, 2 * _RATE, 2, 16)
    )
    return head + b"data" + struct.pack("<I", len(samples)) + bytes(samples)
