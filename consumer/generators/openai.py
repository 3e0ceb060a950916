"""Clients of OpenAI's wires: images (base64 in JSON) and speech (the sound itself). Neither has a key or a history."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from consumer.catalog import WorkflowPolicy
from consumer.catalog.generators.known import OpenAiImages, OpenAiSpeech
from consumer.generators.answers import is_success, json_of
from consumer.generators.client import ApiClient, empty, media_of, no_asset
from consumer.generators.content import count_at, decoded, text_at
from consumer.generators.contract import AssetOrder, Declined, DeclineKind, Made, MakeResult
from consumer.generators.fitness import unfit
from consumer.model import Json, MicroAud
from consumer.model.call import Answer, OutboundRequest
from consumer.outbound.calls import OutboundCalls

_IMAGE_FORMATS: Final = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "webp": "webp", "gif": "gif", "svg": "svg"}
_SOUND_FORMATS: Final = {"mp3": "mp3", "opus": "opus", "ogg": "opus", "aac": "aac", "flac": "flac", "wav": "wav"}


class OpenAiImageClient(ApiClient):
    """Makes an image by `POST {api}/images/generations`."""

    provider = "openai"

    def __init__(self, name: str, described: OpenAiImages, calls: OutboundCalls) -> None:
        super().__init__(name, described, calls)
        self._described = described

    def refusal(self, order: AssetOrder, policy: WorkflowPolicy) -> str | None:
        """Return why it cannot make this, or None."""
        if why := unfit(order, self._described, self._described.parameters) or _unknown(order, _IMAGE_FORMATS):
            return why
        return self.egress_refusal(self._order(order), policy)

    def _order(self, order: AssetOrder) -> OutboundRequest:
        described = self._described
        wanted: dict[str, Any] = {
            "model": described.model,
            "prompt": order.prompt,
            "n": 1,
            "size": order.size,
            "quality": described.quality,
            "moderation": described.moderation,
            "output_format": None if order.format is None else _IMAGE_FORMATS.get(order.format),
            "background": "transparent" if order.transparent else None,
        }
        body = {name: value for name, value in wanted.items() if value is not None} | dict(order.parameters)
        return self.request("/images/generations", body, order)

    async def make(self, order: AssetOrder, policy: WorkflowPolicy, *, key: str, within: timedelta) -> MakeResult:
        """Make the image by one call; the wire has no key."""
        del key
        result = await self.send(self._order(order), policy, within=within, effect=True)
        if not isinstance(result, Answer) or not is_success(result):
            return no_asset(result, self.provider)
        document = json_of(result)
        cost = self.cost(
            order,
            input_tokens=count_at(document, "/usage/input_tokens"),
            output_tokens=count_at(document, "/usage/output_tokens"),
        )
        text = text_at(document, ("/data/0/b64_json",))
        if text is None:
            return await self._by_address(order, policy, document, result, cost, within=within)
        content = await decoded(text)
        if content is None:
            return empty(result, cost, "with base64 that does not decode")
        named = text_at(document, ("/output_format",))
        return Made(
            content=content[0],
            media_type=f"image/{named}" if named else content[1],
            cost=cost,
            said=f"request {result.header('x-request-id') or 'without an id'}",
        )

    async def _by_address(
        self,
        order: AssetOrder,
        policy: WorkflowPolicy,
        document: Json,
        answer: Answer,
        cost: MicroAud,
        *,
        within: timedelta,
    ) -> MakeResult:
        """Fetch the image where the answer names an address, as servers do that only speak like OpenAI's."""
        url = text_at(document, ("/data/0/url",))
        if url is None:
            return empty(answer, cost, "without an image")
        fetched = await self.fetch(url, order, policy, within=within)
        if not isinstance(fetched, Answer) or not is_success(fetched) or fetched.truncated:
            reason = "its image could not be fetched from where the answer says that it is"
            return Declined(kind=DeclineKind.EMPTY, reason=reason, cost=cost)
        return Made(content=fetched.body, media_type=media_of(fetched), cost=cost, said="by an address")


class OpenAiSpeechClient(ApiClient):
    """Makes speech by `POST {api}/audio/speech`."""

    provider = "openai"

    def __init__(self, name: str, described: OpenAiSpeech, calls: OutboundCalls) -> None:
        super().__init__(name, described, calls)
        self._described = described

    def refusal(self, order: AssetOrder, policy: WorkflowPolicy) -> str | None:
        """Return why it cannot make this, or None."""
        if order.voice is None and self._described.voice is None:
            return "context.asset.voice: none is named, neither by the event nor by the generator's `voice`"
        if why := unfit(order, self._described, self._described.parameters) or _unknown(order, _SOUND_FORMATS):
            return why
        return self.egress_refusal(self._order(order), policy)

    def _order(self, order: AssetOrder) -> OutboundRequest:
        described = self._described
        body: dict[str, Any] = {
            "model": described.model,
            "input": order.prompt,
            "voice": order.voice or described.voice,
            "response_format": _SOUND_FORMATS.get(order.format or "mp3", "mp3"),
        }
        return self.request("/audio/speech", body | dict(order.parameters), order)

    async def make(self, order: AssetOrder, policy: WorkflowPolicy, *, key: str, within: timedelta) -> MakeResult:
        """Make the speech by one call; the wire has no key."""
        del key
        result = await self.send(self._order(order), policy, within=within, effect=True, opaque=True)
        if not isinstance(result, Answer) or not is_success(result):
            return no_asset(result, self.provider)
        return sound_of(result, self.cost(order), f"request {result.header('x-request-id') or 'without an id'}")


def sound_of(answer: Answer, cost: MicroAud, said: str) -> Made | Declined:
    """Return the sound that an answer's body is; empty, cut off or JSON it is none."""
    if answer.truncated:
        return empty(answer, cost, "with more than `response_bytes` of the generator allows")
    if not answer.body:
        return empty(answer, cost, "with nothing in it")
    media = media_of(answer)
    if media == "application/json":
        return empty(answer, cost, "with JSON instead of sound")
    return Made(content=answer.body, media_type=media, cost=cost, said=said)


def _unknown(order: AssetOrder, formats: Mapping[str, str]) -> str | None:
    if order.format is None or order.format in formats:
        return None
    return f"context.asset.format: {order.format[:40]!r} is none of {', '.join(formats)}"
