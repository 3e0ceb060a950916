"""The whole catalog: read from YAML, each fault with its line, and asked by source and by workflow."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Final, Literal, TypeVar
from uuid import UUID

import yaml
from pydantic import Field, ValidationError

from consumer.catalog.access import Secret, Source
from consumer.catalog.declared import Declared
from consumer.catalog.policy import WorkflowPolicy
from consumer.errors import ConfigError
from consumer.model import MicroAud

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")
_REMEMBERED: Final = 4096


class _Document(Declared):
    version: Literal[1]
    sources: tuple[Source, ...] = ()
    workflows: tuple[WorkflowPolicy, ...] = ()
    secrets: dict[str, Secret] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """A valid catalog. `version` is the SHA-256 of its text, cut to 12 digits: every plan carries it."""

    version: str
    sources: tuple[Source, ...]
    workflows: tuple[WorkflowPolicy, ...]
    secrets: dict[str, Secret]
    _spoken: dict[tuple[str, UUID], bool] = field(default_factory=dict, compare=False, repr=False)
    _policies: dict[str, WorkflowPolicy | None] = field(default_factory=dict, compare=False, repr=False)

    def may_speak(self, source: str, org_id: UUID) -> bool:
        """Tell whether a source may report failures of an organisation."""
        return _remembered(self._spoken, (source, org_id), lambda: self._may_speak(source, org_id))

    def _may_speak(self, source: str, org_id: UUID) -> bool:
        return any(
            (rule.organisations == "*" or org_id in rule.organisations) and fnmatchcase(source, rule.source)
            for rule in self.sources
        )

    def policy(self, workflow_name: str) -> WorkflowPolicy | None:
        """Give the first policy whose pattern matches, or None: then nothing may be done for that workflow."""
        return _remembered(
            self._policies,
            workflow_name,
            lambda: next((p for p in self.workflows if fnmatchcase(workflow_name, p.name)), None),
        )


def _remembered(known: dict[KeyT, ValueT], key: KeyT, find: Callable[[], ValueT]) -> ValueT:
    """Match patterns once for each name: a catalog has many patterns, and the names come again and again."""
    if key not in known:
        if len(known) >= _REMEMBERED:
            known.clear()  # names are the publishers' to choose: bounded, whatever they send
        known[key] = find()
    return known[key]


def micro_aud(amount: Decimal) -> MicroAud:
    """Convert Australian dollars to millionths, exactly to the sixth digit."""
    return MicroAud(int((amount * 1_000_000).to_integral_value()))


def parse_catalog(text: str, name: str = "catalog") -> Catalog:
    """Read a catalog.

    Raises
    ------
    ConfigError
        With the line of each fault, and what was expected there.

    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = _Document.model_validate(yaml.safe_load(text) if root is not None else {})
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise ConfigError("; ".join(_faults(error, root, name))) from error
    unknown = {secret for policy in document.workflows for secret in policy.secrets} - set(document.secrets)
    if unknown:
        raise ConfigError(f"{name}: secrets without a declaration under `secrets:`: {', '.join(sorted(unknown))}")
    version = hashlib.sha256(text.encode()).hexdigest()[:12]
    return Catalog(
        version=version, sources=document.sources, workflows=document.workflows, secrets=dict(document.secrets)
    )


def _faults(error: ValidationError, root: yaml.Node | None, name: str) -> Iterator[str]:
    for fault in error.errors(include_url=False):
        path = ".".join(str(part) for part in fault["loc"])
        yield f"{name}:{_line(root, fault['loc'])}: {path}: {fault['msg']}"


def _line(node: yaml.Node | None, path: tuple[int | str, ...]) -> int:
    line = node.start_mark.line + 1 if node is not None else 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            below = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if below is None:
                break
            line, node = below[0].start_mark.line + 1, below[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line
