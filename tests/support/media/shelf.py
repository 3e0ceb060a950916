"""A server that takes files by PUT with conditions and gives strong ETags, and a cache that stands before it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from typing_extensions import override

from tests.support.worlds.http_world import Reply, Script, Seen, World

Fault = Callable[[Seen], Reply | None]


@dataclass(slots=True, kw_only=True)
class Shelf:
    """Files by path."""

    files: dict[str, bytes] = field(default_factory=dict)
    tag: str = '"{}"'
    """Form of an ETag; empty for none."""
    compressed_tag: str = ""
    """Form of an ETag for who accepts gzip, as servers that compress have it; a write compares the plain one."""
    ignores: frozenset[str] = frozenset()
    """Conditions of which it takes no notice."""
    before: Fault | None = None
    """Answers in place of doing anything."""
    after: Fault | None = None
    """Answers in place of the right answer, once it is done."""

    def reply(self, seen: Seen) -> Reply:
        if self.before is not None and (fault := self.before(seen)) is not None:
            return fault
        right = self._put(seen) if seen.method == "PUT" else self._get(seen)
        wrong = None if self.after is None else self.after(seen)
        return right if wrong is None else wrong

    def _get(self, seen: Seen) -> Reply:
        path = seen.path.partition("?")[0]
        if path not in self.files:
            return Reply(status=404)
        compresses = self.compressed_tag and "gzip" in seen.headers.get("accept-encoding", "")
        return Reply(body=self.files[path], headers=self._tags(path, self.compressed_tag if compresses else self.tag))

    def _put(self, seen: Seen) -> Reply:
        now = dict(self._tags(seen.path, self.tag)).get("ETag") if seen.path in self.files else None
        heeded = {name: value for name, value in seen.headers.items() if name not in self.ignores}
        if heeded.get("if-none-match") == "*" and now is not None:
            return Reply(status=412)
        if "if-match" in heeded and heeded["if-match"] != now:
            return Reply(status=412)
        self.files[seen.path] = seen.body
        return Reply(status=201, headers=self._tags(seen.path, self.tag))

    def _tags(self, path: str, form: str) -> tuple[tuple[str, str], ...]:
        digest = hashlib.sha256(self.files[path]).hexdigest()[:32]
        return (("ETag", form.format(digest)),) if form else ()


@dataclass(slots=True, kw_only=True)
class Cache:
    """Keeps what it has fetched until it is told to forget it; says that it may, and for how long."""

    origin: Shelf
    kept: dict[str, Reply] = field(default_factory=dict)
    looks_at_query: bool = True
    age: int = 40
    max_age: int = 100

    def reply(self, seen: Seen) -> Reply:
        key = seen.path if self.looks_at_query else seen.path.partition("?")[0]
        if key not in self.kept:
            fresh = self.origin.reply(seen)
            told = (("Age", str(self.age)), ("Cache-Control", f"public, max-age={self.max_age}"))
            self.kept[key] = Reply(status=fresh.status, body=fresh.body, headers=(*fresh.headers, *told))
        return self.kept[key]


class EveryPath(dict[str, Script]):
    """Scripts of a world that answers every path."""

    def __init__(self, reply: Callable[[Seen], Reply]) -> None:
        super().__init__()
        self._reply = reply

    @override
    def get(self, path: str, default: object = None) -> Script:
        return lambda _, seen: self._reply(seen)


def serve(world: World, place: Shelf | Cache) -> None:
    """Have a world answer as a shelf or a cache does."""
    world.scripts = EveryPath(place.reply)
