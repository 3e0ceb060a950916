"""What a client of Postgres or of Kafka asks for, read from its bytes: enough to lose the answer to one request."""

from collections.abc import Sequence
from typing import Final

PURPOSES: Final = (
    ("intake", b"INSERT INTO workflow_failures"),
    ("settle", b"DELETE FROM heal_claim c USING e"),
    ("start", b"INSERT INTO heal_claim"),
    ("take over", b"UPDATE heal_claim c SET owner"),
    ("pick", b"FROM picked WHERE f.id = picked.id"),
    ("begin", b"SET begun = begun OR NOT revoked"),
    ("sweep", b"UPDATE heal_outbox b SET owner"),
)
"""Which transaction a statement makes of the one it stands in; the first that fits."""

KAFKA_REQUESTS: Final = {0: "produce", 1: "fetch", 8: "commit", 11: "join", 12: "heartbeat", 13: "leave", 14: "sync"}


class PostgresWire:
    """Names each COMMIT by what its transaction did (`commit intake`), and each bare statement (`begin`)."""

    def __init__(self) -> None:
        self._rest = b""
        self._started = False
        self._prepared: dict[bytes, str] = {}
        self._purpose = ""

    def asked(self, data: bytes) -> Sequence[str]:
        self._rest += data
        found: list[str] = []
        while (message := self._message()) is not None:
            kind, body = message
            if kind == b"P":
                name, sql = body.split(b"\0", 2)[:2]
                self._prepared[name] = next((purpose for purpose, words in PURPOSES if words in sql), "")
            elif kind == b"B":
                purpose = self._prepared.get(body.split(b"\0", 2)[1], "")
                self._purpose = self._purpose or purpose
                found += [purpose] if purpose else []
            elif kind == b"Q":
                if body.startswith(b"COMMIT"):
                    found.append(f"commit {self._purpose}".strip())
                self._purpose = ""
        return found

    def _message(self) -> tuple[bytes, bytes] | None:
        """Take one whole message off the front; the first has no kind."""
        head = 1 if self._started else 0
        if len(self._rest) < head + 4:
            return None
        end = head + int.from_bytes(self._rest[head : head + 4], "big")
        if len(self._rest) < end:
            return None
        kind, body = self._rest[:head], self._rest[head + 4 : end]
        self._rest, self._started = self._rest[end:], True
        return kind, body


class KafkaWire:
    """Names requests by what they are for: `produce`, `commit`, `join` and the like."""

    def __init__(self) -> None:
        self._rest = b""

    def asked(self, data: bytes) -> Sequence[str]:
        self._rest += data
        found: list[str] = []
        while len(self._rest) >= 6 and len(self._rest) >= (end := 4 + int.from_bytes(self._rest[:4], "big")):
            found.append(KAFKA_REQUESTS.get(int.from_bytes(self._rest[4:6], "big"), "other"))
            self._rest = self._rest[end:]
        return found
