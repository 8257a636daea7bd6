"""Only the operator, at the console's own pages, can look or act."""

from __future__ import annotations

import re

import pytest
from starlette.routing import Route

from spillway.operate.console.serving import application
from tests.spillway.operate.console.builders import ORIGIN, PORT, a_state, browser, status

ACTIONS = sorted(
    route.path.replace("{name}", "inventory").replace("{order_id}", "some-order")
    for route in application(a_state(), port=PORT).routes
    if isinstance(route, Route) and route.methods == {"POST"}
)


def test_there_are_actions_to_guard() -> None:
    assert len(ACTIONS) == 9


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8090", "127.0.0.1:9999", ""])
def test_a_name_that_was_made_to_point_here_is_another_host(host: str) -> None:
    answer = browser(a_state()).get("/", headers={"host": host})
    assert answer.status_code == 403
    assert "127.0.0.1:8090" in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:8090", "localhost:8090"])
def test_this_machine_is_answered(host: str) -> None:
    assert browser(a_state()).get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("path", ACTIONS)
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "http://127.0.0.1:8080", "sec-fetch-site": "same-site"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "", "sec-fetch-site": "none"},
        {"origin": ORIGIN, "sec-fetch-site": "cross-site"},
    ],
    ids=["elsewhere", "another port", "sandboxed", "no origin", "a lie"],
)
def test_no_other_page_can_act(path: str, headers: dict[str, str]) -> None:
    state = a_state()
    answer = browser(state).post(path, data={"token": state.token}, headers=headers)
    assert answer.status_code == 403
    assert "own pages" in answer.text


@pytest.mark.parametrize("path", ACTIONS)
@pytest.mark.parametrize("token", ["", "guessed"])
def test_an_action_needs_this_process_s_token(path: str, token: str) -> None:
    answer = browser(a_state()).post(path, data={"token": token})
    assert answer.status_code == 403
    assert "reload" in answer.text


@pytest.mark.parametrize("path", ACTIONS)
def test_nothing_is_changed_by_a_link(path: str) -> None:
    assert browser(a_state()).get(path).status_code != 200


def test_a_form_that_is_too_long_is_none_of_ours() -> None:
    state = a_state()
    form = {"token": state.token, "more": "x" * 200_000}
    assert browser(state).post("/orders/find", data=form).status_code == 403


@pytest.mark.parametrize("path", ["/", "/events", "/charts/data?range=1h", "/static/console.js"])
def test_another_page_can_not_look(path: str) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert browser(a_state()).get(path, headers=headers).status_code == 403


def test_another_page_may_link_here() -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert browser(a_state()).get("/", headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/", "/nowhere", "/static/console.css", "/orders/find"])
def test_every_answer_forbids_what_no_page_of_ours_needs(path: str) -> None:
    headers = browser(a_state()).get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_no_page_has_script_or_style_of_its_own() -> None:
    client = browser(a_state(status()))
    for path in ("/", "/dead-letters", "/nowhere"):
        page = client.get(path).text
        assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", page) == []


def test_on_aws_the_address_carries_a_key() -> None:
    client = browser(a_state(), key="secret")
    refused = client.get("/")
    assert refused.status_code == 401
    assert "spillway console" in refused.text
    assert client.get("/?key=guessed").status_code == 401
    entered = client.get("/?key=secret")
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/").status_code == 200


def test_a_key_opens_no_door_to_other_pages() -> None:
    state = a_state()
    client = browser(state, key="secret")
    client.get("/?key=secret")
    headers = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    answer = client.post("/orders/find", data={"token": state.token}, headers=headers)
    assert answer.status_code == 403
