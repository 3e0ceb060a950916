"""The agent's prompts: texts under test, whose versions stand in every attempt that used them."""

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

NAMES: Final = ("common", "understand", "collect", "propose", "criticise")


@cache
def prompt(name: str) -> str:
    """Return a prompt by its name."""
    return (files(__package__) / f"{name}.md").read_text(encoding="utf-8")


DIAGNOSE: Final = "diagnose"


@cache
def diagnosis_prompt_version() -> str:
    """Return the version of the prompt that asks what is broken."""
    return sha256(prompt(DIAGNOSE).encode()).hexdigest()[:12]


@cache
def prompt_version() -> str:
    """Return the version of all prompts together: the first 12 digits of their SHA-256."""
    whole = "\0".join(prompt(name) for name in NAMES)
    return sha256(whole.encode()).hexdigest()[:12]
