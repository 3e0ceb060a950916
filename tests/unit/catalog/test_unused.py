"""Entries that do nothing are told with their lines, and only those."""

import pytest

from consumer.catalog import parse_catalog

SOURCE = "- {source: 'urn:a', organisations: '*', workflows: ['a.*']}\n"
BOUND = "hosts: [a.example], methods: [GET], paths: ['/a'], headers: [authorization]"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"sources:\n{SOURCE}{SOURCE}", "4: sources.1: urn:a stands twice"),
        ("workflows:\n- name: a.*\n- name: a.b.*\n", "4: workflows.1: (a.b.*) is never used: a.* stands before it"),
        ("workflows:\n- name: a.*\n- name: a.*\n", "4: workflows.1: (a.*) is never used"),
        (f"secrets:\n  S: {{{BOUND}}}\n", "3: secrets.S: it is read from nowhere"),
        (f"secrets:\n  S: {{env: A, file: /b, {BOUND}}}\n", "3: secrets.S: it is read from the variable A"),
    ],
)
def test_what_does_nothing_is_told(text: str, says: str) -> None:
    catalog = parse_catalog(f"version: 1\n{text}")
    assert len(catalog.unused) == 1
    assert catalog.unused[0].startswith(f"catalog:{says}")


@pytest.mark.parametrize(
    "text",
    [
        f"sources:\n{SOURCE}- {{source: 'urn:a', organisations: '*', workflows: ['b.*']}}\n",
        "workflows:\n- name: a.b.*\n- name: a.*\n",
        "workflows:\n- name: a?\n- name: a*\n",  # the second takes more than the first, whose text it fits
        "workflows:\n- name: '[*]'\n- name: '*'\n",
        f"secrets:\n  S: {{env: A, {BOUND}}}\n  T: {{file: /a, {BOUND}}}\n",
    ],
)
def test_what_does_something_is_not(text: str) -> None:
    assert parse_catalog(f"version: 1\n{text}").unused == ()
