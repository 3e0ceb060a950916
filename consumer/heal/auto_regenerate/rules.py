"""Rules of auto-regenerate: missing context, refusals, what is to be made, what it has to be, keys and price. Pure."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import unquote, urlsplit

from consumer.catalog import WorkflowPolicy
from consumer.generators.contract import AssetOrder, Generator
from consumer.heal import refusals
from consumer.heal.auto_regenerate.parameter_faults import parameter_fault
from consumer.heal.digest import digest
from consumer.media.media_types import MediaType, media_type_named
from consumer.media.verdict import MediaExpectation
from consumer.media_store.contract import AssetRef
from consumer.model import Diagnosis, Failure, JsonObject, MicroAud
from schemas.asset import AssetContext
from schemas.context import ContextFault, asset_of
from schemas.names import AssetKind, Budget, Disposition, StrategyName

FIELDS: Final = (
    "context.asset.id",
    "context.asset.prompt",
    "context.asset.kind",
    "context.asset.seconds",
    "context.asset",
)
MADE: Final = frozenset({AssetKind.IMAGE, AssetKind.AUDIO})
_MARGIN: Final = timedelta(seconds=5)
_LONGEST_WINDOW: Final = timedelta(minutes=10)
_SLOWEST, _FASTEST = 0.25, 4.0
"""Of the speeds that providers take."""
_BAND: Final = re.compile(
    r"\b(?:banners?|bands?|bars?|borders?|captions?|footers?|frames?|framed|letterbox(?:ed)?|lower third|margins?|"
    r"panels?|posters?|slides?|strips?|stripes?|balken|banner|rahmen|streifen|bandeau|bande|cadre|franja|marco)\b",
    re.IGNORECASE,
)
"""Words for what has a flat band, of which pixels alone do not tell whether it was meant."""
_FORMATS: Final = {
    "png": MediaType.PNG,
    "jpg": MediaType.JPEG,
    "jpeg": MediaType.JPEG,
    "gif": MediaType.GIF,
    "webp": MediaType.WEBP,
    "avif": MediaType.AVIF,
    "svg": MediaType.SVG,
    "wav": MediaType.WAV,
    "mp3": MediaType.MP3,
    "ogg": MediaType.OGG,
    "opus": MediaType.OGG,
    "flac": MediaType.FLAC,
    "m4a": MediaType.M4A,
    "aac": MediaType.AAC,
}
_NAMES: Final = {media: name for name, media in reversed(_FORMATS.items())} | {MediaType.OGG: "ogg"}


def missing(context: JsonObject) -> tuple[str, ...]:
    """Return the paths of the context fields that are absent or unusable."""
    match asset_of(context):
        case None:
            return ("context.asset.id", "context.asset.prompt")
        case ContextFault(missing=absent, path=path):
            return absent or (path,)
        case AssetContext() as asset:
            paths = [] if asset.prompt else ["context.asset.prompt"]
            paths += [] if kind_of(asset) in MADE else ["context.asset.kind"]
            return (*paths, *(["context.asset.seconds"] if is_described(asset) and asset.seconds is None else []))


def kind_of(asset: AssetContext) -> AssetKind:
    """Return what an asset is: as it is told, else by its media type or format."""
    if asset.kind is not AssetKind.OTHER:
        return asset.kind
    media = media_types_of(asset)
    if not media:
        return AssetKind.OTHER
    return AssetKind.IMAGE if media[0].is_image else AssetKind.AUDIO


def is_described(asset: AssetContext) -> bool:
    """Return whether the prompt describes a sound and is not spoken: then only `seconds` tells its length."""
    return not asset.spoken and kind_of(asset) is AssetKind.AUDIO


def media_types_of(asset: AssetContext) -> tuple[MediaType, ...]:
    """Return the media type that an asset has to have: as it is told, else by its format or its address's ending."""
    if asset.content_type is not None and (named := media_type_named(asset.content_type)) is not None:
        return (named,)
    if asset.format is not None:
        found = _FORMATS.get(asset.format.lower().partition("_")[0])
        return () if found is None else (found,)
    ending = urlsplit(asset.url or "").path.rpartition(".")[2].lower()
    return (_FORMATS[ending],) if ending in _FORMATS else ()


def redacted_part(failure: Failure) -> str | None:
    """Return why a failure is refused where redaction touched its asset, or None."""
    return refusals.redacted_part(failure, ("asset",), "keep secrets out of prompts and addresses")


def hopeless(failure: Failure, diagnosis: Diagnosis) -> str | None:
    """Return why the evidence rules out making it again, or None.

    That a person has to act is by itself no more than the type's default: an asset is made again within its budget,
    unless its error names a parameter. Where evidence says so, moderation or consent is meant, and nothing is tried.
    """
    by_default = diagnosis.disposition is Disposition.NEEDS_PERSON and not is_told(diagnosis)
    if (by_default or diagnosis.disposition is Disposition.NEEDS_REPAIR) and (reason := parameter_fault(failure)):
        return reason
    if by_default:
        return None
    return refusals.hopeless(
        diagnosis, money="another asset costs money too", credential="another asset needs it as well"
    )


def is_told(diagnosis: Diagnosis) -> bool:
    """Return whether evidence speaks for the disposition, and not the type's default alone."""
    return any(one.disposition is diagnosis.disposition for one in diagnosis.evidence)


def ref_of(failure: Failure, asset: AssetContext) -> AssetRef:
    """Return the asset as its store knows it."""
    return AssetRef(org_id=failure.org_id, workflow_name=failure.workflow_name, asset_id=asset.id)


def is_same_address(told: str, served: str) -> bool:
    """Return whether the address that an event names is the one at which the asset is served, but for its query."""
    one, other = urlsplit(told), urlsplit(served)
    same_host = (one.scheme.lower(), one.netloc.lower()) == (other.scheme.lower(), other.netloc.lower())
    return same_host and unquote(one.path) == unquote(other.path)


def order_of(failure: Failure, asset: AssetContext) -> AssetOrder:
    """Build the order: what the event says, and no more."""
    media = media_types_of(asset)
    return AssetOrder(
        org_id=failure.org_id,
        workflow_name=failure.workflow_name,
        kind=kind_of(asset),
        prompt=asset.prompt or "",
        voice=asset.voice,
        format=asset.format.lower() if asset.format is not None else _NAMES[media[0]] if media else None,
        width=asset.width,
        height=asset.height,
        seconds=asset.seconds,
        transparent=asset.transparent,
        spoken=not is_described(asset),
        parameters=dict(asset.parameters),
    )


def expectation_of(asset: AssetContext, policy: WorkflowPolicy) -> MediaExpectation:
    """Build what the file has to be; of a voice, its text says how long it lasts."""
    kind = kind_of(asset)
    is_image = kind is AssetKind.IMAGE
    return MediaExpectation(
        kind=kind,
        media_types=media_types_of(asset),
        min_bytes=asset.min_bytes,
        width=asset.width if is_image else None,
        height=asset.height if is_image else None,
        alpha=asset.transparent if is_image else None,
        band=is_image and _BAND.search(asset.prompt or "") is not None,
        placeholders=policy.auto_regenerate.placeholders if is_image else (),
        text=None if is_image or is_described(asset) else asset.prompt,
        seconds_per_character=policy.auto_regenerate.seconds_per_character,
        speed=_speed(asset),
        seconds=None if is_image else asset.seconds,
    )


def _speed(asset: AssetContext) -> float:
    """Return how many times as fast as usual a voice is asked to speak, by the parameter that providers call so."""
    found = asset.parameters.get("speed")
    if isinstance(found, bool) or not isinstance(found, int | float):
        return 1.0
    return float(found) if _SLOWEST <= found <= _FASTEST else 1.0


def generation_of(order: AssetOrder, generator: Generator) -> str:
    """Return the content address of a generation: organisation, generator and parameters; what it makes is cached."""
    parts: JsonObject = {
        "org": str(order.org_id),
        "generator": generator.identity,
        "kind": order.kind,
        "prompt": order.prompt,
        "voice": order.voice,
        "format": order.format,
        "size": order.size,
        "seconds": order.seconds,
        "transparent": order.transparent,
        "spoken": order.spoken,
        "parameters": order.parameters,
    }
    return digest(parts)


def key_of(generation: str, answered: int) -> str:
    """Return the idempotency key of a generation: by its content address, and a new one after each definite answer."""
    return f"shw-{generation[:40]}-{answered}"


def fault_digest(order: AssetOrder, url: str) -> str:
    """Return the digest of what is broken: this asset, made from this, at this address."""
    return digest(
        [url, order.kind, order.prompt, order.voice, order.format, order.size, order.parameters, order.spoken]
    )


def held(generators: Sequence[Generator], order: AssetOrder, policy: WorkflowPolicy) -> MicroAud | None:
    """Return the most that one attempt may cost: so many calls at the highest price, at most what is allowed.

    Where not one call is affordable it is the lowest price, so that the plan can say what is missing; None where no
    generator has a price.
    """
    prices = [price for generator in generators if (price := generator.most(order)) is not None]
    if not prices:
        return None
    allowed = policy.allowances[StrategyName.AUTO_REGENERATE]
    affordable = [price for price in prices if price <= allowed]
    if not affordable:
        return min(prices)
    return min(MicroAud(max(affordable) * policy.auto_regenerate.calls), allowed)


def budget_of(order: AssetOrder) -> Budget:
    """Return the budget that pays: voices have one of their own."""
    return Budget.VOICE if order.kind is AssetKind.AUDIO else Budget.TEXT


def window(generators: Sequence[Generator], policy: WorkflowPolicy) -> timedelta:
    """Return the upper bound of the time from the claim to the last effect, before anything is suspended."""
    limits = policy.auto_regenerate
    longest = max((generator.longest_call() for generator in generators), default=timedelta(0))
    return min(limits.calls * longest + 6 * limits.timeout + _MARGIN, _LONGEST_WINDOW)
