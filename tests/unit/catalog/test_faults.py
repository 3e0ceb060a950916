"""A catalog's mistakes as people make them: each is told on its line, by its place as written, and in words of ours."""

import pytest

from consumer.catalog import parse_catalog
from consumer.errors import ConfigError

WHOLE = """\
version: 1
sources:
  - {source: "urn:a", organisations: "*", workflows: ["w.*"]}
secrets:
  TOK: {env: TOK, hosts: [a.example.com], methods: [GET], paths: [/v1/**], headers: [authorization]}
runners:
  eng:
    kind: http
    rerun_step: {method: POST, url: "https://r.example.com/runs/{run.id}", effect: keyed, key_header: K}
    look: {url: "https://r.example.com/runs/{run.id}", status: /state, phases: {DONE: succeeded}}
workflows:
  - name: w.*
    hosts: [{host: a.example.com}]
    attempts: 3
    backoff: PT5S
    runner: eng
"""
MISTAKES = {
    "version: 1": {
        "version: 2": "1: version: has to be 1",
        "versoin: 1": "1: versoin: no such field here: did you mean `v",
    },
    "sources:": {"source:": "2: source: no such field here: did you mean `sources`?"},
    'organisations: "*"': {
        "organisations: *": '3: not YAML: .*is written in quotes: "\\*"',
        "organisations: [acme]": "3: sources.0.organisations.0: has to be a UUID, such as",
        "organisations: all": "3: sources.0.organisations: has to be \\*, or has to be a list$",
        'organizations: "*"': "3: .*; c.yaml:3: sources.0.organizations: .* did you mean `organisations`?",
    },
    "methods: [GET]": {"methods: [get]": "5: secrets.TOK.methods.0: has to be an HTTP method in capitals"},
    "kind: http": {
        "kind: htpp": "7: runners.eng: `kind` has to be one of .*: did you mean `http`?",
        "timeout: PT1S": "7: runners.eng: `kind` is missing",
    },
    "effect: keyed": {
        "effect: kyed": "9: runners.eng.rerun_step.effect: has to be idempotent, keyed, .*: did you mean `keyed`?",
        "efect: keyed": "9: .*: no such field here: did you mean `effect`?",
    },
    "key_header: K": {"key-header: K": "9: runners.eng.rerun_step.key-header: .* did you mean `key_header`?"},
    "status: /state": {"status: state": "10: runners.eng.look.status: has to be a JSON Pointer, such as /state"},
    "DONE: succeeded": {"DONE: success": "10: runners.eng.look.phases.DONE: has to be queued, .*"},
    "[{host: a.example.com}]": {
        "a.example.com": "13: workflows.0.hosts: has to be a list",
        "[a.example.com]": "13: workflows.0.hosts.0: has to be a mapping such as {host: ...}",
        "[{host: *}]": "13: not YAML: .*is written in quotes",
        "[{host: a.example.com, port: 1}]": "13: workflows.0.hosts.0.port: .* did you mean `ports`?",
        "[{host: a.example.com, addresses: [x]}]": "13: .*addresses.0: has to be a network, such as 10.0.0.0/8$",
        "[{host: a.example.com}": "14: not YAML: .*begun on line 13.*is not closed",
    },
    "    attempts: 3": {
        "    attempts: three": "14: workflows.0.attempts: has to be a whole number",
        "    attempts: 0": "14: workflows.0.attempts: has to be 1 or more",
        "    attempts: 99": "14: workflows.0.attempts: has to be 20 or less",
        "    attempts: {{ n }}": "14: not YAML: .*has no templates",
        "\tattempts: 3": "14: not YAML: .*a tab is no indentation",
        "     attempts: 3": "14: not YAML: .*look at its indentation",
        "    Attempts: 3": "14: workflows.0.Attempts: .* did you mean `attempts`?",
        "    max_attempts: 3": "14: .* did you mean `attempts`?",
        "    allowed: 3": "14: workflows.0.allowed: no such field here$",
    },
    "PT5S": {
        "5s": "15: workflows.0.backoff: has to be a duration: .*: did you mean `PT5S`?",
        "10 min": "15: .* did you mean `PT10M`?",
        "-PT5S": "15: workflows.0.backoff: has to be 0 seconds or more",
    },
    "runner: eng": {"runner: egn": "16: workflows.0.runner: egn is not declared under `runners:`: did you mean `eng`?"},
}


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [(right, wrong, says) for right, cases in MISTAKES.items() for wrong, says in cases.items()],
)
def test_a_mistake_is_told_on_its_line_in_our_words(right: str, wrong: str, says: str) -> None:
    assert right in WHOLE
    with pytest.raises(ConfigError, match=f"c.yaml:{says}".replace("?", "\\?")) as error:
        parse_catalog(WHOLE.replace(right, wrong, 1), "c.yaml")
    for words in ("Input should", "Field required", "valid ", "literal[", "tuple[", "<unicode string>", "Effect."):
        assert words not in str(error.value)


def test_the_whole_is_right() -> None:
    assert parse_catalog(WHOLE, "c.yaml").runner_of("w.a") == "eng"
