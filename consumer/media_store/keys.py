"""Keys and URLs of objects and assets. Pure. A value fills a place within a key and never leads out of it."""

import re
from typing import Final
from urllib.parse import quote

from consumer.catalog.templates import Placeholder, read_template
from consumer.media_store.contract import AssetRef

_MAX_VALUE: Final = 512
_PLAIN: Final = re.compile(r"[^\x00-\x1f\x7f\\]+")
_SAFE: Final = "/~!$'()*+,;=:@"


class UnfitKey(Exception):
    """A value cannot stand in a key; the message names it, and does not quote it."""


def asset_values(asset: AssetRef) -> dict[str, str]:
    """Return what an asset's templates are filled with."""
    return {"org_id": str(asset.org_id), "workflow_name": asset.workflow_name, "asset.id": asset.asset_id}


def render_key(template: str, values: dict[str, str]) -> str:
    """Fill a key's template; an id may hold slashes, but no segment that is empty, `.` or `..`.

    Raises
    ------
    UnfitKey

    """
    key = ""
    for part in read_template(template).parts:
        key += _fitting(part.name, values[part.name]) if isinstance(part, Placeholder) else part
    return key


def _fitting(name: str, text: str) -> str:
    if len(text) > _MAX_VALUE or not _PLAIN.fullmatch(text) or not text.isprintable():
        raise UnfitKey(f"{name} is empty, too long, or holds what a key cannot")
    # Servers that decode again, or trim, would take these for others.
    if "%" in text or any(segment.strip(" .") == "" for segment in text.split("/")):
        raise UnfitKey(f"{name} would lead elsewhere")
    return text


def url_of(base: str, key: str) -> str:
    """Append a key to a base URL, percent-encoded."""
    return f"{base}/{quote(key, safe=_SAFE)}"
