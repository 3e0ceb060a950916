"""Declaration of media stores: where generated files go, what points at them, and how users fetch them.

A file is an object that is never changed, under its digest; an asset is what points at one, and is changed by
compare-and-set. A failure's event names an asset and never a place: keys begin with what is written here, and hold the
organisation's id unless the store is one organisation's own.
"""

import re
from datetime import timedelta
from typing import Annotated, ClassVar, Final, Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from consumer.catalog.access import Organisations
from consumer.catalog.declared import Declared
from consumer.catalog.runners.checks import Address, SentHeaders, fault, secrets_in
from consumer.catalog.runners.http import CallTemplate, Status
from consumer.catalog.runners.run_look import Pointer
from consumer.catalog.templates import read_template, secret_names

_KEY: Final = re.compile(r"[A-Za-z0-9._~!$'()*+,;=:@/-]*")
_ASSET_PLACES: Final = frozenset({"asset.id", "org_id", "workflow_name"})
_CALL_PLACES: Final = _ASSET_PLACES | {"object.url", "object.key", "digest", "version"}


def _check_key(text: str, places: frozenset[str], demanded: str) -> str:
    """Check a key's template: its places are known, `demanded` is among them, and its text is plain."""
    try:
        template = read_template(text)
    except ValueError as error:
        fault(str(error))
    named = {place.name for place in template.places}
    if named - places or any(place.optional for place in template.places):
        fault(f"only {', '.join(f'`{{{name}}}`' for name in sorted(places))} can stand in it")
    if demanded not in named:
        fault(f"without `{{{demanded}}}` all would have the same key")
    segments = re.sub(r"\{[^}]*\}", "x", text).split("/")
    if not _KEY.fullmatch(template.text) or any(segment in ("", ".", "..") for segment in segments):
        fault("a key is plain text without empty segments, `.` and `..`, and does not begin with a slash")
    return text


class S3Place(Declared):
    """A bucket that speaks S3's protocol; requests are signed with Signature Version 4."""

    kind: Literal["s3"]
    endpoint: Address
    """Its address, such as `https://s3.eu-central-1.amazonaws.com`."""
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")] = "us-east-1"
    access_key: Annotated[str, Field(pattern=r"^(secret://[A-Za-z0-9_.-]{1,128}|[A-Za-z0-9._-]{1,128})$")]
    """`secret://NAME`, or the key's id itself."""
    secret_key: Annotated[str, Field(pattern=r"^secret://[A-Za-z0-9_.-]{1,128}$")]
    """`secret://NAME`: it signs, and is never sent."""
    session_token: Annotated[str, Field(pattern=r"^secret://[A-Za-z0-9_.-]{1,128}$")] | None = None
    addressing: Literal["path", "host"] = "path"
    """Whether the bucket stands in the path or before the host."""

    @property
    def base(self) -> str:
        """The URL that keys are appended to."""
        if self.addressing == "path":
            return f"{self.endpoint}/{self.bucket}"
        scheme, _, host = self.endpoint.partition("://")
        return f"{scheme}://{self.bucket}.{host}"

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that it refers to."""
        return frozenset(secret_names(f"{self.access_key} {self.secret_key} {self.session_token or ''}"))


class WebPlace(Declared):
    """A server that takes files by PUT and answers with an ETag."""

    kind: Literal["http"]
    base: Address
    """The URL that keys are appended to."""
    headers: SentHeaders = Field(default_factory=dict)
    """Sent with each call, such as `authorization: Bearer secret://MEDIA`."""

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that it refers to."""
        return secrets_in(self.headers)


class KeyPointer(Declared):
    """A pointer that is a key of the same place."""

    kind: Literal["key"] = "key"
    key: str = "assets/{org_id}/{asset.id}"
    holds: Literal["content", "link"] = "content"
    """`content`: the file itself once more; `link`: a JSON document that names the object."""
    cache_control: Annotated[str, Field(pattern=r"^[\x20-\x7e]{0,256}$")] = "no-cache"
    """Its Cache-Control: how long others may keep it."""

    @field_validator("key")
    @classmethod
    def _check(cls, key: str) -> str:
        return _check_key(key, _ASSET_PLACES, "asset.id")

    @property
    def used(self) -> frozenset[str]:
        """The names of its places."""
        return frozenset(place.name for place in read_template(self.key).places)

    @property
    def secrets(self) -> frozenset[str]:
        """None of its own."""
        return frozenset()


class PointerLook(CallTemplate):
    """Template of the call that asks what an asset points at: never with an effect."""

    places: ClassVar[frozenset[str]] = _ASSET_PLACES
    demanded: ClassVar[frozenset[str]] = frozenset({"asset.id"})
    version: Pointer
    """Pointer to what changes with each change of the asset, and guards the next one."""
    digest: Pointer | None = None
    """Pointer to the digest, the key or the URL of the object that it points at."""
    gone: tuple[Status, ...] = (404, 410)
    """Statuses that mean that the asset points at nothing yet."""


class PointerSwap(CallTemplate):
    """Template of the call that has an asset point at another object, if its version is still the one it had."""

    places: ClassVar[frozenset[str]] = _CALL_PLACES
    demanded: ClassVar[frozenset[str]] = frozenset({"asset.id", "version"})
    method: Literal["POST", "PUT", "PATCH"] = "PUT"
    accepted: tuple[Status, ...] = ()
    """Statuses that mean that it was changed; 2xx when empty."""
    conflict: tuple[Status, ...] = (409, 412)
    """Statuses that mean that it has another version by now."""

    @model_validator(mode="after")
    def _check_target(self) -> Self:
        if not self.used & {"object.url", "object.key", "digest"}:
            fault("nothing in it says at what to point: `{object.url}`, `{object.key}` or `{digest}`")
        return self


class CallPointer(Declared):
    """A pointer that another system keeps, such as a product catalogue: asked, and changed, by described calls."""

    kind: Literal["call"]
    look: PointerLook
    swap: PointerSwap

    @property
    def used(self) -> frozenset[str]:
        """The names of the places that both calls use."""
        return self.look.used & self.swap.used

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that its calls refer to."""
        return self.look.secrets | self.swap.secrets


class PurgeCall(CallTemplate):
    """Template of the call that has caches forget an asset."""

    places: ClassVar[frozenset[str]] = _ASSET_PLACES | {"public.url", "public.path"}
    demanded: ClassVar[frozenset[str]] = frozenset()
    method: Annotated[str, Field(pattern=r"^[A-Z]{1,32}$")] = "POST"


AssetPointer: TypeAlias = KeyPointer | CallPointer


class DeclaredMediaStore(Declared):
    """A media store."""

    place: Annotated[S3Place | WebPlace, Field(discriminator="kind")]
    object_key: str = "sha256/{digest}"
    pointer: Annotated[AssetPointer, Field(discriminator="kind")] = KeyPointer()
    public: Address
    """The URL that users' keys are appended to: what they get there is the proof."""
    public_key: str | None = None
    """Key of an asset at `public`; None: its key in the place."""
    public_object_key: str | None = None
    """Key of an object at `public`; None: its key in the place."""
    purge: PurgeCall | None = None
    organisations: Organisations = "*"
    timeout: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=5))] = timedelta(seconds=30)
    """Timeout of one call, connect to last byte."""

    @field_validator("object_key", "public_object_key")
    @classmethod
    def _check_object_key(cls, key: str | None) -> str | None:
        return None if key is None else _check_key(key, frozenset({"digest"}), "digest")

    @field_validator("public_key")
    @classmethod
    def _check_public_key(cls, key: str | None) -> str | None:
        return None if key is None else _check_key(key, _ASSET_PLACES, "asset.id")

    @model_validator(mode="after")
    def _check_pointer(self) -> Self:
        if self.public_key is None and isinstance(self.pointer, CallPointer):
            fault("where a call keeps the pointer, `public_key` says where users fetch the asset", "public_key")
        shared = self.organisations == "*" or len(self.organisations) != 1
        if shared and "org_id" not in self.pointer.used:
            fault("`{org_id}` is missing: one organisation could change another's assets", "pointer")
        return self

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that its calls refer to."""
        purge = frozenset() if self.purge is None else self.purge.secrets
        return self.place.secrets | self.pointer.secrets | purge
