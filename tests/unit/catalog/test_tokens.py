"""Tokens in the catalog: what cannot work is found when the catalog is read, with its line."""

import pytest

from consumer.catalog import AirflowRunner, ConductorRunner, MaosRunner, parse_catalog
from consumer.catalog.runners.token import form_of
from consumer.errors import ConfigError

AUTH = "https://airflow.example.com/auth/token"
BODY = "{username: healer, password: secret://AIRFLOW}"
GOOD = """\
version: 1
secrets:
  AIRFLOW: {env: AIRFLOW, hosts: [airflow.example.com], methods: [POST], paths: [/auth/token], body: true}
  CLIENT: {env: CLIENT, hosts: [id.example.com], methods: [POST], paths: [/token], body: true}
runners:
  dags:
    kind: airflow
    api: https://airflow.example.com/api/v2
    headers: {x-team: heal}
    dag: "team_{workflow_name}"
    inputs:
      "team_orders.load*": {task: extract}
    token:
      by: login
      url: https://airflow.example.com/auth/token
      body: {username: healer, password: secret://AIRFLOW}
  flows:
    kind: conductor
    api: https://conductor.example.com/api
    token:
      by: client_credentials
      url: https://id.example.com/token
      client_id: healer
      client_secret: secret://CLIENT
      audience: conductor
  platform:
    kind: maos
    look:
      url: "https://maos.example.com/runs/{run.id}"
    rerun_step:
      url: "https://maos.example.com/runs/{run.id}/steps/{run.step}/rerun"
      body: {input: "{payload}"}
      effect: conditional
workflows:
  - name: "orders.*"
    runner: dags
    secrets: [AIRFLOW]
"""


def test_a_good_one_is_read_whole() -> None:
    catalog = parse_catalog(GOOD)
    dags, flows, platform = (catalog.runners[name] for name in ("dags", "flows", "platform"))
    assert isinstance(dags, AirflowRunner)
    assert dags.secrets == {"AIRFLOW"}
    assert dags.dag_id("orders") == "team_orders"
    found = dags.input_of("team_orders", "load[3]")
    assert found is not None
    assert (found.task, found.key) == ("extract", "return_value")
    assert dags.input_of("team_orders", "ship") is None
    assert isinstance(flows, ConductorRunner)
    assert flows.secrets == {"CLIENT"}
    assert isinstance(platform, MaosRunner)
    assert not catalog.unbound


def line_of(text: str) -> int:
    return next(n for n, line in enumerate(GOOD.splitlines(), 1) if text in line)


@pytest.mark.parametrize(
    ("there", "becomes", "says"),
    [
        (f"url: {AUTH}", 'url: "https://airflow.example.com/{run.id}"', "without values"),
        (f"url: {AUTH}", "url: ftp://airflow.example.com/token", "http(s)"),
        ("url: https://id.example.com/token", "url: https://id.example.com/token?a=b", "query"),
        (BODY, "{username: healer, password: my secret://AIRFLOW}", "whole"),
        (BODY, '{"secret://AIRFLOW": x}', "whole"),
        (BODY, "{}", "must not be empty"),
        ("client_secret: secret://CLIENT", "client_secret: hunter2", "of the form"),
        ("client_id: healer", "client_id: secret://CLIENT", "only `client_secret`"),
        ("by: login", "by: magic", "`by` has to be one of"),
        ("headers: {x-team: heal}", "headers: {Authorization: Basic x}", "another use"),
        ('dag: "team_{workflow_name}"', 'dag: "{run.id}"', "only `{workflow_name}`"),
        ('dag: "team_{workflow_name}"', 'dag: "{"', "single"),
        ("{task: extract}", '{task: ""}', "must not be empty"),
        ("audience: conductor", "audiense: conductor", "did you mean `audience`?"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_found(there: str, becomes: str, says: str) -> None:
    assert there in GOOD
    with pytest.raises(ConfigError) as found:
        parse_catalog(GOOD.replace(there, becomes), "c.yaml")
    assert says in str(found.value)


def test_a_secret_that_is_not_declared_is_found_with_its_runner() -> None:
    with pytest.raises(ConfigError) as found:
        parse_catalog(GOOD.replace("  CLIENT: {env", "  OTHER: {env"), "c.yaml")
    assert "secret://CLIENT is not declared" in str(found.value)
    assert f"c.yaml:{line_of('  flows:')}: " in str(found.value)


def test_a_form_keeps_its_references_and_encodes_the_rest() -> None:
    assert form_of({"a b": "c&d", "secret": "secret://X"}) == "a+b=c%26d&secret=secret://X"
