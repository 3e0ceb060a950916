"""The key of one failure of one run, by which events of a producer, a watcher and an engine's lineage are one. Pure.

They share no event id. Where an event names the run, its try and the step that failed, and the catalog says which
runner has the workflow, all of them name the same, and the digest of it is unique among the failures.
"""

import hashlib
from dataclasses import replace
from typing import Final

from consumer.model import Failure, OrgId
from consumer.redact import REDACTED

_NAME_CHARACTERS: Final = 512
"""As of `context.run.id` and `.step`: a longer one is no name of a run."""


def with_run_key(failure: Failure, runner: str | None) -> Failure:
    """Return the failure with its run key, where its event names all of the run's parts; `runner` is its workflow's."""
    key = run_key(failure.org_id, runner, failure.workflow_name, failure.context.get("run"))
    return failure if key is None else replace(failure, run_key=key)


def run_key(org_id: OrgId, runner: str | None, workflow_name: str, run: object) -> bytes | None:
    """Return the SHA-256 of organisation, runner, workflow, run, try and step; None where one of them is not named.

    `run` is the event's `context.run`: `id`, `epoch` (the try) and `step`. The workflow is part of it because some
    engines name runs within a workflow only.
    """
    if runner is None or not isinstance(run, dict):
        return None
    run_id, epoch, step = _name(run.get("id")), run.get("epoch"), _name(run.get("step"))
    if run_id is None or step is None or not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 0:
        return None
    digest = hashlib.sha256()
    for part in (str(org_id), runner, workflow_name, run_id, str(epoch), step):
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4) + encoded)  # no two lists of parts run together into one text
    return digest.digest()


def _name(value: object) -> str | None:
    """Return a run's or step's name; a number counts as its text, and what was redacted names nothing."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if value.bit_length() <= 64 else ""  # noqa: PLR2004 - bits
    if not isinstance(value, str) or not 0 < len(value) <= _NAME_CHARACTERS or REDACTED in value:
        return None
    return value
