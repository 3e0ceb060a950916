"""Generators and an asset store on the scripted HTTP world: what is made, charged, stored, pointed at and served."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from tests.support.pipeline import catalog
from tests.support.worlds.http_world import Reply, Script, Seen, World, json_reply

MAKE: Final = "/make"
JOBS: Final = "/jobs"
STORE: Final = "/store/"
CDN: Final = "/cdn/"
"""Where users fetch what stands in the store, through what may be a cache."""
PRICE: Final = "0.02"
CHARGED: Final = 20_000
"""Millionths of an AUD that one generation costs."""
ABSENT, CONFLICT, CREATED = 404, 412, 201


class _Paths(dict[str, Script]):
    """Scripts by path; the store's own paths are all answered by one."""

    def __init__(self, store: Script, jobs: Script, known: dict[str, Script]) -> None:
        super().__init__(known)
        self._store, self._jobs = store, jobs

    def get(self, path: str, default: Any = None) -> Any:  # noqa: ANN401 - a dict's
        if path in self:
            return self[path]
        if path.startswith((STORE, CDN)):
            return self._store
        return self._jobs if path.startswith(f"{JOBS}/") else default


@dataclass(slots=True, kw_only=True)
class AssetWorld:
    """What the generator makes, in order (the last one stays), and what stands in the store."""

    world: World
    makes: list[Reply] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    charged: Counter[str] = field(default_factory=Counter)
    """Generations that were charged, by key; under one key once."""
    served: Callable[[str, bytes | None], bytes | None] = lambda _, stands: stands
    """What users get at a path, in place of what stands there: a cache, or a lying one."""
    answers: Callable[[Seen, Reply], Reply] = lambda _, right: right
    """What the store and its cache answer once they have done right, in place of the right answer."""
    looks_to_done: int = 2
    jobs: dict[str, int] = field(default_factory=dict)
    job_end: dict[str, Any] = field(default_factory=dict)
    """What a job's state is in the end; its asset is at `/result` where it has none of its own."""
    refuses_store: bool = False
    compares: bool = True
    """Whether the store takes notice of conditions."""

    def __post_init__(self) -> None:
        self.world.scripts = _Paths(self._stored, self._looked, self.world.scripts)
        self.world.on(MAKE, self._made)
        self.world.on(JOBS, self._ordered)
        self.world.on("/result", self._result)

    def _made(self, _n: int, seen: Seen) -> Reply:
        key = seen.key or f"call {sum(self.charged.values())}"
        reply = self.makes[min(len(self.charged), len(self.makes) - 1)] if key not in self.charged else self._again(key)
        self.charged[key] = 1
        return reply

    def _again(self, key: str) -> Reply:
        return self.makes[min(list(self.charged).index(key), len(self.makes) - 1)]

    def _ordered(self, _n: int, seen: Seen) -> Reply:
        key = seen.key or f"job-{len(self.jobs) + 1}"
        job_id = f"job-{list(self.charged).index(key) + 1}" if key in self.charged else f"job-{len(self.jobs) + 1}"
        self.charged[key] = 1
        self.jobs.setdefault(job_id, 0)
        return json_reply({"id": job_id, "status": "starting"}, CREATED)

    def _looked(self, _n: int, seen: Seen) -> Reply:
        job_id = seen.path.rpartition("/")[2]
        if job_id not in self.jobs:
            return json_reply({"error": "no such job"}, ABSENT)
        self.jobs[job_id] += 1
        if self.jobs[job_id] < self.looks_to_done:
            return json_reply({"id": job_id, "status": "processing"})
        done = {"id": job_id, "status": "succeeded", "output": [self.world.url("/result")]}
        return json_reply(done | self.job_end)

    def _result(self, _n: int, _seen: Seen) -> Reply:
        return self.makes[min(max(len(self.charged), 1), len(self.makes)) - 1]

    def _stored(self, n: int, seen: Seen) -> Reply:
        return self.answers(seen, self._right(n, seen))

    def _right(self, _n: int, seen: Seen) -> Reply:
        path = seen.path.partition("?")[0].replace(CDN, STORE, 1)
        stands = self.files.get(path)
        if seen.method == "PUT":
            return self._put(path, stands, seen)
        shown = self.served(path, stands) if seen.path.startswith(CDN) else stands
        if shown is None:
            return json_reply({"error": "nothing here"}, ABSENT)
        return Reply(body=shown, headers=(("ETag", etag(shown)), ("Content-Type", "application/octet-stream")))

    def _put(self, path: str, stands: bytes | None, seen: Seen) -> Reply:
        if self.refuses_store:
            return json_reply({"error": "read-only"}, 403)
        only_new = seen.headers.get("if-none-match") == "*"
        match = seen.headers.get("if-match")
        if self.compares and (
            (only_new and stands is not None) or (match is not None and (stands is None or match != etag(stands)))
        ):
            return json_reply({"error": "it has moved on"}, CONFLICT)
        self.files[path] = seen.body
        return Reply(status=CREATED, headers=(("ETag", etag(seen.body)),))

    def pointer(self, org: UUID, asset_id: str = "hero") -> str:
        return f"{STORE}assets/{org}/{asset_id}"

    def puts(self) -> list[Seen]:
        return [seen for seen in self.world.seen if seen.method == "PUT"]


def etag(content: bytes) -> str:
    return f'"{sha256(content).hexdigest()[:32]}"'


def file_reply(content: bytes, media_type: str = "image/png", **more: Any) -> Reply:  # noqa: ANN401 - a Reply's
    return Reply(body=content, headers=(("Content-Type", media_type),), **more)


def described(world: World, *, keyed: bool = False, job: bool = False, makes: str = "image") -> dict[str, Any]:
    """Describe the world's generator as a catalog does."""
    generate = {"url": world.url(JOBS if job else MAKE), "body": {"prompt": "{prompt}", "seed": "{parameters.seed?}"}}
    keyed_by = {"effect": "keyed", "key_header": "Idempotency-Key"} if keyed else {}
    found: dict[str, Any] = {
        "kind": "http",
        "makes": makes,
        "generate": generate | keyed_by,
        "price": {"call_aud": PRICE},
        "timeout": "PT5S",
    }
    if job:
        phases = {"starting": "running", "processing": "running", "succeeded": "done", "failed": "failed"}
        look = {"url": world.url(f"{JOBS}/{{job.id}}"), "status": "/status", "phases": phases}
        found |= {"job_id": "/id", "look": look, "content": {"url": "/output/0"}}
    return found


def store(world: World) -> dict[str, Any]:
    place = {"kind": "http", "base": world.url(STORE.rstrip("/"))}
    return {"place": place, "public": world.url(CDN.rstrip("/")), "timeout": "PT5S"}


def asset_catalog(world: World, generators: dict[str, Any] | None = None, **limits: Any) -> str:  # noqa: ANN401
    """Write a catalog whose workflows make their assets by these generators, and keep them in the world's store."""
    declared = generators or {"pictures": described(world)}
    regenerate = {"timeout": "PT5S", "verify": "PT2S", "poll": "PT0.1S"} | limits
    text = catalog(
        world.port,
        generators=json.dumps(list(declared)),
        media_store="assets",
        auto_regenerate=json.dumps(regenerate),
        strategies="[auto-regenerate]",
    )
    return f"{text}generators: {json.dumps(declared)}\nmedia_stores: {{assets: {json.dumps(store(world))}}}\n"


def missing_image(**asset: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    """A context whose image is missing."""
    wanted = {"id": "hero", "kind": "image", "prompt": "a lighthouse in a storm", "format": "png"}
    return {"asset": wanted | {"width": 256, "height": 192} | asset}
