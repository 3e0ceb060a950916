"""Whether something ran out of memory, and what a declared larger memory class changes about that. Pure."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Final

from consumer.catalog import WorkflowPolicy
from consumer.model import ActionName, Diagnosis, Failure, Json
from schemas.names import Disposition

_MEMORY_RULE: Final = "platform.memory"
_SAYS: Final = re.compile(
    r"\boom[ _-]?kill|\bout[ _-]?of[ _-]?memory|\bmemory (?:limit|cgroup)|(?<![a-z])memory_?error\b|\bheap space\b"
    r"|\b(?:exit(?:ed)?|status|code)\b[^\n]{0,24}?(?<![\d.])137(?![\d.])",
    re.IGNORECASE,
)
_EXIT_NAMES: Final = frozenset({"exitcode", "exitstatus", "returncode"})
_KILLED: Final = 137
_MOST_TEXTS: Final = 2000
_LONGEST: Final = 20_000
_SHOWN: Final = 100


def says_out_of_memory(text: str) -> str | None:
    """Return the words by which a text says that something ran out of memory, or was killed as the kernel does it."""
    found = _SAYS.search(text[:_LONGEST])
    return text[max(0, found.start() - 20) : found.end() + 20][:_SHOWN] if found is not None else None


def memory_evidence(failure: Failure) -> str | None:
    """Return by which words of its event a failure ran out of memory, or None."""
    if (said := says_out_of_memory(failure.failure_reason)) is not None:
        return said
    told = (said for text in islice(_texts(failure.context), _MOST_TEXTS) if (said := says_out_of_memory(text)))
    return next(told, None)


def relieved(diagnosis: Diagnosis, failure: Failure, policy: WorkflowPolicy) -> Diagnosis:
    """Return the diagnosis of a failure for which a larger memory class is declared: that is a person's decision.

    It holds as long as that rung has not refused: then there is no larger class, and a person has to decide again.
    """
    whole = policy.ladders.get(diagnosis.failure_type, ())
    larger = [one for one in whole if isinstance(one, ActionName) and one in policy.actions]
    larger = [one for one in larger if policy.actions[one].larger and one not in failure.ladder_progress.exhausted]
    if not larger or diagnosis.disposition is not Disposition.NEEDS_PERSON or memory_evidence(failure) is None:
        return diagnosis
    asks = {one.rule for one in diagnosis.evidence if one.disposition is Disposition.NEEDS_PERSON}
    if asks - {_MEMORY_RULE}:
        return diagnosis
    return replace(diagnosis, disposition=Disposition.RETRY_IF_IDEMPOTENT)


def _texts(context: Json, depth: int = 0) -> Iterator[str]:
    """Give the texts of a context, and exit codes of 137 in words."""
    match context:
        case str():
            yield context
        case dict() if depth < 16:  # noqa: PLR2004 - far above what any platform writes
            for name, below in context.items():
                is_code = name.replace("_", "").replace("-", "").lower() in _EXIT_NAMES
                if is_code and str(below) == str(_KILLED):
                    yield f"exit code {_KILLED}"
                yield from _texts(below, depth + 1)
        case list() if depth < 16:  # noqa: PLR2004
            for below in context:
                yield from _texts(below, depth + 1)
        case _:
            return
