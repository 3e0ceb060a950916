"""Creates the clients of the generators that the catalog declares, and those of the catalog in force."""

from collections.abc import Mapping
from typing import assert_never

from consumer.catalog import Catalogs, DescribedGenerator, WorkflowPolicy
from consumer.catalog.generators.declared import with_successors
from consumer.catalog.generators.http import HttpGenerator
from consumer.catalog.generators.known import ElevenLabs, GeminiImage, OpenAiImages, OpenAiSpeech
from consumer.generators.contract import Generator
from consumer.generators.described import DescribedClient
from consumer.generators.elevenlabs import ElevenLabsClient
from consumer.generators.gemini import GeminiImageClient
from consumer.generators.openai import OpenAiImageClient, OpenAiSpeechClient
from consumer.outbound.calls import OutboundCalls


class ConfiguredGenerators:
    """The generators of one catalog, by name; a new catalog gets a new instance."""

    def __init__(self, described: Mapping[str, DescribedGenerator], calls: OutboundCalls) -> None:
        self._described = described
        self._clients = {name: _client(name, each, calls) for name, each in described.items()}

    def of(self, policy: WorkflowPolicy) -> tuple[Generator, ...]:
        """Return a workflow's generators in the order in which they are tried, successors included."""
        return tuple(self._clients[name] for name in with_successors(policy.generators, self._described))


def _client(name: str, described: DescribedGenerator, calls: OutboundCalls) -> Generator:
    match described:
        case OpenAiImages():
            return OpenAiImageClient(name, described, calls)
        case GeminiImage():
            return GeminiImageClient(name, described, calls)
        case OpenAiSpeech():
            return OpenAiSpeechClient(name, described, calls)
        case ElevenLabs():
            return ElevenLabsClient(name, described, calls)
        case HttpGenerator():
            return DescribedClient(name, described, calls)
        case _:
            assert_never(described)


class CurrentGenerators:
    """The generators of the catalog in force, recreated when the catalog changes."""

    def __init__(self, catalogs: Catalogs, calls: OutboundCalls) -> None:
        self._catalogs = catalogs
        self._calls = calls
        self._cached = catalogs.current, ConfiguredGenerators(catalogs.current.generators, calls)

    def of(self, policy: WorkflowPolicy) -> tuple[Generator, ...]:
        """Return a workflow's generators, as the catalog in force declares them."""
        catalog, generators = self._cached
        if catalog is not self._catalogs.current:
            catalog = self._catalogs.current
            generators = ConfiguredGenerators(catalog.generators, self._calls)
            self._cached = catalog, generators
        return generators.of(policy)
