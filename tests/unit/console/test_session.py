import time

import pytest

from consumer.console.session import (
    NAME,
    SECURE_NAME,
    form_token,
    is_from_here,
    is_of_session,
    session_cookie,
    session_token,
)

TOKEN = "eyJh.eyJz.c2ln"


def test_a_cookie_comes_back_as_the_token_it_was_made_of() -> None:
    cookie = session_cookie(TOKEN, {"exp": time.time() + 600}, is_secure=False)
    sent = cookie.partition(";")[0]
    assert session_token([(b"cookie", f"other=1; {sent}".encode())]) == TOKEN
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie


def test_over_https_the_cookie_is_this_hosts_alone() -> None:
    cookie = session_cookie(TOKEN, {"exp": time.time() + 600}, is_secure=True)
    assert cookie.startswith(f"{SECURE_NAME}={TOKEN};")
    assert "Secure" in cookie
    assert "Domain" not in cookie


def test_signing_out_has_the_cookie_forgotten() -> None:
    assert "Max-Age=0" in session_cookie("", {}, is_secure=False)


@pytest.mark.parametrize("line", ["", "a=b", f"{NAME}=", f"{NAME}=one; {NAME}=two", f"x{NAME}={TOKEN}"])
def test_no_session_and_two_of_a_name_are_none(line: str) -> None:
    assert session_token([(b"cookie", line.encode())]) == ""


def test_a_form_belongs_to_the_session_it_was_made_for() -> None:
    assert is_of_session(form_token(TOKEN), TOKEN)
    for given, token in ((form_token("other"), TOKEN), ("", TOKEN), (form_token(""), ""), ("ü", TOKEN)):
        assert not is_of_session(given, token)


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "http://a", "host": "a"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"origin": "http://a:8080", "host": "a:8080"}, True),
        ({"origin": "http://b:8080", "host": "a:8080"}, False),
        ({"origin": "null", "host": "null"}, False),
        ({"host": "a"}, False),
        ({}, False),
    ],
)
def test_a_form_is_ours_only_where_the_browser_says_so(headers: dict[str, str], is_ours: bool) -> None:
    assert is_from_here(headers) is is_ours
