"""Maps a store's answers: a version, a conflict, a failure, a doubt. Pure."""

import re
from typing import Final

from consumer.media_store.contract import PointerState, StoreFailed
from consumer.media_store.places import noted_digest
from consumer.model.call import Ambiguous, Answer, CallResult, EgressRefused, NotSent, requested_wait
from consumer.model.http_status import NOT_PROCESSED

_OK: Final = range(200, 300)
CONFLICT: Final = frozenset({409, 412})
ABSENT: Final = frozenset({404, 410})
_FORBIDDEN: Final = frozenset({401, 403})
_LOCAL_FAILURE: Final = "PoolTimeout"
_ETAG: Final = re.compile(r'"[\x21\x23-\x7e]*"')
_CODE: Final = re.compile(rb"<Code>([A-Za-z]{1,64})</Code>")
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
_REGION_ELEMENT: Final = re.compile(rb"<Region>([a-z0-9-]{1,40})</Region>")
_ENDPOINT: Final = re.compile(rb"<Endpoint>([A-Za-z0-9.-]{1,253})</Endpoint>")
_LOCATION: Final = re.compile(r"https?://([A-Za-z0-9.-]{1,253})(?::\d{1,5})?(?:[/?]|$)")
_TEMPORARY: Final = 307
_MOVED: Final = frozenset({301, 302, 303, 308})
_HINTING: Final = _MOVED | {_TEMPORARY, 400, 403}


def is_ok(result: CallResult) -> bool:
    """Return whether the store did it."""
    return isinstance(result, Answer) and result.status in _OK


def version_in(answer: Answer) -> PointerState | StoreFailed:
    """Read a file's version from the answer to a HEAD."""
    headers = answer.named_headers
    tag = headers.get("etag", "")
    if not _ETAG.fullmatch(tag):
        why = "a weak ETag, which guards no write" if tag.startswith("W/") else "no ETag"
        return StoreFailed(reason=f"the store gives {why}: it cannot compare and set", refused=True)
    return PointerState(version=tag, digest=noted_digest(headers))


def failure(result: CallResult) -> StoreFailed:
    """Map a result that is neither done nor a conflict."""
    match result:
        case Answer(status=status, body=body):
            code = _CODE.search(body[:4096])
            said = f"the store answered {status}" + (f" {code[1].decode()}" if code else "") + _elsewhere(result)
            moved = status in _MOVED
            unhealthy = status >= 500 or status in NOT_PROCESSED  # noqa: PLR2004 - HTTP's own border
            return StoreFailed(
                reason=said,
                in_doubt=status >= 500,  # noqa: PLR2004
                refused=moved or status in _FORBIDDEN or (400 <= status < 500 and not unhealthy),  # noqa: PLR2004
                dependency_unhealthy=unhealthy,
                after=requested_wait(result),
            )
        case NotSent(kind=kind, reason=reason):
            return StoreFailed(reason=reason, dependency_unhealthy=kind != _LOCAL_FAILURE)
        case Ambiguous(reason=reason):
            return StoreFailed(reason=reason, in_doubt=True, dependency_unhealthy=True)
        case EgressRefused(reason=reason):
            return StoreFailed(reason=reason, refused=True)


def _elsewhere(answer: Answer) -> str:
    """Tell where the store says that its files are, with what to do: S3 names a region, HTTP an address."""
    if answer.status not in _HINTING:
        return ""
    headers = answer.named_headers
    named = _REGION_ELEMENT.search(answer.body[:4096])
    region = headers.get("x-amz-bucket-region", "") or (named[1].decode() if named else "")
    endpoint = _ENDPOINT.search(answer.body[:4096])
    host = endpoint[1].decode() if endpoint else _host_of(headers.get("location", ""))
    found = [f"region {region}"] if _REGION.fullmatch(region) else []
    found += [f"address {host}"] if host else []
    if answer.status == _TEMPORARY:
        return f": for now its files are at {host or 'another address'}; that passes once its name is known everywhere"
    if found:
        return f": its files are in {' at '.join(found)}; correct the store's `region` and address in the catalog"
    is_moved = answer.status in _MOVED
    return ": a redirect, which nothing is sent after; name the address it leads to in the catalog" if is_moved else ""


def _host_of(location: str) -> str:
    found = _LOCATION.match(location)
    return found[1] if found else ""
