"""A secret goes with the calls that its bindings name, and with no other that a server could take for one of them."""

from typing import Any

import pytest

from consumer.catalog import Secret
from consumer.outbound.secret_bindings import unbound_use

AUTH = (("Authorization", "Bearer secret://KEY"),)


def said(target: str, method: str = "GET", sent: tuple[tuple[str, str], ...] = AUTH, **bound: Any) -> str | None:  # noqa: ANN401 - fields of a secret
    fields = {"methods": ("GET",), "paths": ("/v1/orders/*", "/runs/**"), "headers": ("authorization",)} | bound
    return unbound_use(method, target, sent, {"KEY": Secret(env="KEY", **fields)})


@pytest.mark.parametrize(
    "target",
    [
        "/v1/orders/17",
        "/v1/orders/17?expand=lines&_methods=x",
        "/v1/orders/",
        "/runs/a/b/c",
        "/runs/a;v=1/b",
        "/v1/orders/a%20b",
    ],
)
def test_a_call_that_the_bindings_name_carries_it(target: str) -> None:
    assert said(target) is None


@pytest.mark.parametrize(
    "target",
    [
        "/v1/orders", "/v1/orders/17/refund", "/v1/orders2/17", "/V1/orders/17", "/v1/%6frders/17", "/admin", "/", "",
        "/runs/../admin", "/runs/%2e%2e/admin", "/runs/%252e%252e/admin", "/runs/..;/admin", "/runs/a%2f..%2fadmin",
        "/runs/a%5c..%5cadmin", "/runs//admin", "/runs/.", "/v1/orders/%2e", "/runs/%25252525252e%25252525252e/x",
    ],
)  # fmt: skip
def test_another_path_carries_it_not(target: str) -> None:
    assert said(target) is not None


@pytest.mark.parametrize(
    ("bound", "lacks"),
    [({"methods": None}, "`methods`"), ({"paths": None}, "`paths`"), ({"headers": None}, "`headers`")],
    ids=["methods", "paths", "headers"],
)
def test_while_a_binding_is_missing_it_goes_nowhere(bound: dict[str, Any], lacks: str) -> None:
    assert f"add {lacks} to the secret" in (said("/runs/1", **bound) or "")


def test_an_empty_binding_is_none_that_matches() -> None:
    assert said("/runs/1", paths=()) is not None
    assert said("/runs/1", methods=()) is not None
    assert said("/runs/1", headers=()) is not None


@pytest.mark.parametrize("query", ["_method=DELETE", "a=1;_METHOD=put", "x-http-method-override=DELETE", "%5fmethod=x"])
def test_a_query_makes_it_no_other_method(query: str) -> None:
    assert "leave it out" in (said(f"/runs/1?{query}") or "")
    assert said(f"/runs/1?{query}", methods="*") is None


def test_method_and_header_are_the_ones_that_are_listed() -> None:
    assert "with DELETE" in (said("/runs/1", "DELETE") or "")
    assert said("/runs/1", "get") is None
    assert "the header X-Debug" in (said("/runs/1", sent=(*AUTH, ("X-Debug", "secret://KEY"))) or "")
    assert said("/anything/../at/all", "DELETE", (("X", "secret://KEY"),), methods="*", paths="*", headers="*") is None


def test_a_secret_that_is_gone_from_the_catalog_goes_nowhere() -> None:
    assert "not declared" in (unbound_use("GET", "/", AUTH, {}) or "")
    assert unbound_use("GET", "/", (("accept", "*/*"),), {}) is None
