"""Files that are made to harm who decodes them: bombs, endless animations, heads that lie, chunks of nonsense."""

import random
import struct
import zlib
from collections.abc import Iterator
from typing import Final

from PIL import Image

from tests.support.media.lies import png_head
from tests.support.media.pictures import photograph, saved
from tests.support.media.true_files import TRUE_FILES, svg
from tests.support.media.voices import encoded, tone

_CORRUPTED: Final = (
    "png", "png, palette", "png, animated", "jpeg", "jpeg, progressive", "jpeg, restarts", "gif, animated", "webp",
    "webp, animated", "avif", "wav", "mp3", "ogg, opus", "flac", "m4a", "m4a, in fragments", "aac",
)  # fmt: skip


def hostile_files() -> Iterator[tuple[str, bytes]]:
    """About 80 of them, by name; the same in every run."""
    yield from _image_bombs()
    yield from _vector_bombs()
    yield from _sound_bombs()
    yield from _corrupted()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)


def _image_bombs() -> Iterator[tuple[str, bytes]]:
    for width, height in ((60_000, 60_000), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1), (7071, 7071), (0, 0)):
        yield f"png of {width} x {height}", png_head(width, height)
    flat = Image.new("L", (7000, 7000))
    yield "png that inflates a thousandfold", saved(flat, "PNG", optimize=True)
    yield "png with a text bomb", _with_text_bomb()
    yield (
        "gif of 65535 x 65535",
        b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6) + _gif_frame(65535, 65535) + b";",
    )
    yield (
        "gif of endless frames",
        b"GIF89a" + struct.pack("<HHBBB", 1000, 1000, 0x80, 0, 0) + bytes(6) + _gif_frame(1000, 1000) * 60_000 + b";",
    )
    yield (
        "gif whose blocks never end",
        b"GIF89a" + struct.pack("<HHBBB", 64, 64, 0x80, 0, 0) + bytes(6) + b"\x21\xfe" + b"\xff" * 1_000_000,
    )
    jpeg = bytearray(saved(photograph(64, 64), "JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 65500, 65500)
    yield "jpeg of 65500 x 65500", bytes(jpeg)
    progressive = saved(Image.new("L", (6000, 6000)), "JPEG", progressive=True)
    scan = progressive.rindex(b"\xff\xda")
    yield "jpeg of a thousand scans", progressive[:-2] + progressive[scan:-2] * 1000 + b"\xff\xd9"
    webp = bytearray(saved(photograph(64, 64), "WEBP", lossless=True))
    webp[21:25] = b"\xff\xff\xff\x0f"
    yield "webp of 16384 x 16384", bytes(webp)
    avif = saved(photograph(64, 64), "AVIF", speed=10)
    at = avif.index(b"ispe") + 8
    yield "avif of 60000 x 60000", avif[:at] + struct.pack(">II", 60_000, 60_000) + avif[at + 8 :]


def _gif_frame(width: int, height: int) -> bytes:
    return b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\x00"


def _with_text_bomb() -> bytes:
    whole = saved(photograph(32, 32), "PNG")
    text = _chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"A" * 50_000_000, 9))
    return whole[:33] + text + whole[33:]


def _vector_bombs() -> Iterator[tuple[str, bytes]]:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    doctype = f'<!DOCTYPE svg [<!ENTITY l0 "ha">{laughs}]>'.encode()
    yield "svg with a billion laughs", b'<?xml version="1.0"?>' + doctype + svg("<text>&l9;</text>")[39:]
    yield "svg with a file in an entity", b'<!DOCTYPE svg SYSTEM "file:///etc/passwd">' + svg("<text>x</text>")[39:]
    yield "svg nested without end", svg("<g>" * 50_000 + "</g>" * 50_000)
    yield "svg of endless shapes", svg("<circle r='9'/>" * 150_000)
    uses = "".join(f'<g id="u{n}"><use href="#u{n - 1}"/><use href="#u{n - 1}"/></g>' for n in range(1, 40))
    yield "svg whose uses double", svg(f'<defs><g id="u0"><circle r="9"/></g>{uses}</defs><use href="#u39"/>')
    blur = '<filter id="f"><feGaussianBlur stdDeviation="4000"/></filter>' + '<g filter="url(#f)">' * 200
    yield "svg of filters", svg(f"{blur}<rect width='256' height='192'/>{'</g>' * 200}")
    yield "svg without an end", svg("<text>" + "a" * 3_000_000)[:-20]
    yield "svg that loads a file", svg('<image href="/etc/hostname" width="9" height="9"/>')
    yield "svg whose style imports", svg("<style>@import url('https://example.com/a.css');</style><circle r='60'/>")
    yield "svg of dashes", svg('<path d="M0 0H1e9" stroke="red" stroke-dasharray="0.0001"/>')


def _sound_bombs() -> Iterator[tuple[str, bytes]]:
    wav = TRUE_FILES["wav"].make()
    yield "wav of 65535 channels", wav[:22] + b"\xff\xff" + wav[24:]
    yield "wav at 4 GHz", wav[:24] + b"\xff\xff\xff\xff" + wav[28:]
    yield "wav without a rate", wav[:24] + bytes(4) + wav[28:]
    yield "wav of empty chunks", wav[:12] + (b"junk" + bytes(4)) * 100_000
    yield "flac of half an hour of nothing", encoded(tone(0, 1800, 2000), "flac", "flac", rate=2000)
    yield "ogg of empty pages", TRUE_FILES["ogg, opus"].make()[:28] + (b"OggS" + bytes(23)) * 50_000
    mp3 = TRUE_FILES["mp3"].make()
    yield "mp3 behind 250 MB of tags", b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + mp3
    yield "mp3 of sync words", b"\xff\xfb" * 500_000
    yield (
        "m4a whose boxes hold themselves",
        b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom\0\0\0\0" + b"\0\0\0\x10moov\0\0\0\x08free" * 100_000,
    )
    yield (
        "m4a with a box of no size",
        b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom\0\0\0\0" + b"\0\0\0\x01moov" + b"\xff" * 8,
    )
    yield "a playlist", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"
    yield "a list of files to join", b"ffconcat version 1.0\nfile /etc/passwd\n"


def _corrupted() -> Iterator[tuple[str, bytes]]:
    """Files whose bytes were changed here and there, and whose parts were shuffled."""
    chance = random.Random(23)
    for name in _CORRUPTED:
        whole = TRUE_FILES[name].make()
        for kind in ("changed", "shuffled"):
            content = bytearray(whole)
            if kind == "changed":
                for _ in range(max(8, len(content) // 400)):
                    content[chance.randrange(12, len(content))] = chance.randrange(256)
            else:
                parts = [bytes(content[at : at + 97]) for at in range(64, len(content), 97)]
                chance.shuffle(parts)
                content = content[:64] + b"".join(parts)
            yield f"{name}, {kind}", bytes(content)
