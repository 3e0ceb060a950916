"""Bindings of the catalog: which source is believed for which workflow, and what an older catalog has yet to declare.

An event can name any workflow, and a secret any call. So a source is bound to workflows, and a secret to methods, paths
and headers; what an older catalog does not bind is refused as soon as a secret is in play, and never open.
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, TypeAlias
from uuid import UUID

from consumer.catalog.access import Secret, Source, among
from consumer.catalog.policy import WorkflowPolicy

Advice: TypeAlias = tuple[tuple[int | str, ...], str]
"""A place in the catalog, and what to add there."""
_EXAMPLES: Final = {
    "methods": "methods: [GET]",
    "paths": "paths: [/v1/orders/*]",
    "headers": "headers: [authorization]",
}
_SHOWN: Final = 200


def source_refusal(
    sources: Sequence[Source], source: str, org_id: UUID, workflow_name: str, policy: WorkflowPolicy
) -> str | None:
    """Return why what a source reports of a workflow is not healed, or None."""
    bound = False
    for rule in sources:
        if not among(org_id, rule.organisations) or not fnmatchcase(source, rule.source) or rule.workflows is None:
            continue
        bound = True
        if rule.workflows == "*" or any(fnmatchcase(workflow_name, pattern) for pattern in rule.workflows):
            return None
    shown, name = source[:_SHOWN], workflow_name[:_SHOWN]
    if bound:
        return (
            f"source {shown!r} may not speak for workflow {name!r}: add it to the source's `workflows` in the catalog"
        )
    if not policy.secrets:
        return None
    return (
        f"source {shown!r} is bound to no workflows, and the entry {policy.name!r} has secrets: add `workflows:` with "
        f"{name!r} to the source in the catalog"
    )


def missing_bindings(
    sources: Sequence[Source], secrets: Mapping[str, Secret], workflows: Sequence[WorkflowPolicy]
) -> Iterator[Advice]:
    """Yield what a catalog does not bind although it has secrets, with what to add."""
    if any(policy.secrets for policy in workflows):
        for index, rule in enumerate(sources):
            if rule.workflows is None:
                why = "bound to no workflows, and gets no heal where the entry has secrets"
                yield ("sources", index), f"{rule.source} is {why}: add `workflows: [orders.*]`, or '*' for all"
    for name, secret in secrets.items():
        if secret.unbound:
            lacking = ", ".join(f"`{_EXAMPLES[one]}`" for one in secret.unbound)
            yield ("secrets", name), f"it is sent nowhere until it is bound: add {lacking}, or '*' for all"
