"""Generators whose wire is known: OpenAI's images and speech, Gemini's images, ElevenLabs' voices."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from consumer.catalog.generators.common import ApiGenerator, ParameterName


class OpenAiImages(ApiGenerator):
    """`POST {api}/images/generations`, and whatever speaks like it."""

    kind: Literal["openai-images"]
    makes: Literal["image"] = "image"
    parameters: tuple[ParameterName, ...] = ("background",)
    quality: Annotated[str, Field(pattern=r"^[a-z]{1,16}$")] | None = None
    """Quality, which is charged for: the catalog's, never the event's."""
    moderation: Literal["auto", "low"] | None = None


class GeminiImage(ApiGenerator):
    """`POST {api}/models/{model}:generateContent`: the platform's `gemini_image` engine."""

    kind: Literal["gemini-image"]
    makes: Literal["image"] = "image"


class OpenAiSpeech(ApiGenerator):
    """`POST {api}/audio/speech`, and whatever speaks like it."""

    kind: Literal["openai-speech"]
    makes: Literal["audio"] = "audio"
    voice: str | None = None
    """Voice where the event names none."""
    parameters: tuple[ParameterName, ...] = ("instructions", "speed")


class ElevenLabs(ApiGenerator):
    """`POST {api}/text-to-speech/{voice}`, and its history, in which what was made and never arrived is found."""

    kind: Literal["elevenlabs"]
    makes: Literal["audio"] = "audio"
    voice: str | None = None
    """Voice where the event names none."""
    parameters: tuple[ParameterName, ...] = (
        "seed",
        "voice_settings",
        "language_code",
        "previous_text",
        "next_text",
        "previous_request_ids",
        "next_request_ids",
    )
    history: bool = True
    """Whether what was made stands in its history; not where logging is switched off."""
    history_within: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=1))] = timedelta(minutes=30)
    """How old an entry of the history may be to be the one that was made for this heal."""
