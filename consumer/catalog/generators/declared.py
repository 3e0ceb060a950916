"""The union of all kinds of generators, told apart by `kind`, and the order in which a workflow's are tried."""

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias

from pydantic import Field

from consumer.catalog.generators.http import HttpGenerator
from consumer.catalog.generators.known import ElevenLabs, GeminiImage, OpenAiImages, OpenAiSpeech

DescribedGenerator: TypeAlias = Annotated[
    OpenAiImages | GeminiImage | OpenAiSpeech | ElevenLabs | HttpGenerator, Field(discriminator="kind")
]


def with_successors(names: Sequence[str], generators: Mapping[str, DescribedGenerator]) -> tuple[str, ...]:
    """Return generators in the order in which they are tried: each before its successors, those before the next one."""
    ordered: list[str] = []

    def add(name: str) -> None:
        if name in ordered or name not in generators:
            return
        ordered.append(name)
        for successor in generators[name].successors:
            add(successor)

    for name in names:
        add(name)
    return tuple(ordered)
