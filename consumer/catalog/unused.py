"""Entries of a catalog that do nothing: they are valid, and whoever wrote them meant something by them."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import chain

from consumer.catalog.access import Secret, Source
from consumer.catalog.bindings import Advice
from consumer.catalog.policy import WorkflowPolicy


def unused_entries(
    sources: Sequence[Source], workflows: Sequence[WorkflowPolicy], secrets: Mapping[str, Secret]
) -> Iterator[Advice]:
    """Yield sources that stand twice, workflows that are never asked, and secrets that are read from nowhere or two."""
    yield from chain(_doubled_sources(sources), _shadowed_workflows(workflows), _doubtful_secrets(secrets))


def _doubled_sources(sources: Sequence[Source]) -> Iterator[Advice]:
    for place, source in enumerate(sources):
        if source in sources[:place]:
            yield ("sources", place), f"{source.source} stands twice, word for word: take one away"


def _shadowed_workflows(workflows: Sequence[WorkflowPolicy]) -> Iterator[Advice]:
    """Yield the entries that are never asked, because an earlier pattern takes all that they would."""
    for place, entry in enumerate(workflows):
        first = next((one for one in workflows[:place] if _takes_all_of(one.name, entry.name)), None)
        if first is None:
            continue
        mend = f"move {entry.name} above {first.name}" if first.name != entry.name else "make them one"
        why = f"({entry.name}) is never used: {first.name} stands before it and takes the same"
        yield ("workflows", place), f"{why}: {mend}"


def _takes_all_of(earlier: str, later: str) -> bool:
    # With no other sign than `*`, a pattern that takes the text of another takes all that the other does.
    return earlier == later or (not set(earlier) & set("?[") and fnmatchcase(later, earlier))


def _doubtful_secrets(secrets: Mapping[str, Secret]) -> Iterator[Advice]:
    for name, secret in secrets.items():
        if secret.env is None and secret.file is None:
            yield ("secrets", name), "it is read from nowhere: add `env: NAME` or `file: /run/secrets/name`"
        elif secret.env is not None and secret.file is not None:
            why = f"it is read from the variable {secret.env} where that is set, else from {secret.file}"
            yield ("secrets", name), f"{why}: keep one of `env` and `file`"
