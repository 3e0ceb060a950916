"""What the proxies of the crash tests read of the wire: each transaction is known by the statements of the store."""

import importlib
import pkgutil

import pytest

from consumer import store
from tests.support.faults.wires import PURPOSES, KafkaWire, PostgresWire


def statements() -> list[str]:
    modules = [
        importlib.import_module(f"consumer.store.{found.name}") for found in pkgutil.iter_modules(store.__path__)
    ]
    return [value for module in modules for value in vars(module).values() if isinstance(value, str)]


@pytest.mark.parametrize(("purpose", "words"), PURPOSES, ids=[purpose for purpose, _ in PURPOSES])
def test_each_transaction_is_known_by_a_statement_that_the_store_still_has(purpose: str, words: bytes) -> None:
    assert [one for one in statements() if words.decode() in one], f"{purpose} has other words now"


def said(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def test_a_commit_is_named_by_what_its_transaction_did_however_the_bytes_are_cut() -> None:
    statement = said(b"P", b"s1\0INSERT INTO heal_claim (scope)\0\0\0")
    bound = said(b"B", b"\0s1\0\0\0\0\0\0\0")
    stream = said(b"", b"\0\3\0\0user\0me\0\0") + said(b"Q", b"BEGIN;\0") + statement + bound + said(b"Q", b"COMMIT;\0")
    stream += said(b"Q", b"BEGIN;\0") + said(b"Q", b"COMMIT;\0")
    wire = PostgresWire()
    found = [name for byte in stream for name in wire.asked(bytes([byte]))]
    assert found == ["start", "commit start", "commit"]


def test_a_request_of_kafka_is_named_when_it_is_whole() -> None:
    produce, fetch = b"\0\0\0\7", b"\0\1\0\4"
    wire = KafkaWire()
    sent = [(len(body) + 4).to_bytes(4, "big") + body + b"\0\0\0\0" for body in (produce, fetch)]
    assert list(wire.asked(sent[0][:5])) == []
    assert list(wire.asked(sent[0][5:] + sent[1])) == ["produce", "fetch"]
