"""Which file an attempt names, and which part of it is asked for."""

from uuid import UUID

import pytest

from consumer.api.shown_assets import headers_of, part_of, shown_asset
from consumer.media.media_types import MediaType, media_type_of
from consumer.model import FailureId

OF = FailureId(UUID(int=7))
DIGEST = "ab" * 32
FILE = {"sha256": DIGEST, "media_type": "image/png", "bytes": 3}


def test_an_attempt_names_its_file() -> None:
    shown = shown_asset(OF, 2, "auto-regenerate", "success", {"file": FILE})
    where = f"/api/healing/failures/{OF}/attempts/2/asset"
    assert shown == {"mediaType": "image/png", "bytes": 3, "sha256": DIGEST, "where": where}


@pytest.mark.parametrize(
    ("step", "strategy", "result", "details"),
    [
        (None, "auto-regenerate", "success", {"file": FILE}),
        (2, "auto-retry", "success", {"file": FILE}),
        (2, "auto-regenerate", "failed", {"file": FILE}),
        (2, "auto-regenerate", "success", None),
        (2, "auto-regenerate", "success", {"file": [FILE]}),
        (2, "auto-regenerate", "success", {"file": FILE | {"sha256": "../" + DIGEST[3:]}}),
        (2, "auto-regenerate", "success", {"file": FILE | {"sha256": 7}}),
        (2, "auto-regenerate", "success", {"file": FILE | {"media_type": "text/html"}}),
        (2, "auto-regenerate", "success", {"file": FILE | {"bytes": "3"}}),
    ],
)
def test_what_names_no_file(step: int | None, strategy: str, result: str, details: object) -> None:
    assert shown_asset(OF, step, strategy, result, details) is None


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        (None, (0, 10)),
        ("bytes=0-", (0, 10)),
        ("bytes=2-4", (2, 5)),
        ("bytes=2-99", (2, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=10-", None),
        ("bytes=-0", None),
        ("bytes=4-2", (0, 10)),
        ("bytes=0-1,3-4", (0, 10)),
        ("bytes=-", (0, 10)),
        ("bytes=" + "9" * 5000 + "-", (0, 10)),
        ("lines=1-2", (0, 10)),
    ],
)
def test_a_part_is_what_is_asked_for_or_all(asked: str | None, part: tuple[int, int] | None) -> None:
    assert part_of(asked, 10) == part


def test_what_a_file_is_its_content_alone_says() -> None:
    assert media_type_of(b"<!doctype html><script>alert(1)</script>") is None
    assert media_type_of(b"\x89PNG\r\n\x1a\n<script>alert(1)</script>") is MediaType.PNG
    assert media_type_of(b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>') is MediaType.SVG
    assert headers_of(MediaType.SVG, DIGEST)["Content-Disposition"].startswith("attachment;")
    assert headers_of(MediaType.PNG, DIGEST)["Content-Disposition"].startswith("inline;")
