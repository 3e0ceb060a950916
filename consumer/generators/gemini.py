"""Client of Gemini's images: base64 in JSON, with refusals that come as an answer of success."""

from datetime import timedelta
from math import gcd
from typing import Any, Final

from consumer.catalog import WorkflowPolicy
from consumer.catalog.generators.known import GeminiImage
from consumer.generators.answers import is_success, json_of
from consumer.generators.client import ApiClient, empty, no_asset
from consumer.generators.content import count_at, decoded, text_at
from consumer.generators.contract import AssetOrder, Declined, DeclineKind, Made, MakeResult
from consumer.generators.fitness import unfit
from consumer.model import Json
from consumer.model.call import Answer, OutboundRequest
from consumer.outbound.calls import OutboundCalls
from schemas.json_value import value_at

_RATIOS: Final = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
_HELD_BACK: Final = frozenset(
    {"SAFETY", "IMAGE_SAFETY", "PROHIBITED_CONTENT", "IMAGE_PROHIBITED_CONTENT", "BLOCKLIST", "RECITATION", "SPII"}
)
_PARTS: Final = "/candidates/0/content/parts"


class GeminiImageClient(ApiClient):
    """Makes an image by `POST {api}/models/{model}:generateContent`."""

    provider = "gemini"

    def __init__(self, name: str, described: GeminiImage, calls: OutboundCalls) -> None:
        super().__init__(name, described, calls)
        self._described = described

    def refusal(self, order: AssetOrder, policy: WorkflowPolicy) -> str | None:
        """Return why it cannot make this, or None."""
        if why := unfit(order, self._described, self._described.parameters):
            return why
        if order.size is not None and _ratio(order) is None:
            return f"context.asset.width and height: {order.size} has none of the ratios {', '.join(_RATIOS)}"
        if order.transparent:
            return "context.asset.transparent: it makes nothing transparent"
        return self.egress_refusal(self._order(order), policy)

    def _order(self, order: AssetOrder) -> OutboundRequest:
        wanted: dict[str, Any] = {"responseModalities": ["IMAGE"]}
        if (ratio := _ratio(order)) is not None:
            wanted["imageConfig"] = {"aspectRatio": ratio}
        body = {"contents": [{"role": "user", "parts": [{"text": order.prompt}]}], "generationConfig": wanted}
        return self.request(f"/models/{self._described.model}:generateContent", body, order)

    async def make(self, order: AssetOrder, policy: WorkflowPolicy, *, key: str, within: timedelta) -> MakeResult:
        """Make the image by one call; the wire has no key."""
        del key
        result = await self.send(self._order(order), policy, within=within, effect=True)
        if not isinstance(result, Answer) or not is_success(result):
            return no_asset(result, self.provider)
        document = json_of(result)
        cost = self.cost(
            order,
            input_tokens=count_at(document, "/usageMetadata/promptTokenCount"),
            output_tokens=count_at(document, "/usageMetadata/candidatesTokenCount"),
        )
        if held := _held_back(document):
            reason = f"its moderation holds the image back: {held}"
            return Declined(kind=DeclineKind.MODERATION, reason=reason, parameter="prompt", cost=cost)
        inline = _inline_part(document)
        text = text_at(inline, ("/data",))
        content = None if text is None else await decoded(text)
        if content is None:
            return empty(result, cost, "without an image")
        said = f"response {text_at(document, ('/responseId',)) or 'without an id'}"
        return Made(content=content[0], media_type=text_at(inline, ("/mimeType", "/mime_type")), cost=cost, said=said)


def _held_back(document: Json) -> str | None:
    blocked = text_at(document, ("/promptFeedback/blockReason",))
    if blocked is not None:
        return blocked[:40]
    ended = text_at(document, ("/candidates/0/finishReason",))
    return ended if ended in _HELD_BACK else None


def _inline_part(document: Json) -> Json:
    """Return the first part that is an image; texts and thoughts stand beside it."""
    parts: Any = value_at(document, _PARTS, None)
    for part in parts if isinstance(parts, list) else []:
        if isinstance(part, dict) and not part.get("thought"):
            found: Json = part.get("inlineData") or part.get("inline_data")
            if found:
                return found
    return None


def _ratio(order: AssetOrder) -> str | None:
    if order.width is None or order.height is None:
        return None
    common = gcd(order.width, order.height)
    ratio = f"{order.width // common}:{order.height // common}"
    return ratio if ratio in _RATIOS else None
