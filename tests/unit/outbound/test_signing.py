"""A signed request holds a signature in place of the keys, and what cannot be signed is refused."""

from dataclasses import replace

import pytest

from consumer.model.call import AwsSigning, OutboundRequest
from consumer.outbound.credentials import Credentials
from consumer.outbound.redirects import without_credentials
from consumer.outbound.signing import signed, unsignable

URL = "https://s3.example.com/media/assets/hero%201.png"
KEYS = Credentials({"ID": "AKIAEXAMPLE", "KEY": "wJalrXUtnFEMI-of-nobody", "TOKEN": "a-session"})
PUT = OutboundRequest(
    method="PUT",
    url=URL,
    headers=(
        ("authorization", "secret://ID secret://KEY"),
        ("if-match", '"1"'),
        ("x-amz-security-token", "secret://TOKEN"),
    ),
    body=b"bytes",
    signing=AwsSigning(region="eu-central-1"),
)


def test_the_signature_takes_the_place_of_the_keys_and_covers_the_condition_and_the_body() -> None:
    assert PUT.signing is not None
    done = signed(PUT, PUT.signing, URL, KEYS)
    headers = {name.lower(): value for name, value in done.headers}
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/")
    assert "/eu-central-1/s3/aws4_request" in headers["authorization"]
    assert "if-match" in headers["authorization"]
    assert headers["x-amz-content-sha256"].startswith(
        "277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9"
    )
    assert headers["x-amz-security-token"] == "a-session"
    assert "wJalrXUtnFEMI" not in repr(done)
    assert done.signing is None


@pytest.mark.parametrize("value", ["secret://ID", "a b c", ""])
def test_a_request_without_both_keys_is_refused(value: str) -> None:
    assert "names its access key and its secret key" in (
        unsignable(replace(PUT, headers=(("authorization", value),))) or ""
    )


def test_what_is_not_to_be_signed_is_none_of_its_business() -> None:
    assert unsignable(replace(PUT, headers=(), signing=None)) is None
    assert unsignable(PUT) is None


def test_another_origin_gets_neither_keys_nor_signature() -> None:
    stripped = without_credentials(PUT)
    assert stripped.signing is None
    assert stripped.headers == ()
