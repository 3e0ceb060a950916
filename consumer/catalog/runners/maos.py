"""Declaration of the platform's own runs: the calls that MAOS takes, and the engines that it approves."""

from typing import Final, Literal

from consumer.catalog.runners.http import TemplatedRunner

ENGINES: Final = ("claude_cli", "deep_agent", "gemini_image", "internal_service")
"""The engines that the platform approves: a step of another one is refused there."""


class MaosRunner(TemplatedRunner):
    """MAOS, the platform's orchestration: its orders are templates, and its runs have the platform's own form."""

    kind: Literal["maos"]
    engines: tuple[str, ...] = ENGINES
