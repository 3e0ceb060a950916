"""Sources are believed for their own workflows; an older catalog opens nothing, and is told what it lacks."""

from uuid import UUID

import pytest

from consumer.catalog import Catalog, parse_catalog
from consumer.errors import ConfigError

ORG, OTHER = UUID(int=1), UUID(int=2)
CATALOG = f"""version: 1
sources:
- {{source: 'urn:orders', organisations: '*', workflows: ['orders.*']}}
- {{source: 'urn:orders', organisations: [{ORG}], workflows: [payments.refund]}}
- {{source: 'urn:old', organisations: '*'}}
- {{source: 'urn:all', organisations: '*', workflows: '*'}}
- {{source: 'urn:none', organisations: '*', workflows: []}}
secrets:
  BOUND: {{env: A, hosts: [a.example], methods: [GET], paths: ['/a/*'], headers: [authorization]}}
  HALF: {{env: A, hosts: [a.example], methods: [GET]}}
workflows:
- name: open.*
- name: '*'
  secrets: [BOUND]
"""


def refused(source: str, workflow: str, org_id: UUID = ORG, text: str = CATALOG) -> str | None:
    catalog: Catalog = parse_catalog(text)
    policy = catalog.policy(workflow)
    assert policy is not None
    return catalog.source_refusal(source, org_id, workflow, policy)


@pytest.mark.parametrize(
    ("source", "workflow", "org_id", "believed"),
    [
        ("urn:orders", "orders.sync", ORG, True),
        ("urn:orders", "payments.refund", ORG, True),
        ("urn:orders", "payments.refund", OTHER, False),
        ("urn:orders", "orders", ORG, False),
        ("urn:orders", "open.door", ORG, False),
        ("urn:old", "orders.sync", ORG, False),
        ("urn:old", "open.door", ORG, True),
        ("urn:gone", "orders.sync", ORG, False),
        ("urn:all", "orders.sync", ORG, True),
        ("urn:none", "open.door", ORG, False),
    ],
)
def test_a_source_is_believed_for_its_own_workflows(source: str, workflow: str, org_id: UUID, believed: bool) -> None:
    assert (refused(source, workflow, org_id) is None) is believed


def test_an_older_catalog_is_told_what_to_add_and_where() -> None:
    first, second = parse_catalog(CATALOG).unbound
    assert first.startswith("catalog:5: sources.2: urn:old is bound to no workflows")
    assert second.startswith("catalog:10: secrets.HALF: it is sent nowhere until it is bound: add `paths: ")


def test_without_secrets_nothing_has_to_be_bound() -> None:
    text = "version: 1\nsources: [{source: '*', organisations: '*'}]\nworkflows: [{name: '*'}]\n"
    assert parse_catalog(text).unbound == ()
    assert refused("urn:any", "orders.sync", text=text) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("secrets: {A: {env: A, paths: [orders]}}", "a path begins with `/`"),
        ("secrets: {A: {env: A, methods: [get]}}", "methods"),
        ("secrets: {A: {env: A, headers: ['a b']}}", "headers"),
        (
            "workflows: [{name: a, strategies: [auto-retry], members: [schema-autofix]}]",
            "not among the entry's `strategies`",
        ),
    ],
)
def test_a_binding_that_cannot_be_is_an_error_with_its_line(line: str, said: str) -> None:
    with pytest.raises(ConfigError, match="catalog:2: ") as error:
        parse_catalog(f"version: 1\n{line}\n")
    assert said in str(error.value)
