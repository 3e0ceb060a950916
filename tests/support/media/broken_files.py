"""Files whose container is whole, or looks so, and whose content is not: rows, scans, frames of them are missing."""

import zlib
from collections.abc import Callable, Iterator

from tests.support.media.pictures import photograph, saved
from tests.support.media.true_files import TRUE_FILES

HEAD = b"\x89PNG\r\n\x1a\n"
END = b"\xff\xd9"


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)


def png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(HEAD)
    while at < len(content):
        length = int.from_bytes(content[at : at + 4])
        yield content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        at += 12 + length


def half_the_rows() -> bytes:
    """A PNG whose deflated data ends well, and early; its checksums hold."""
    head, *pieces, _ = png_chunks(saved(photograph(), "PNG"))
    rows = zlib.decompress(b"".join(body for _, body in pieces))
    data = zlib.compress(rows[: len(rows) // 2])
    return HEAD + b"".join(png_chunk(*one) for one in (head, (b"IDAT", data), (b"IEND", b"")))


def half_a_frame() -> bytes:
    """An animated PNG, the last frame of which ends early in the same way."""
    *chunks, (kind, body), end = png_chunks(TRUE_FILES["png, animated"].make())
    rows = zlib.decompress(body[4:])
    chunks += [(kind, body[:4] + zlib.compress(rows[: len(rows) // 2])), end]
    return HEAD + b"".join(png_chunk(*one) for one in chunks)


def first_scans(count: int) -> bytes:
    """A progressive JPEG that ends well after some of its scans: all of it is there, and coarse."""
    whole = TRUE_FILES["jpeg, progressive"].make()
    at = [at for at in range(len(whole)) if whole[at : at + 2] == b"\xff\xda"][count]
    tables = whole.rfind(b"\xff\xc4", 0, at)
    return whole[:tables] + END


def unfilled_frame() -> bytes:
    """An animated WebP, the first frame of which ends in zeros."""
    whole = bytearray(TRUE_FILES["webp, animated"].make())
    begin = whole.find(b"ANMF") + 8
    end = begin + int.from_bytes(whole[begin - 4 : begin], "little")
    whole[(begin + end) // 2 : end] = bytes(end - (begin + end) // 2)
    return bytes(whole)


def unfilled_avif() -> bytes:
    whole = TRUE_FILES["avif"].make()
    return whole[: len(whole) * 3 // 5].ljust(len(whole), b"\0")


def strip_above_grey() -> bytes:
    """A JPEG of which only the first row of blocks came, decoded and encoded anew."""
    image = photograph()
    image.paste((128, 128, 128), (0, 16, 256, 192))
    return saved(image, "PNG")


def without_middle(name: str) -> Callable[[], bytes]:
    """A stream of frames without its middle third, cut within frames."""

    def make() -> bytes:
        whole = TRUE_FILES[name].make()
        return whole[: len(whole) // 3] + whole[len(whole) * 2 // 3 :]

    return make


def unfilled_middle(name: str) -> Callable[[], bytes]:
    def make() -> bytes:
        whole = TRUE_FILES[name].make()
        third = len(whole) // 3
        return whole[:third] + bytes(third) + whole[2 * third :]

    return make


def whole_frames(name: str, share: float) -> Callable[[], bytes]:
    """A stream of MP3 frames that was cut between two of them."""

    def make() -> bytes:
        whole = TRUE_FILES[name].make()
        heads = whole[whole.find(b"\xff\xf3") :][:2]
        at = whole.find(heads, int(len(whole) * share))
        return whole[:at]

    return make
