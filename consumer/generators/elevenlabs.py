"""Client of ElevenLabs' voices: the sound itself, its cost in a header, and a history in which a lost one is found."""

from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import quote

from consumer.catalog import WorkflowPolicy
from consumer.catalog.generators.known import ElevenLabs
from consumer.generators.answers import is_success, json_of
from consumer.generators.client import ApiClient, no_asset, unseen
from consumer.generators.contract import AssetOrder, Declined, JobUnseen, Made, MakeResult, NothingFound, Submitted
from consumer.generators.fitness import unfit
from consumer.generators.openai import sound_of
from consumer.model import Json, JsonObject
from consumer.model.call import Answer, OutboundRequest
from consumer.outbound.calls import OutboundCalls
from schemas.json_value import value_at

_FORMATS: Final = {
    "mp3": "mp3_44100_128",
    "wav": "wav_44100",
    "opus": "opus_48000_96",
    "ogg": "opus_48000_96",
}
_PAGE: Final = 100
_CLOCKS: Final = timedelta(minutes=1)
"""By which the provider's clock may differ from ours."""


class ElevenLabsClient(ApiClient):
    """Makes speech by `POST {api}/text-to-speech/{voice}`."""

    provider = "elevenlabs"

    def __init__(self, name: str, described: ElevenLabs, calls: OutboundCalls) -> None:
        super().__init__(name, described, calls)
        self._described = described

    def refusal(self, order: AssetOrder, policy: WorkflowPolicy) -> str | None:
        """Return why it cannot make this, or None."""
        if self._voice(order) is None:
            return "context.asset.voice: none is named, neither by the event nor by the generator's `voice`"
        if why := unfit(order, self._described, self._described.parameters):
            return why
        if _format(order) is None:
            return f"context.asset.format: {(order.format or '')[:40]!r} is none of {', '.join(_FORMATS)}"
        return self.egress_refusal(self._order(order), policy)

    def _voice(self, order: AssetOrder) -> str | None:
        return order.voice or self._described.voice

    def _order(self, order: AssetOrder) -> OutboundRequest:
        body: JsonObject = {"text": order.prompt, "model_id": self._described.model, **order.parameters}
        voice = quote(self._voice(order) or "", safe="")
        return self.request(f"/text-to-speech/{voice}?output_format={_format(order)}", body, order)

    async def make(self, order: AssetOrder, policy: WorkflowPolicy, *, key: str, within: timedelta) -> MakeResult:
        """Make the speech by one call; the wire has no key."""
        del key
        result = await self.send(self._order(order), policy, within=within, effect=True, opaque=True)
        if not isinstance(result, Answer) or not is_success(result):
            return no_asset(result, self.provider)
        cost = self.cost(order, units=_units(result.header("character-cost")))
        return sound_of(result, cost, f"request {result.header('request-id') or 'without an id'}")

    async def find(
        self, order: AssetOrder, policy: WorkflowPolicy, *, key: str, since: datetime, within: timedelta
    ) -> Made | Submitted | NothingFound | JobUnseen:
        """Look into its history for the same text by the same voice and model, made since then, and fetch its sound."""
        del key
        if not self._described.history:
            return NothingFound(certain=False)
        began = int((since - _CLOCKS).timestamp())
        voice = quote(self._voice(order) or "", safe="")
        path = f"/history?page_size={_PAGE}&voice_id={voice}&date_after_unix={began}&source=TTS"
        listed = await self.send(self.request(path, None, order, "GET"), policy, within=within)
        if not isinstance(listed, Answer) or not is_success(listed):
            return unseen(listed, "its history")
        entry = self._entry_for(order, json_of(listed), began)
        if entry is None:
            return NothingFound(certain=False)  # it is written after the sound was made
        item = quote(str(entry["history_item_id"]), safe="")
        audio = self.request(f"/history/{item}/audio", None, order, "GET")
        sound = await self.send(audio, policy, within=within, opaque=True)
        if not isinstance(sound, Answer) or not is_success(sound):
            return unseen(sound, "a sound of its history")
        found = sound_of(sound, self.cost(order, units=_charged(entry)), "found in its history")
        return JobUnseen(reason=found.reason) if isinstance(found, Declined) else found

    def _entry_for(self, order: AssetOrder, listed: Json, began: int) -> dict[str, Any] | None:
        history: Any = value_at(listed, "/history", None)
        for entry in history if isinstance(history, list) else []:
            if not isinstance(entry, dict) or not entry.get("history_item_id"):
                continue
            made = entry.get("date_unix")
            is_same = entry.get("text") == order.prompt and entry.get("voice_id") == self._voice(order)
            is_same = is_same and entry.get("model_id") in (None, self._described.model)
            if is_same and isinstance(made, int) and made >= began:
                return entry
        return None


def _format(order: AssetOrder) -> str | None:
    if order.format is None:
        return _FORMATS["mp3"]
    named = order.format
    return named if named.startswith(("mp3_", "wav_", "opus_", "pcm_", "ulaw_", "alaw_")) else _FORMATS.get(named)


def _units(said: str | None) -> Decimal | None:
    try:
        units = Decimal(said.strip()) if said is not None else None
    except InvalidOperation:
        return None
    return units if units is not None and units.is_finite() and units >= 0 else None


def _charged(entry: dict[str, Any]) -> Decimal | None:
    before, after = entry.get("character_count_change_from"), entry.get("character_count_change_to")
    if isinstance(before, int) and isinstance(after, int) and after >= before:
        return Decimal(after - before)
    return None
