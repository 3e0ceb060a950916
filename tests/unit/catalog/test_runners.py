"""Runners in the catalog: what cannot work is found when the catalog is read, with its line."""

import pytest

from consumer.catalog import HttpRunner, PrefectRunner, parse_catalog
from consumer.errors import ConfigError

GOOD = """\
version: 1
secrets:
  RUNS: {env: RUNS, hosts: [runs.example.com]}
runners:
  orders:
    kind: http
    rerun_step:
      method: POST
      url: "https://runs.example.com/runs/{run.id}/steps/{run.step}/rerun"
      headers:
        authorization: Bearer secret://RUNS
      body:
        input: "{payload}"
        epoch: "{run.epoch}"
      effect: keyed
      key_header: Idempotency-Key
    replace_definition:
      url: https://runs.example.com/definitions
      body:
        document: "{definition}"
    look:
      url: "https://runs.example.com/runs/{run.id}"
      status: /state
      phases:
        COMPLETED: succeeded
    timeout: PT4S
  flows:
    kind: prefect
    api: https://prefect.example.com/api
workflows:
  - name: "orders.*"
    runner: orders
"""


def line_of(text: str) -> int:
    return next(n for n, line in enumerate(GOOD.splitlines(), 1) if text in line)


def test_a_good_one_is_read_whole() -> None:
    catalog = parse_catalog(GOOD)
    orders, flows = catalog.runners["orders"], catalog.runners["flows"]
    assert isinstance(orders, HttpRunner)
    assert isinstance(flows, PrefectRunner)
    assert orders.secrets == {"RUNS"}
    assert list(orders.orders) == ["rerun_step", "replace_definition"]
    policy = catalog.policy("orders.charge")
    assert policy is not None
    assert policy.runner == "orders"


@pytest.mark.parametrize(
    ("place", "becomes", "says"),
    [
        ('url: "https://runs.example.com/runs/{run.id}/steps', 'url: "https://{run.id}/runs/{run.id}/steps', "host"),
        ('url: "https://runs.example.com/runs/{run.id}/steps', 'url: "ftp://runs.example.com/{run.id}/s', "http(s)"),
        ('url: "https://runs.example.com/runs/{run.id}/steps', 'url: "https://u@runs.example.com/{run.id}', "user"),
        ('url: "https://runs.example.com/runs/{run.id}/steps', 'url: "https://runs.example.com/../{run.id}', "`..`"),
        ('url: "https://runs.example.com/runs/{run.id}/steps', 'url: "https://runs.example.com//{run.id}', "empty"),
        ('url: "https://runs.example.com/runs/{run.id}/steps', 'url: "https://runs.example.com/{run.idd}', "run.idd"),
        ('url: "https://runs.example.com/runs/{run.id}/steps', 'url: "https://runs.example.com/{run.id/', "single"),
        ('url: "https://runs.example.com/runs/{run.id}/steps', 'url: "https://r.example.com/{run.id?}', "`?`"),
        ('url: "https://runs.example.com/runs/{run.id}/steps', 'url: "https://r.example.com/{payload}', "document"),
        ('url: "https://runs.example.com/runs/{run.id}/steps', 'url: "https://r.example.com/{run.id}?{key}=', "query"),
        ('url: "https://runs.example.com/runs/{run.id}/steps', 'url: "https://r.example.com/ä/{run.id}', "encode"),
        ('url: "https://runs.example.com/runs/{run.id}/steps', 'url: "https://other.example.com/{run.id}', "one place"),
        ("authorization: Bearer secret://RUNS", "authorization: Bearer secret://{run.id}", "secret's name"),
        ("authorization: Bearer secret://RUNS", "authorization: bärer", "ASCII"),
        ("authorization: Bearer secret://RUNS", "host: evil.example", "connection"),
        ("authorization: Bearer secret://RUNS", 'x-run: "{definition}"', "definition"),
        ('input: "{payload}"', 'input: "to {payload}"', "document"),
        ('input: "{payload}"', 'input: "{paylod}"', "paylod"),
        ('epoch: "{run.epoch}"', 'epoch: "{definition}"', "definition"),
        ('epoch: "{run.epoch}"', 'epoch: "secret://RUNS"', "only a header"),
        ('epoch: "{run.epoch}"', 'epoch: "a {run.epoch?}"', "alone"),
        ('epoch: "{run.epoch}"', '"{run.epoch}": 1', "name"),
        ("effect: keyed", "effect: none", "effect"),
        ("key_header: Idempotency-Key", "key_header: Authorization", "another use"),
        ("key_header: Idempotency-Key", 'key_header: "a b"', "of the form"),
        ("COMPLETED: succeeded", "COMPLETED: well", "succeeded"),
        ("status: /state", "status: state", "JSON Pointer"),
        ("api: https://prefect.example.com/api", 'api: "https://prefect.example.com/{run.id}"', "without values"),
        ("runner: orders", "runner: others", "others is not declared under `runners:`"),
        ("timeout: PT4S", "timeout: PT0S", "has to be more than 0"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_found_with_its_line(place: str, becomes: str, says: str) -> None:
    with pytest.raises(ConfigError) as found:
        parse_catalog(GOOD.replace(place, becomes), "c.yaml")
    assert says in str(found.value)
    assert f"c.yaml:{line_of(place)}: " in str(found.value)


LOOK = GOOD[GOOD.index("    look:") : GOOD.index("    timeout:")]


@pytest.mark.parametrize(
    ("there", "instead", "place", "says"),
    [
        (LOOK, "", "  orders:", "look: is missing"),
        ("      key_header: Idempotency-Key\n", "", "effect: keyed", "`key_header`"),
        ('{run.id}"\n      status', 'all"\n      status', "    look:", "`{run.id}`"),
        ('document: "{definition}"', "document: old", "replace_definition:", "`{definition}`"),
        ("RUNS: {env", "OTHER: {env", "  orders:", "secret://RUNS is not declared"),
    ],
)
def test_what_is_missing_is_found_with_the_line_of_what_lacks_it(
    there: str, instead: str, place: str, says: str
) -> None:
    assert there in GOOD
    with pytest.raises(ConfigError) as found:
        parse_catalog(GOOD.replace(there, instead), "c.yaml")
    assert says in str(found.value)
    assert f"c.yaml:{line_of(place)}: " in str(found.value)


def test_a_deep_fault_in_a_body_has_its_own_line() -> None:
    deep = GOOD.replace('        epoch: "{run.epoch}"', '        a:\n          - b: 1\n          - c: ["{nobody}"]')
    with pytest.raises(ConfigError, match=rf":{line_of('epoch:') + 2}: .*nobody"):
        parse_catalog(deep)
