"""JSON forms of what an attempt made, and the headers under which a stranger's bytes are shown. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from consumer.media.media_types import MediaType, media_type_named
from consumer.model import FailureId, JsonObject
from schemas.names import Result, StrategyName

ASSET_HEADERS: Final = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Accept-Ranges": "bytes",
}
"""Whatever the bytes are, nothing of them acts as this host (`nosniff` and `no-store` are on every answer)."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_RANGE: Final = re.compile(r"bytes=(\d{0,12})-(\d{0,12})")
_ENDINGS: Final = {
    MediaType.JPEG: "jpg",
    MediaType.SVG: "svg",
    MediaType.MP3: "mp3",
    MediaType.M4A: "m4a",
}


def shown_asset(
    failure_id: FailureId, step: int | None, strategy: str, result: str, details: object
) -> JsonObject | None:
    """Render the file that an attempt of the healer proved to be what was asked for; None where it names none."""
    file = details.get("file") if isinstance(details, Mapping) else None
    if step is None or strategy != StrategyName.AUTO_REGENERATE or result != Result.SUCCESS:
        return None
    if not isinstance(file, Mapping):
        return None
    digest, size, named = file.get("sha256"), file.get("bytes"), file.get("media_type")
    media = media_type_named(named) if isinstance(named, str) else None
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest) or not isinstance(size, int) or media is None:
        return None
    where = f"/api/healing/failures/{failure_id}/attempts/{step}/asset"
    return {"mediaType": media.value, "bytes": size, "sha256": digest, "where": where}


def headers_of(media: MediaType, digest: str) -> dict[str, str]:
    """Return the headers of a file; a drawing that could act is never opened as a page of its own."""
    held = "attachment" if media is MediaType.SVG else "inline"
    ending = _ENDINGS.get(media, media.value.rpartition("/")[2])
    return ASSET_HEADERS | {
        "Content-Type": media.value,
        "Content-Disposition": f'{held}; filename="{digest[:16]}.{ending}"',
        "ETag": f'"{digest}"',
    }


def is_known(condition: str | None, digest: str) -> bool:
    """Return whether a browser has these very bytes already."""
    return condition is not None and f'"{digest}"' in condition


def part_of(asked: str | None, size: int) -> tuple[int, int] | None:
    """Return from where to where (exclusive) of a file is asked for; all of it where that is unclear.

    None where nothing of it is meant.
    """
    found = _RANGE.fullmatch(asked.strip()) if asked else None
    if found is None or not (found[1] or found[2]):
        return 0, size
    if not found[1]:
        last = int(found[2])
        return (max(0, size - last), size) if last else None
    begin, end = int(found[1]), int(found[2]) + 1 if found[2] else size
    if found[2] and end <= begin:
        return 0, size
    return (begin, min(end, size)) if begin < size else None
