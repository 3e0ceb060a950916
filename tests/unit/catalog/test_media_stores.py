"""Media stores as declared: what would let one organisation change another's assets is refused, by its line."""

from typing import Any

import pytest
from pydantic import ValidationError

from consumer.catalog.media_stores import DeclaredMediaStore
from tests.support.healing import ORG

S3: dict[str, Any] = {
    "kind": "s3",
    "endpoint": "https://s3.example.com/",
    "bucket": "media",
    "access_key": "AKIA0000",
    "secret_key": "secret://KEY",
}
LOOK = {"url": "https://cms.example.com/{org_id}/{asset.id}", "version": "/version"}
SWAP = LOOK | {"body": {"to": "{object.url}", "from": "{version}"}}
del SWAP["version"]
CALLED = {"kind": "call", "look": LOOK, "swap": SWAP}


def declared(**changes: Any) -> DeclaredMediaStore:  # noqa: ANN401 - a block of YAML
    whole = {"place": S3, "public": "https://cdn.example.com/m"} | changes
    return DeclaredMediaStore.model_validate(whole)


def test_what_is_left_out_has_safe_defaults() -> None:
    store = declared()
    assert store.object_key == "sha256/{digest}"
    assert "org_id" in store.pointer.used
    assert store.secrets == {"KEY"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"pointer": {"kind": "key", "key": "assets/{asset.id}"}}, "one organisation could change another's"),
        ({"pointer": {"kind": "key", "key": "assets/{org_id}"}}, "all would have the same key"),
        ({"pointer": {"kind": "key", "key": "/a/{org_id}/{asset.id}"}}, "does not begin with a slash"),
        ({"pointer": {"kind": "key", "key": "{org_id}/../{asset.id}"}}, "does not begin with a slash"),
        ({"pointer": {"kind": "key", "key": "{org_id}/{asset.id}/{nobody}"}}, "can stand in it"),
        ({"pointer": {"kind": "key", "key": "{org_id}/{asset.id"}}, "a single `{`"),
        ({"object_key": "objects/all"}, "all would have the same key"),
        ({"public": "https://cdn.example.com/{org_id}"}, "without values"),
        ({"pointer": CALLED}, "`public_key` says where users fetch"),
        (
            {"pointer": CALLED | {"swap": SWAP | {"body": {"from": "{version}"}}}, "public_key": "{asset.id}"},
            "at what to point",
        ),
        (
            {"pointer": CALLED | {"swap": SWAP | {"body": {"to": "{digest}"}}}, "public_key": "{asset.id}"},
            "`{version}`",
        ),
        ({"place": S3 | {"secret_key": "s3cr3t"}}, "String should match pattern"),
        (
            {"place": {"kind": "http", "base": "https://x.example.com/", "headers": {"host": "a"}}},
            "belongs to the connection",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError) as refused:
        declared(**changes)
    assert why in str(refused.value)


def test_a_store_of_one_organisation_needs_no_organisation_in_its_keys() -> None:
    pointer = {"kind": "key", "key": "assets/{asset.id}"}
    assert declared(pointer=pointer, organisations=[str(ORG)]).pointer.used == {"asset.id"}


def test_a_pointer_that_another_system_keeps_names_who_uses_it() -> None:
    store = declared(pointer=CALLED, public_key="{org_id}/{asset.id}")
    assert store.pointer.used == {"org_id", "asset.id"}


@pytest.mark.parametrize(
    ("addressing", "base"), [("path", "https://s3.example.com/media"), ("host", "https://media.s3.example.com")]
)
def test_a_bucket_stands_in_the_path_or_before_the_host(addressing: str, base: str) -> None:
    assert declared(place=S3 | {"addressing": addressing}).place.base == base
