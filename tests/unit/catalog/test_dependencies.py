"""What may be declared of dependencies, which calls lie below one, and what is refused with its line."""

import pytest

from consumer.catalog import parse_catalog
from consumer.catalog.dependencies import find_dependency, rest_below
from consumer.errors import ConfigError

DECLARED = """version: 1
workflows:
- name: '*'
  dependencies: [translate]
dependencies:
  translate:
    url: https://first.example/v1
    health: {url: https://first.example/health}
    contract: {answer: {type: object, required: [text]}}
    candidates:
    - name: second
      url: https://second.example/v1
      probe: {url: https://second.example/health}
"""


@pytest.mark.parametrize(
    ("called", "rest"),
    [
        ("https://first.example/v1", ""),
        ("https://FIRST.example:443/v1/x?q=1", "/x?q=1"),
        ("https://first.example/v1/", "/"),
        ("https://first.example/v12", None),
        ("https://first.example/", None),
        ("http://first.example/v1/x", None),
        ("https://first.example:8443/v1/x", None),
        ("https://other.example/v1/x", None),
        ("https://first.example/v1/../admin", None),
        ("https://first.example/v1/%2e%2e/admin", None),
        ("https://first.example/v1/a%2Fb", None),
        ("https://first.example/v1//x", None),
        ("https://first.example/v1/a\\b", None),
        ("https://me:pw@first.example/v1/x", None),
        ("https://first.example:port/v1/x", None),
    ],
)
def test_what_follows_the_url_of_a_dependency(called: str, rest: str | None) -> None:
    assert rest_below("https://first.example/v1", called) == rest


def test_a_failure_may_name_its_dependency_and_no_other() -> None:
    declared = parse_catalog(DECLARED).workflows[0].replaceable
    request = {"url": "https://first.example/v1/x"}
    assert find_dependency(declared, {"request": request}) is not None
    assert find_dependency(declared, {"request": request, "dependency": {"name": "translate"}}) is not None
    assert find_dependency(declared, {"request": request, "dependency": {"name": "other"}}) is None
    assert find_dependency(declared, {"request": {"url": "https://second.example/v1"}}) is None
    assert find_dependency(declared, {"request": "no object"}) is None


def test_a_changed_dependency_is_another_entry_for_an_approval() -> None:
    changed = DECLARED.replace("https://second.example/v1", "https://third.example/v1")
    assert parse_catalog(DECLARED).workflows[0].digest != parse_catalog(changed).workflows[0].digest


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("dependencies: [translate]", "dependencies: [other]", "4: workflows.0.dependencies.0: other is not declared"),
        ("url: https://first.example/health", "url: https://else.example/health", "goes to another place"),
        ("{type: object, required: [text]}", "{}", "an empty answer would count"),
        ("url: https://first.example/v1", "url: 'https://first.example/{x}'", "without query and places"),
        ("      url: https://second.example/v1\n", "", "either `url`"),
        ("probe: {url: https://second.example/health}", "price_aud: -1", "probe"),
        (
            "url: https://second.example/v1",
            "call: {url: 'https://second.example/{model}', values: {other: /body}}",
            "`{model}`: give its pointer",
        ),
        (
            "url: https://second.example/v1",
            "url: https://second.example/v1\n      answer: {body: '{text}'}",
            "`{text}`: give its pointer",
        ),
        (
            "url: https://second.example/v1",
            "url: https://second.example/v1\n      headers: {authorization: 'Bearer secret://NONE'}",
            "secret://NONE is not declared",
        ),
        ("    candidates:", "    binding: {lease: PT5S}\n    candidates:", "shorter than two probes"),
        ("    candidates:", "    rules: [{regoins: [eu]}]\n    candidates:", "regoins"),
        ("{url: https://first.example/health}", "{url: https://first.example/health, expect: {stauts: 200}}", "stauts"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(was: str, becomes: str, says: str) -> None:
    assert was in DECLARED
    with pytest.raises(ConfigError) as refused:
        parse_catalog(DECLARED.replace(was, becomes, 1))
    assert says in str(refused.value)
