"""Calls to the two kinds of places that hold files: S3, and a server that takes them by PUT. Pure."""

import base64
import re
from typing import Final
from uuid import UUID

from consumer.catalog import S3Place, WebPlace
from consumer.media_store.contract import MediaFile
from consumer.media_store.keys import url_of
from consumer.model.call import Answer, AwsSigning, OutboundRequest
from schemas.value import value

IMMUTABLE: Final = "public, max-age=31536000, immutable"
_NOTE: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_NOTE_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,510}[\x21-\x7e])?")
_DIGEST_NOTE: Final = "x-amz-meta-sha256"
_CHECKSUM: Final = "x-amz-checksum-sha256"


@value(frozen=True, slots=True, kw_only=True)
class OnlyIf:
    """The condition of a write: the version that has to be there, or None for nothing."""

    version: str | None

    @property
    def header(self) -> tuple[str, str]:
        """The condition as HTTP has it."""
        return ("if-none-match", "*") if self.version is None else ("if-match", self.version)


def head(place: S3Place | WebPlace, key: str, org_id: UUID) -> OutboundRequest:
    """Ask for a file's version."""
    return _request(place, "HEAD", key, org_id)


def get(place: S3Place | WebPlace, key: str, org_id: UUID) -> OutboundRequest:
    """Fetch a file from the place itself, past what stands before it."""
    return _request(place, "GET", key, org_id)


def put(
    place: S3Place | WebPlace, key: str, file: MediaFile, org_id: UUID, *, only_if: OnlyIf, cache_control: str
) -> OutboundRequest:
    """Write a file if the condition holds."""
    headers = [("content-type", file.media_type), only_if.header]
    headers += [("cache-control", cache_control)] if cache_control else []
    if isinstance(place, S3Place):
        # S3 compares it with what arrived, and refuses a file that was changed on its way.
        headers.append((_CHECKSUM, base64.b64encode(bytes.fromhex(file.digest)).decode()))
        headers.append((_DIGEST_NOTE, file.digest))
        headers += [(f"x-amz-meta-{name}", text) for name, text in _fit_notes(file)]
    return _request(place, "PUT", key, org_id, headers=tuple(headers), body=file.content)


def is_confirmed(answer: Answer, file: MediaFile) -> bool:
    """Return whether the answer to a PUT says that these very bytes arrived: S3 repeats the checksum it compared."""
    expected = base64.b64encode(bytes.fromhex(file.digest)).decode()
    return answer.named_headers.get(_CHECKSUM) == expected


def _fit_notes(file: MediaFile) -> list[tuple[str, str]]:
    return [pair for pair in file.notes if _NOTE.fullmatch(pair[0]) and _NOTE_VALUE.fullmatch(pair[1])]


def noted_digest(headers: dict[str, str]) -> str | None:
    """Return the digest that a place notes of a file, or None."""
    return headers.get(_DIGEST_NOTE)


def _request(
    place: S3Place | WebPlace,
    method: str,
    key: str,
    org_id: UUID,
    *,
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes | None = None,
) -> OutboundRequest:
    own, signing = _credentials(place)
    return OutboundRequest(
        method=method,
        url=url_of(place.base, key),
        headers=(*own, *headers),
        body=body,
        org_id=org_id,
        effect=body is not None,
        signing=signing,
        opaque=True,
        as_stored=True,
    )


def _credentials(place: S3Place | WebPlace) -> tuple[tuple[tuple[str, str], ...], AwsSigning | None]:
    if isinstance(place, WebPlace):
        return tuple(place.headers.items()), None
    own = [("authorization", f"{place.access_key} {place.secret_key}")]
    own += [("x-amz-security-token", place.session_token)] if place.session_token else []
    return tuple(own), AwsSigning(region=place.region)
