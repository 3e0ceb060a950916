"""The whole catalog: parses and validates its YAML, reports errors with their line, looks up sources and workflows."""

import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Final, Literal, TypeAlias, TypeVar
from uuid import UUID

from pydantic import Field, ValidationError

from consumer.catalog.access import Secret, Source, among
from consumer.catalog.actions import DeclaredAction
from consumer.catalog.billing import BillingAccount
from consumer.catalog.bindings import missing_bindings, source_refusal
from consumer.catalog.declared import Declared
from consumer.catalog.dependencies import Dependency
from consumer.catalog.faults import faults_in_words, place_of
from consumer.catalog.generators.declared import DescribedGenerator
from consumer.catalog.media_stores import DeclaredMediaStore
from consumer.catalog.no_secret import DeclaredPlaces
from consumer.catalog.policy import WorkflowPolicy
from consumer.catalog.runners.declared import DescribedRunner
from consumer.catalog.runners.watch import RunnerWatch, watch_source
from consumer.catalog.schema_autofix import SchemaFiles
from consumer.catalog.topics import DeclaredTopic
from consumer.catalog.unused import unused_entries
from consumer.catalog.yaml_text import read_yaml
from consumer.errors import ConfigError
from consumer.model import ActionName
from schemas.fault_words import did_you_mean
from schemas.json_value import steps_of

ActionKey: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
DependencyName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")
_CACHE_SIZE: Final = 4096


class _Document(Declared):
    version: Literal[1]
    sources: tuple[Source, ...] = ()
    workflows: tuple[WorkflowPolicy, ...] = ()
    secrets: dict[str, Secret] = Field(default_factory=dict)
    runners: dict[str, DescribedRunner] = Field(default_factory=dict)
    media_stores: dict[str, DeclaredMediaStore] = Field(default_factory=dict)
    dependencies: dict[DependencyName, Dependency] = Field(default_factory=dict)
    billing: dict[DependencyName, BillingAccount] = Field(default_factory=dict)
    generators: dict[str, DescribedGenerator] = Field(default_factory=dict)
    actions: dict[ActionKey, DeclaredAction] = Field(default_factory=dict)
    topics: Annotated[tuple[DeclaredTopic, ...], Field(max_length=64)] = ()


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """A valid catalog. `version` is the SHA-256 of its texts, cut to 12 digits: every plan carries it."""

    version: str
    sources: tuple[Source, ...]
    workflows: tuple[WorkflowPolicy, ...]
    secrets: dict[str, Secret]
    runners: dict[str, DescribedRunner] = field(default_factory=dict)
    media_stores: dict[str, DeclaredMediaStore] = field(default_factory=dict)
    generators: dict[str, DescribedGenerator] = field(default_factory=dict)
    topics: dict[str, DeclaredTopic] = field(default_factory=dict)
    """Topics that are read beside that of the failures, by name."""
    files: tuple[str, ...] = ()
    """Files that it was made from besides its own text, by paths relative to it."""
    unbound: tuple[str, ...] = ()
    """What it does not bind although it has secrets, with line and what to add; until then that is refused."""
    unused: tuple[str, ...] = ()
    """Entries that do nothing, or that are read from two places, with line and what to change."""
    _source_patterns: dict[tuple[str, UUID], str | None] = field(default_factory=dict, compare=False, repr=False)
    _policies: dict[str, WorkflowPolicy | None] = field(default_factory=dict, compare=False, repr=False)
    _refusals: dict[tuple[str, UUID, str], str | None] = field(default_factory=dict, compare=False, repr=False)

    @property
    def asks_for_first(self) -> bool:
        """Whether an entry asks for the first heals of each fingerprint."""
        return any(entry.approval is not None and entry.approval.first for entry in self.workflows)

    @cached_property
    def declared_places(self) -> DeclaredPlaces:
        """The places that hold no secret, by workflow; empty where no workflow declares one."""
        if not any(policy.no_secret for policy in self.workflows):
            return ()
        return tuple((policy.name, tuple(map(steps_of, policy.no_secret))) for policy in self.workflows)

    def may_speak(self, source: str, org_id: UUID) -> bool:
        """Return whether a source may report failures of an organisation."""
        return self.speaks_as(source, org_id) is not None

    def speaks_as(self, source: str, org_id: UUID) -> str | None:
        """Return the pattern by which a source may report failures of an organisation, or None; patterns are few."""
        return _memoize(self._source_patterns, (source, org_id), lambda: self._source_pattern(source, org_id))

    def _source_pattern(self, source: str, org_id: UUID) -> str | None:
        return next(
            (
                rule.source
                for rule in self.sources
                if (rule.organisations == "*" or org_id in rule.organisations) and fnmatchcase(source, rule.source)
            ),
            None,
        )

    def publishes_refusals(self, source: str) -> bool:
        """Return whether what is refused of a source is told on the results topic."""
        return any(rule.publish_refusals and fnmatchcase(source, rule.source) for rule in self.sources)

    def policy(self, workflow_name: str) -> WorkflowPolicy | None:
        """Return the first policy whose pattern matches a workflow, or None: then no heal of it is allowed."""
        return _memoize(
            self._policies,
            workflow_name,
            lambda: next((p for p in self.workflows if fnmatchcase(workflow_name, p.name)), None),
        )

    def runner_of(self, workflow_name: str) -> str | None:
        """Return the name of the runner that has a workflow, or None."""
        policy = self.policy(workflow_name)
        return None if policy is None else policy.runner

    def source_refusal(self, source: str, org_id: UUID, workflow_name: str, policy: WorkflowPolicy) -> str | None:
        """Return why what a source reports of a workflow is not healed, or None; `policy` is the workflow's."""
        return _memoize(
            self._refusals,
            (source, org_id, workflow_name),
            lambda: source_refusal(self.sources, source, org_id, workflow_name, policy),
        )


def _memoize(known: dict[KeyT, ValueT], key: KeyT, find: Callable[[], ValueT]) -> ValueT:
    """Memoize pattern matches by name: a catalog has many patterns, and the names come again and again."""
    if key not in known:
        if len(known) >= _CACHE_SIZE:
            known.clear()  # publishers choose the names: the cache is bounded, whatever they send
        known[key] = find()
    return known[key]


def parse_catalog(text: str, name: str = "catalog", read: Callable[[str], str] | None = None) -> Catalog:
    """Parse a catalog; `read` returns the text of a file that it names, by its path relative to the catalog's own.

    Raises
    ------
    ConfigError
        With the line of each error, and what was expected there.

    """
    files = SchemaFiles(read=read) if read is not None else None
    root, value = read_yaml(text, name)
    if not isinstance(value, dict):
        raise ConfigError(f"{name}:1: a catalog is a mapping that begins with `version: 1`")
    try:
        document = _Document.model_validate(value, context=files)
    except ValidationError as error:
        raise ConfigError("; ".join(faults_in_words(error, root, name, _Document))) from error
    undeclared = [f"{place_of(root, path, name)}: {why}" for path, why in _undeclared_references(document)]
    if undeclared:
        raise ConfigError("; ".join(undeclared))
    unbound = missing_bindings(document.sources, document.secrets, document.workflows)
    unused = unused_entries(document.sources, document.workflows, document.secrets)
    named = files.texts if files is not None else {}
    version = hashlib.sha256("\0".join((text, *named.values())).encode()).hexdigest()[:12]
    return Catalog(
        version=version,
        sources=document.sources,
        workflows=tuple(
            policy.with_declared(document.dependencies, document.billing).with_actions(document.actions)
            for policy in document.workflows
        ),
        secrets=dict(document.secrets),
        runners=dict(document.runners),
        media_stores=dict(document.media_stores),
        generators=dict(document.generators),
        topics={one.topic: one for one in document.topics},
        files=tuple(named),
        unbound=tuple(f"{place_of(root, path, name)}: {why}" for path, why in unbound),
        unused=tuple(f"{place_of(root, path, name)}: {why}" for path, why in unused),
    )


def _undeclared_references(document: _Document) -> Iterator[tuple[tuple[int | str, ...], str]]:
    for index, policy in enumerate(document.workflows):
        for place, secret in enumerate(policy.secrets):
            if secret not in document.secrets:
                yield ("workflows", index, "secrets", place), _undeclared("secrets", secret, document.secrets)
        for name, chosen, block in (
            ("runner", policy.runner, document.runners),
            ("media_store", policy.media_store, document.media_stores),
        ):
            if chosen is not None and chosen not in block:
                yield ("workflows", index, name), _undeclared(f"{name}s", chosen, block)
        for step, rule in policy.steps.items():
            named = rule.read_back.secrets if rule.read_back is not None else frozenset()
            for secret in sorted(named - set(document.secrets)):
                yield ("workflows", index, "steps", step), _undeclared("secrets", secret, document.secrets, "secret://")
    topics = [one.topic for one in document.topics]
    for index, topic in enumerate(topics):
        if topic in topics[:index]:
            yield ("topics", index, "topic"), f"{topic} is declared twice: a topic has one format"
    yield from _undeclared_names(document)
    yield from _unwatchable(document)
    yield from _undeclared_actions(document)
    yield from _undeclared_generators(document)
    yield from _undeclared_secrets(document)


def _undeclared_names(document: _Document) -> Iterator[tuple[tuple[int | str, ...], str]]:
    for index, policy in enumerate(document.workflows):
        for block, names, declared in (
            ("dependencies", policy.dependencies, document.dependencies.keys()),
            ("billing", policy.billing, document.billing.keys()),
        ):
            for place, name in enumerate(names):
                if name not in declared:
                    yield ("workflows", index, block, place), _undeclared(block, name, declared)


def _unwatchable(document: _Document) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Yield watched workflows that another runner has, and organisations for which the watch may not speak."""
    for name, runner in document.runners.items():
        watch = getattr(runner, "watch", None)
        for place, watched in enumerate(watch.workflows if isinstance(watch, RunnerWatch) else ()):
            at = ("runners", name, "watch", "workflows", place)
            entry = next((one for one in document.workflows if fnmatchcase(watched.name, one.name)), None)
            if entry is None or entry.runner != name:
                yield at, f"the entry of {watched.name} under `workflows:` has no `runner: {name}`"
            source = watch_source(name)
            spoken = (one for one in document.sources if fnmatchcase(source, one.source))
            if not any(among(watched.organisation, one.organisations) for one in spoken):
                yield at, f"no source {source} may speak for organisation {watched.organisation}: add it to `sources:`"


def _undeclared_secrets(document: _Document) -> Iterator[tuple[tuple[int | str, ...], str]]:
    for index, policy in enumerate(document.workflows):
        for secret in sorted(policy.agent.secrets - set(document.secrets)) if policy.agent is not None else ():
            yield (
                ("workflows", index, "agent", "headers"),
                _undeclared("secrets", secret, document.secrets, "secret://"),
            )
    for block, named in (
        ("runners", {name: one.secrets for name, one in document.runners.items()}),
        ("media_stores", {name: one.secrets for name, one in document.media_stores.items()}),
        ("dependencies", {name: one.secrets for name, one in document.dependencies.items()}),
        ("billing", {name: one.secrets for name, one in document.billing.items()}),
        ("generators", {name: one.secrets for name, one in document.generators.items()}),
        ("actions", {name: one.secrets for name, one in document.actions.items()}),
    ):
        for name, secrets in named.items():
            for secret in sorted(secrets - set(document.secrets)):
                yield (block, name), _undeclared("secrets", secret, document.secrets, "secret://")


def _undeclared_actions(document: _Document) -> Iterator[tuple[tuple[int | str, ...], str]]:
    for index, policy in enumerate(document.workflows):
        for kind, whole in policy.ladders.items():
            for place, rung in enumerate(whole):
                if not isinstance(rung, ActionName):
                    continue
                declared, at = document.actions.get(rung.action), ("workflows", index, "ladders", kind, place)
                if declared is None:
                    yield at, _undeclared("actions", rung.action, document.actions)
                elif not declared.heals and place == len(whole) - 1:
                    yield at, f"{rung} heals nothing by itself (`heals`): a rung has to come after it"
        for rung in policy.rungs:
            if isinstance(rung, ActionName) and rung not in policy.named_actions:
                yield ("workflows", index, "rungs", rung), f"{rung} stands on none of the entry's `ladders`"


def _undeclared_generators(document: _Document) -> Iterator[tuple[tuple[int | str, ...], str]]:
    for index, policy in enumerate(document.workflows):
        for place, generator in enumerate(policy.generators):
            if generator not in document.generators:
                yield (
                    ("workflows", index, "generators", place),
                    _undeclared("generators", generator, document.generators),
                )
    for name, maker in document.generators.items():
        for place, successor in enumerate(maker.successors):
            if successor not in document.generators:
                yield (
                    ("generators", name, "successors", place),
                    _undeclared("generators", successor, document.generators),
                )
            elif document.generators[successor].makes != maker.makes:
                yield ("generators", name, "successors", place), f"{successor} makes no {maker.makes}"


def _undeclared(block: str, name: str, declared: Collection[str], scheme: str = "") -> str:
    return f"{scheme}{name} is not declared under `{block}:`{did_you_mean(name, declared)}"
