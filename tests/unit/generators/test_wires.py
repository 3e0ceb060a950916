"""The wires of the generators, as their documents have them: what is sent and read, what it costs, what is refused.

The official clients are pointed at the same servers: they send what ours sends, and read what ours reads.
"""

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any, Final
from uuid import UUID

import openai
import pytest

from consumer.catalog import WorkflowPolicy, parse_catalog
from consumer.generators.configured import ConfiguredGenerators
from consumer.generators.contract import (
    AssetOrder,
    Declined,
    DeclineKind,
    Generator,
    JobLost,
    JobRuns,
    JobUnseen,
    Made,
    NothingFound,
    Submitted,
)
from consumer.model import OrgId
from consumer.model.call import Ambiguous
from consumer.outbound.calls import open_calls
from schemas.names import AssetKind
from tests.support.pipeline import catalog
from tests.support.worlds.asset_world import file_reply
from tests.support.worlds.http_world import Reply, World, http_world, json_reply

LONG: Final = timedelta(seconds=20)
BYTES: Final = bytes(range(256)) * 40
IMAGE: Final = AssetOrder(
    org_id=OrgId(UUID(int=7)),
    workflow_name="catalogue.sync",
    kind=AssetKind.IMAGE,
    prompt="a lighthouse",
    format="png",
    width=1024,
    height=1024,
    parameters={},
)
VOICE: Final = AssetOrder(
    org_id=OrgId(UUID(int=7)),
    workflow_name="catalogue.sync",
    kind=AssetKind.AUDIO,
    prompt="The lamp is lit.",
    voice="alloy",
    format="mp3",
    parameters={},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    world: World
    generator: Generator
    policy: WorkflowPolicy

    async def make(self, order: AssetOrder) -> Any:  # noqa: ANN401 - each test knows
        return await self.generator.make(order, self.policy, key="k-1", within=LONG)


@asynccontextmanager
async def generator(declare: Callable[[World], dict[str, Any]]) -> AsyncIterator[Place]:

    async with http_world() as world, open_calls({}) as calls:
        text = catalog(world.port, generators="[one]") + f"generators: {{one: {json.dumps(declare(world))}}}\n"
        parsed = parse_catalog(text)
        allowed = parsed.policy("catalogue.sync")
        assert allowed is not None
        [made] = ConfiguredGenerators(parsed.generators, calls).of(allowed)
        yield Place(world=world, generator=made, policy=allowed)


def openai_images(world: World) -> dict[str, Any]:
    price = {"input_token_aud": "0.00001", "output_token_aud": "0.00004", "most_aud": "0.3"}
    return {"kind": "openai-images", "api": world.url("/v1"), "model": "gpt-image-2", "price": price}


def openai_speech(world: World) -> dict[str, Any]:
    price = {"character_aud": "0.00002"}
    return {"kind": "openai-speech", "api": world.url("/v1"), "model": "tts-2", "price": price}


def gemini(world: World) -> dict[str, Any]:
    price = {"output_token_aud": "0.00003", "most_aud": "0.2"}
    return {"kind": "gemini-image", "api": world.url("/v1beta"), "model": "gemini-image-4", "price": price}


def elevenlabs(world: World) -> dict[str, Any]:
    price = {"unit_aud": "0.0003", "most_aud": "0.5"}
    return {"kind": "elevenlabs", "api": world.url("/v1"), "model": "eleven_v4", "price": price}


def preset(name: str, model: str, **more: Any) -> Callable[[World], dict[str, Any]]:  # noqa: ANN401
    def declare(world: World) -> dict[str, Any]:
        found = {"kind": "http", "preset": name, "model": model, "api": world.url(""), "price": {"call_aud": "0.1"}}
        return found | {"makes": "image"} | more

    return declare


IMAGE_ANSWER: Final = {
    "created": 1790000000,
    "data": [{"b64_json": base64.b64encode(BYTES).decode()}],
    "background": "opaque",
    "output_format": "png",
    "quality": "high",
    "size": "1024x1024",
    "usage": {
        "input_tokens": 100,
        "output_tokens": 4000,
        "total_tokens": 4100,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": 100},
    },
}


async def test_openai_images_are_read_as_the_official_client_reads_them_and_charged_by_their_tokens() -> None:
    async with generator(openai_images) as place:
        place.world.on("/v1/images/generations", json_reply(IMAGE_ANSWER))
        made = await place.make(IMAGE)
        assert isinstance(made, Made)
        assert (made.content, made.media_type, made.cost) == (BYTES, "image/png", 161_000)
        client = openai.AsyncOpenAI(api_key="k", base_url=place.world.url("/v1"), max_retries=0)
        theirs = await client.images.generate(
            model="gpt-image-2", prompt="a lighthouse", n=1, size="1024x1024", output_format="png"
        )
        await client.close()
        assert theirs.data is not None
        assert base64.b64decode(theirs.data[0].b64_json or "") == made.content
        ours_sent, theirs_sent = place.world.calls("/v1/images/generations")
        assert ours_sent.json == theirs_sent.json


async def test_openai_speech_is_what_the_official_client_gets() -> None:
    async with generator(openai_speech) as place:
        place.world.on("/v1/audio/speech", file_reply(BYTES, "audio/mpeg"))
        made = await place.make(VOICE)
        assert isinstance(made, Made)
        assert (made.content, made.cost) == (BYTES, 320)
        client = openai.AsyncOpenAI(api_key="k", base_url=place.world.url("/v1"), max_retries=0)
        theirs = await client.audio.speech.create(
            model="tts-2", voice="alloy", input="The lamp is lit.", response_format="mp3"
        )
        await client.close()
        assert theirs.content == made.content
        ours_sent, theirs_sent = place.world.calls("/v1/audio/speech")
        assert ours_sent.json == theirs_sent.json


@asynccontextmanager
async def official_elevenlabs(world: World) -> AsyncIterator[Any]:
    """Give the official client; imported here, because its 38 MB take a second, and a type checker minutes."""
    official, httpx = import_module("elevenlabs.client"), import_module("httpx")
    async with httpx.AsyncClient() as http:
        yield official.AsyncElevenLabs(api_key="k", base_url=world.url("").rstrip("/"), httpx_client=http)


async def test_elevenlabs_voices_are_what_the_official_client_gets() -> None:
    async with generator(elevenlabs) as place:
        charged = (("character-cost", "16"), ("request-id", "r-1"))
        said = Reply(body=BYTES, headers=(("Content-Type", "audio/mpeg"), *charged))
        place.world.on("/v1/text-to-speech/alloy", said)
        made = await place.make(VOICE)
        assert isinstance(made, Made)
        assert (made.content, made.cost, made.said) == (BYTES, 4_800, "request r-1")
        async with official_elevenlabs(place.world) as client:
            pieces = client.text_to_speech.convert(
                "alloy", text="The lamp is lit.", model_id="eleven_v4", output_format="mp3_44100_128"
            )
            assert b"".join([piece async for piece in pieces]) == made.content
        ours_sent, theirs_sent = place.world.calls("/v1/text-to-speech/alloy")
        assert (ours_sent.path, ours_sent.json) == (theirs_sent.path, theirs_sent.json)


async def test_what_elevenlabs_made_and_never_sent_is_found_in_its_history() -> None:
    async with generator(elevenlabs) as place:
        now = datetime.now(UTC)
        entry = {
            "history_item_id": "h-1",
            "request_id": "r-1",
            "voice_id": "alloy",
            "model_id": "eleven_v4",
            "text": VOICE.prompt,
            "date_unix": int(now.timestamp()),
            "character_count_change_from": 100,
            "character_count_change_to": 116,
            "content_type": "audio/mpeg",
            "state": "created",
        }
        another = entry | {"history_item_id": "h-0", "text": "Something else."}
        place.world.on("/v1/history", json_reply({"history": [another, entry], "has_more": False}))
        place.world.on("/v1/history/h-1/audio", file_reply(BYTES, "audio/mpeg"))
        found = await place.generator.find(VOICE, place.policy, key="", since=now, within=LONG)
        assert isinstance(found, Made)
        [ours] = place.world.calls("/v1/history")
        since = int((now - timedelta(minutes=1)).timestamp())
        async with official_elevenlabs(place.world) as client:
            theirs = await client.history.list(
                page_size=100, voice_id="alloy", date_after_unix=since, source="TTS", sort_direction=None
            )
            assert [one.history_item_id for one in theirs.history] == ["h-0", "h-1"]
            assert b"".join([piece async for piece in client.history.get_audio("h-1")]) == found.content
        [_, their_list] = place.world.calls("/v1/history")
        assert set(ours.path.partition("?")[2].split("&")) == set(their_list.path.partition("?")[2].split("&"))
        our_sound, their_sound = place.world.calls("/v1/history/h-1/audio")
        assert our_sound.path == their_sound.path
        assert (found.content, found.cost) == (BYTES, 4_800)
        older = await place.generator.find(VOICE, place.policy, key="", since=now + LONG * 10, within=LONG)
        assert older == NothingFound(certain=False)


async def test_gemini_images_are_read_beside_their_texts() -> None:
    parts = [
        {"text": "Here it is."},
        {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(BYTES).decode()}},
    ]
    answer = {
        "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 1290},
        "responseId": "g-1",
    }
    async with generator(gemini) as place:
        place.world.on("/v1beta/models/gemini-image-4:generateContent", json_reply(answer))
        made = await place.make(IMAGE)
        assert isinstance(made, Made)
        assert (made.content, made.media_type, made.cost) == (BYTES, "image/png", 38_700)
        [sent] = place.world.seen
        assert sent.json["generationConfig"]["imageConfig"] == {"aspectRatio": "1:1"}


REFUSALS: Final[
    list[tuple[str, Callable[[World], dict[str, Any]], AssetOrder, str, Reply, DeclineKind, str | None]]
] = [
    (
        "openai moderation",
        openai_images,
        IMAGE,
        "/v1/images/generations",
        json_reply(
            {
                "error": {
                    "code": "moderation_blocked",
                    "type": "image_generation_user_error",
                    "message": "Your request was rejected by the safety system.",
                }
            },
            400,
        ),
        DeclineKind.MODERATION,
        None,
    ),
    (
        "openai parameter",
        openai_images,
        IMAGE,
        "/v1/images/generations",
        json_reply(
            {
                "error": {
                    "code": "invalid_value",
                    "param": "size",
                    "type": "invalid_request_error",
                    "message": "Invalid value: '1024x1024'.",
                }
            },
            400,
        ),
        DeclineKind.PARAMETER,
        "size",
    ),
    (
        "openai model gone",
        openai_images,
        IMAGE,
        "/v1/images/generations",
        json_reply(
            {
                "error": {
                    "code": "model_not_found",
                    "type": "invalid_request_error",
                    "message": "The model `gpt-image-2` does not exist.",
                }
            },
            404,
        ),
        DeclineKind.GONE,
        "model",
    ),
    (
        "openai quota",
        openai_images,
        IMAGE,
        "/v1/images/generations",
        json_reply(
            {
                "error": {
                    "code": "insufficient_quota",
                    "type": "insufficient_quota",
                    "message": "You exceeded your current quota.",
                }
            },
            429,
        ),
        DeclineKind.MONEY,
        None,
    ),
    (
        "openai rate",
        openai_images,
        IMAGE,
        "/v1/images/generations",
        json_reply(
            {"error": {"code": "rate_limit_exceeded", "message": "Rate limit reached."}},
            429,
            headers=(("retry-after", "7"),),
        ),
        DeclineKind.BUSY,
        None,
    ),
    (
        "no image",
        openai_images,
        IMAGE,
        "/v1/images/generations",
        json_reply({"created": 1, "data": []}),
        DeclineKind.EMPTY,
        None,
    ),
    (
        "half an image",
        openai_images,
        IMAGE,
        "/v1/images/generations",
        json_reply({"data": [{"b64_json": base64.b64encode(BYTES).decode()[:-3]}]}),
        DeclineKind.EMPTY,
        None,
    ),
    ("no sound", openai_speech, VOICE, "/v1/audio/speech", file_reply(b"", "audio/mpeg"), DeclineKind.EMPTY, None),
    (
        "json for sound",
        openai_speech,
        VOICE,
        "/v1/audio/speech",
        json_reply({"error": None}),
        DeclineKind.EMPTY,
        None,
    ),
    (
        "eleven quota",
        elevenlabs,
        VOICE,
        "/v1/text-to-speech/alloy",
        json_reply({"detail": {"status": "quota_exceeded", "message": "This request exceeds your quota."}}, 401),
        DeclineKind.MONEY,
        None,
    ),
    (
        "eleven voice",
        elevenlabs,
        VOICE,
        "/v1/text-to-speech/alloy",
        json_reply({"detail": {"status": "voice_not_found", "message": "A voice with this id was not found."}}, 404),
        DeclineKind.PARAMETER,
        "voice",
    ),
    (
        "eleven busy",
        elevenlabs,
        VOICE,
        "/v1/text-to-speech/alloy",
        json_reply({"detail": {"status": "system_busy", "message": "We are experiencing heavy traffic."}}, 429),
        DeclineKind.BUSY,
        None,
    ),
    (
        "gemini safety",
        gemini,
        IMAGE,
        "/v1beta/models/gemini-image-4:generateContent",
        json_reply({"candidates": [{"finishReason": "IMAGE_SAFETY"}]}),
        DeclineKind.MODERATION,
        "prompt",
    ),
    (
        "gemini, in words beside a code of a wrong argument",
        gemini,
        IMAGE,
        "/v1beta/models/gemini-image-4:generateContent",
        json_reply(
            {
                "error": {
                    "code": 400,
                    "status": "INVALID_ARGUMENT",
                    "message": "The prompt could not be submitted: it contains sensitive words that violate "
                    "Google's Responsible AI practices.",
                }
            },
            400,
        ),
        DeclineKind.MODERATION,
        "prompt",
    ),
    (
        "gemini model gone",
        gemini,
        IMAGE,
        "/v1beta/models/gemini-image-4:generateContent",
        json_reply(
            {
                "error": {
                    "code": 404,
                    "status": "NOT_FOUND",
                    "message": "models/gemini-image-4 is not found for API version v1beta, or is not supported for "
                    "generateContent.",
                }
            },
            404,
        ),
        DeclineKind.GONE,
        "model",
    ),
    (
        "fal application gone",
        preset("fal", "fal-ai/flux/dev", makes="image"),
        IMAGE,
        "/fal-ai/flux/dev",
        json_reply({"detail": "Application 'flux' not found"}, 404),
        DeclineKind.GONE,
        "model",
    ),
    (
        "gemini blocked",
        gemini,
        IMAGE,
        "/v1beta/models/gemini-image-4:generateContent",
        json_reply({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}),
        DeclineKind.MODERATION,
        "prompt",
    ),
    (
        "stability filter",
        preset("stability", "core"),
        replace(IMAGE, width=None, height=None),
        "/v2beta/stable-image/generate/core",
        Reply(body=BYTES, headers=(("Content-Type", "image/png"), ("finish-reason", "CONTENT_FILTERED"))),
        DeclineKind.MODERATION,
        "prompt",
    ),
]


@pytest.mark.parametrize(
    ("declare", "order", "path", "reply", "kind", "parameter"),
    [case[1:] for case in REFUSALS],
    ids=[case[0] for case in REFUSALS],
)
async def test_a_refusal_is_read_for_what_it_is(
    declare: Callable[[World], dict[str, Any]],
    order: AssetOrder,
    path: str,
    reply: Reply,
    kind: DeclineKind,
    parameter: str | None,
) -> None:
    async with generator(declare) as place:
        place.world.on(path, reply)
        declined = await place.make(order)
    assert isinstance(declined, Declined), declined
    assert declined.kind is kind, declined
    assert parameter is None or declined.parameter == parameter


OFFICIAL: Final = [case for case in REFUSALS if case[1] in (openai_images, elevenlabs) and case[4].status >= 400]


@pytest.mark.parametrize("case", OFFICIAL, ids=[case[0] for case in OFFICIAL])
async def test_the_official_clients_refuse_what_is_refused_here(case: Any) -> None:  # noqa: ANN401 - a row of the table
    _, declare, order, path, reply, *_ = case
    async with generator(declare) as place:
        place.world.on(path, reply)
        declined = await place.make(order)
        assert isinstance(declined, Declined)
        if declare is openai_images:
            client = openai.AsyncOpenAI(api_key="k", base_url=place.world.url("/v1"), max_retries=0)
            with pytest.raises(openai.APIStatusError) as refused:
                await client.images.generate(model="gpt-image-2", prompt="a lighthouse")
            await client.close()
            said, status = refused.value.message, refused.value.status_code
        else:
            api_error = import_module("elevenlabs.core.api_error").ApiError
            async with official_elevenlabs(place.world) as client:
                with pytest.raises(api_error) as refused:
                    async for _ in client.text_to_speech.convert(
                        "alloy", text="The lamp is lit.", model_id="eleven_v4"
                    ):
                        pass
            said, status = str(refused.value.body), refused.value.status_code
    assert status == reply.status
    assert declined.reason in said, "another text than theirs"


@pytest.mark.parametrize(
    "reply",
    [Reply(status=500), Reply(status=502), Reply(drop=True), Reply(body=BYTES, cut=True)],
    ids=["500", "502", "dropped", "cut"],
)
async def test_after_what_tells_nothing_it_may_have_been_made(reply: Reply) -> None:
    async with generator(openai_images) as place:
        place.world.on("/v1/images/generations", reply)
        assert isinstance(await place.make(IMAGE), Ambiguous)
        assert len(place.world.seen) == 1, "no client repeats a call by itself"


async def test_stability_gets_a_form_and_answers_with_the_image() -> None:
    async with generator(preset("stability", "core")) as place:
        place.world.on("/v2beta/stable-image/generate/core", file_reply(BYTES))
        made = await place.make(replace(IMAGE, width=None, height=None))
        assert isinstance(made, Made)
        assert made.content == BYTES
        [sent] = place.world.seen
        assert sent.headers["content-type"].startswith("multipart/form-data; boundary=shw-")
        assert b'name="prompt"\r\n\r\na lighthouse\r\n' in sent.body


async def test_replicate_has_a_job_whose_output_is_fetched_without_credentials() -> None:
    async with generator(
        preset("replicate", "black-forest-labs/flux", price={"unit_aud": "0.01", "most_aud": "1"})
    ) as place:
        world = place.world
        world.on("/v1/models/black-forest-labs/flux/predictions", json_reply({"id": "p1", "status": "starting"}, 201))
        running = {"id": "p1", "status": "processing", "output": None, "error": None}
        done = running | {"status": "succeeded", "output": world.url("/out.png"), "metrics": {"predict_time": 2.5}}
        world.on("/v1/predictions/p1", json_reply(running), json_reply(done))
        world.on("/out.png", file_reply(BYTES))
        job = await place.make(IMAGE)
        assert isinstance(job, Submitted)
        assert isinstance(await place.generator.look(job.job_id, IMAGE, place.policy, within=LONG), JobRuns)
        made = await place.generator.look(job.job_id, IMAGE, place.policy, within=LONG)
        assert isinstance(made, Made)
        assert (made.content, made.cost) == (BYTES, 25_000)
        assert isinstance(await place.generator.look("p2", IMAGE, place.policy, within=LONG), JobLost)


async def test_what_a_job_has_made_is_fetched_again_and_not_made_again() -> None:
    async with generator(preset("replicate", "black-forest-labs/flux")) as place:
        world = place.world
        world.on("/v1/models/black-forest-labs/flux/predictions", json_reply({"id": "p1", "status": "starting"}, 201))
        done = {"id": "p1", "status": "succeeded", "output": world.url("/out.png"), "error": None}
        world.on("/v1/predictions/p1", json_reply(done))
        world.on("/out.png", Reply(status=503), Reply(drop=True), Reply(status=404), file_reply(BYTES))
        job = await place.make(IMAGE)
        assert isinstance(job, Submitted)
        for _ in range(3):
            assert isinstance(await place.generator.look(job.job_id, IMAGE, place.policy, within=LONG), JobUnseen)
        assert isinstance(await place.generator.look(job.job_id, IMAGE, place.policy, within=LONG), Made)


@pytest.mark.parametrize("status", ["starting", "succeeded", "failed"])
async def test_a_look_that_is_answered_with_another_job_tells_nothing(status: str) -> None:
    async with generator(preset("replicate", "black-forest-labs/flux")) as place:
        world = place.world
        other = {"id": "p2", "status": status, "output": world.url("/out.png")}
        world.on("/v1/predictions/p1", json_reply(other), json_reply(other | {"id": "p1", "status": "starting"}))
        world.on("/out.png", file_reply(BYTES))
        seen = await place.generator.look("p1", IMAGE, place.policy, within=LONG)
        assert isinstance(seen, JobUnseen), seen
        assert "another job" in seen.reason
        assert not world.calls("/out.png"), "somebody else's asset"
        assert isinstance(await place.generator.look("p1", IMAGE, place.policy, within=LONG), JobRuns)


@pytest.mark.parametrize(
    ("replies", "is_made", "fetched"),
    [
        ((Reply(status=404), Reply(status=503), file_reply(BYTES)), True, 3),
        ((Reply(status=404),), False, 3),
        ((Reply(status=403),), False, 1),
    ],
    ids=["not yet", "never", "refused"],
)
async def test_an_image_that_is_not_at_its_address_yet_is_fetched_again_before_another_is_paid(
    monkeypatch: pytest.MonkeyPatch, replies: tuple[Reply, ...], is_made: bool, fetched: int
) -> None:
    monkeypatch.setattr("consumer.generators.client.FETCH_AGAIN", (0.0, 0.0))
    async with generator(openai_images) as place:
        usage = {"input_tokens": 100, "output_tokens": 4000}
        answer = {"data": [{"url": place.world.url("/out.png")}], "usage": usage}
        place.world.on("/v1/images/generations", json_reply(answer))
        place.world.on("/out.png", *replies)
        made = await place.make(IMAGE)
        assert isinstance(made, Made if is_made else Declined)
        assert (made.cost, len(place.world.calls("/out.png"))) == (161_000, fetched)


FAL_DONE: Final = {"status": "COMPLETED", "request_id": "f1"}


@pytest.mark.parametrize(
    ("status", "result", "is_made"),
    [
        (FAL_DONE, True, True),
        (FAL_DONE | {"error": "out of memory", "error_type": "runner_error"}, True, False),
    ],
    ids=["completed", "completed with an error"],
)
async def test_a_job_of_fal_that_completed_with_an_error_is_none(
    status: dict[str, Any], result: bool, is_made: bool
) -> None:
    async with generator(preset("fal", "fal-ai/flux/dev")) as place:
        world = place.world
        world.on("/fal-ai/flux/dev", json_reply({"request_id": "f1", "status_url": "u", "response_url": "u"}))
        world.on(
            "/fal-ai/flux/requests/f1/status",
            json_reply({"status": "IN_QUEUE", "queue_position": 1}),
            json_reply(status),
        )
        world.on("/fal-ai/flux/requests/f1", json_reply({"images": [{"url": world.url("/out.png")}] if result else []}))
        world.on("/out.png", file_reply(BYTES))
        job = await place.make(IMAGE)
        assert isinstance(job, Submitted)
        assert isinstance(await place.generator.look(job.job_id, IMAGE, place.policy, within=LONG), JobRuns)
        seen = await place.generator.look(job.job_id, IMAGE, place.policy, within=LONG)
        if is_made:
            assert isinstance(seen, Made)
            return
        assert isinstance(seen, Declined)
        assert (seen.kind, "out of memory" in seen.reason) == (DeclineKind.FAILED, True)


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (replace(IMAGE, parameters={"model": "dear"}), "context.asset.parameters.model"),
        (replace(IMAGE, format="tiff"), "context.asset.format"),
        (replace(IMAGE, kind=AssetKind.AUDIO), "context.asset.kind"),
    ],
    ids=["parameter", "format", "kind"],
)
async def test_what_it_cannot_make_is_refused_by_its_place(order: AssetOrder, says: str) -> None:
    async with generator(openai_images) as place:
        refused = place.generator.refusal(order, place.policy)
        assert refused is not None
        assert refused.startswith(says)
        assert not place.world.seen


async def test_what_speaks_is_not_asked_for_a_sound_that_is_described() -> None:
    bell = replace(VOICE, prompt="a door bell", seconds=2, spoken=False)
    async with generator(openai_speech) as place:
        refused = place.generator.refusal(bell, place.policy)
        assert refused is not None
        assert refused.startswith("context.asset.spoken")
    async with generator(lambda world: openai_speech(world) | {"can": {"sounds": True}}) as place:
        assert place.generator.refusal(bell, place.policy) is None


def test_an_unbounded_price_is_refused_with_its_line() -> None:
    text = (
        catalog()
        + "generators: {one: {kind: gemini-image, api: 'https://a.example', model: m, price: {unit_aud: 1}}}\n"
    )
    with pytest.raises(Exception, match="most_aud"):
        parse_catalog(text)
