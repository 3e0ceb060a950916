"""Secrets of our own, of kinds that no pattern of ours was written from: the text as a template, and what must go."""

from typing import Final

SECRETS: Final[dict[str, tuple[str, str | None]]] = {}
