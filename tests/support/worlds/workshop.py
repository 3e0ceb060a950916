"""auto-regenerate by itself, on real HTTP and real decoders, without a service around it; and files ordered by name."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from consumer.catalog import Catalogs, WorkflowPolicy, parse_catalog
from consumer.generators.configured import CurrentGenerators
from consumer.heal.auto_regenerate.ports import MediaWorkers
from consumer.heal.auto_regenerate.state import MakeState
from consumer.heal.auto_regenerate.strategy import AutoRegenerate
from consumer.heal.kept import Kept, Suspended
from consumer.heal.strategy import Task
from consumer.media.validation import validate
from consumer.media.verdict import MediaCheck, MediaExpectation, MediaVerdict, passed
from consumer.media.worker_pool import media_worker_pool
from consumer.media_store.configured import CurrentMediaStores
from consumer.model import MicroAud, OrgId, Outcome
from consumer.model.made_asset import MadeAsset
from consumer.outbound.calls import open_calls
from consumer.redact import redact_json
from schemas.names import AssetKind
from tests.support.healing import Clock, Gate, failure, task
from tests.support.media.voices import TEXT
from tests.support.worlds.asset_world import CDN, MAKE, AssetWorld, asset_catalog, described, file_reply
from tests.support.worlds.http_world import Reply, Seen, World, http_world

REASONS: Final = {"image": "Image generation failed: it is missing", "audio": "Voice generation failed: no audio"}


class Ordered(Protocol):
    """A file that a generator answers with, and what it is expected to be."""

    @property
    def expected(self) -> MediaExpectation: ...


def asset_for(name: str, expected: MediaExpectation) -> dict[str, Any]:
    """Ask for what a file is expected to be."""
    wanted: dict[str, Any] = {
        "id": name.replace(" ", "-").replace("%", ""),
        "kind": expected.kind.value,
        "prompt": expected.text or (TEXT if expected.kind is AssetKind.AUDIO else name),
        "content_type": expected.media_types[0] if expected.media_types else None,
        "width": expected.width,
        "height": expected.height,
        "transparent": expected.alpha,
        "seconds": expected.seconds,
        "min_bytes": expected.min_bytes,
        "parameters": {"file": name},
    }
    return {"asset": {field: value for field, value in wanted.items() if value is not None}}


def makers(world: World) -> dict[str, Any]:
    """Describe a generator of each kind that is told by a parameter which file it makes."""
    found = {}
    for kind in ("image", "audio"):
        maker = described(world, makes=kind)
        maker["generate"] = maker["generate"] | {"body": {"prompt": "{prompt}", "file": "{parameters.file}"}}
        found[kind] = maker
    return found


def answer_by_name(world: World, made: Mapping[str, bytes]) -> None:
    """Answer each order with the file that it names, whatever that is, with status 200."""

    def answer(_n: int, seen: Seen) -> Reply:
        return file_reply(made[seen.json["file"]], "application/octet-stream")

    world.on(MAKE, answer)


@dataclass(slots=True)
class Remembered:
    """The memory of what was made, for as long as a test."""

    made: dict[str, MadeAsset] = field(default_factory=dict)

    async def find(self, org_id: OrgId, generations: Sequence[str]) -> Mapping[str, MadeAsset]:
        del org_id
        return {name: self.made[name] for name in generations if name in self.made}

    async def remember(self, made: MadeAsset) -> None:
        self.made[made.generation] = made

    async def forget(self, org_id: OrgId, generation: str) -> None:
        del org_id
        self.made.pop(generation, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Judges in this process; of one check it says yes whatever it finds."""

    blind_to: MediaCheck | None = None

    async def validate(self, content: bytes, expected: MediaExpectation, *, of: OrgId) -> MediaVerdict:
        del of
        verdict = validate(content, expected)
        said = tuple(passed(one.check, "") if one.check is self.blind_to else one for one in verdict.findings)
        return replace(verdict, findings=said)


@dataclass(slots=True, kw_only=True)
class Workshop:
    """A strategy with its world, and the gate of its heals."""

    assets: AssetWorld
    policy: WorkflowPolicy
    strategy: AutoRegenerate
    made: Remembered
    gate: Gate = field(default_factory=Gate)

    @property
    def world(self) -> World:
        return self.assets.world

    @property
    def placed(self) -> set[str]:
        """Addresses that point at something."""
        return {path for path in self.assets.files if "/assets/" in path}

    def task(self, context: dict[str, Any], kind: str = "image") -> Task:
        return task(self.strategy, failure(context, reason=REASONS[kind]), self.policy)

    async def heal(self, context: dict[str, Any], kind: str = "image") -> Outcome | Suspended:
        return await self.strategy.heal(self.task(context, kind), self.gate)

    async def go_on(self, given: Task, state: MakeState, *, begun: bool = True) -> Outcome | Suspended:
        """Go on from a state, as an heir does."""
        kept = Kept(state=state, begun=begun, charged=MicroAud(self.gate.charged))
        return await self.strategy.go_on(replace(given, kept=kept), self.gate, kept)


@asynccontextmanager
async def workshop(
    *makes: Reply,
    generators: Mapping[str, Any] | None = None,
    media: MediaWorkers | None = None,
    cdn: World | None = None,
    ports: Sequence[int] = (),
    **limits: Any,  # noqa: ANN401 - the catalog's own
) -> AsyncIterator[Workshop]:
    """Open the strategy in a world whose generators make this; without `media` files are judged in children.

    With `cdn` users fetch there what the world's store holds; `ports` may be called too.
    """
    async with http_world() as world, open_calls({}) as calls, media_worker_pool() as pool:
        assets = AssetWorld(world=world, makes=list(makes))
        declared = {name: one(world) if callable(one) else one for name, one in (generators or {}).items()}
        text = asset_catalog(world, declared or None, **limits)
        if cdn is not None:
            cdn.scripts = world.scripts
            text = text.replace(world.url(CDN.rstrip("/")), cdn.url(CDN.rstrip("/")))
            ports = (*ports, cdn.port)
        text = text.replace(f"ports: [{world.port}]", f"ports: {[world.port, *ports]}")
        catalogs = Catalogs(parse_catalog(text))
        policy = catalogs.current.policy("orders.sync")
        assert policy is not None
        clock, made = Clock(), Remembered()
        strategy = AutoRegenerate(
            generators=CurrentGenerators(catalogs, calls),
            media=media or pool,
            stores=CurrentMediaStores(catalogs, calls),
            made=made,
            redact=redact_json,
            sleep=clock.sleep,
            now=lambda: datetime.now(UTC) + (clock.now() - Clock().now()),
        )
        yield Workshop(assets=assets, policy=policy, strategy=strategy, made=made)


@asynccontextmanager
async def naming_workshop(
    made: Mapping[str, bytes],
    files: Mapping[str, Ordered],
    media: MediaWorkers | None = None,
) -> AsyncIterator[Workshop]:
    """Open a workshop whose generators make the file that an order names."""
    placeholders = sorted({one for file in files.values() for one in file.expected.placeholders})
    generators = {kind: (lambda world, kind=kind: makers(world)[kind]) for kind in ("image", "audio")}
    async with workshop(
        generators=generators, media=media, calls=1, verify="PT0.5S", placeholders=placeholders
    ) as opened:
        answer_by_name(opened.world, made)
        yield opened


async def heal_named(opened: Workshop, name: str, expected: MediaExpectation) -> Outcome | Suspended:
    """Heal the loss of a file by an order that names it."""
    return await opened.heal(asset_for(name, expected), expected.kind.value)
