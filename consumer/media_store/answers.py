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
            said = f"the store answered {status}" + (f" {code[1].decode()}" if code else "")
            unhealthy = status >= 500 or status in NOT_PROCESSED  # noqa: PLR2004 - HTTP's own border
            return StoreFailed(
                reason=said,
                in_doubt=status >= 500,  # noqa: PLR2004
                refused=status in _FORBIDDEN or (400 <= status < 500 and not unhealthy),  # noqa: PLR2004
                dependency_unhealthy=unhealthy,
                after=requested_wait(result),
            )
        case NotSent(kind=kind, reason=reason):
            return StoreFailed(reason=reason, dependency_unhealthy=kind != _LOCAL_FAILURE)
        case Ambiguous(reason=reason):
            return StoreFailed(reason=reason, in_doubt=True, dependency_unhealthy=True)
        case EgressRefused(reason=reason):
            return StoreFailed(reason=reason, refused=True)
