"""Nothing but signing in is open, and only our own forms are heard."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.routing import Route

from dashboard.app import ROUTERS
from dashboard.desk import SetUp
from dashboard.roles import Role
from dashboard.web import POLICY, SESSION_COOKIE
from tests.dashboard.desk_rig import PASSWORD, Office, csrf_of, office, send, sign_in

OPEN = {"/sign-in", "/setup", "/join", "/static/{digest}/{name}", "/words.json"}


def test_every_page_but_signing_in_asks_who_looks(office: Office) -> None:
    browser = office.browser()
    routes = (route for router in ROUTERS for route in router.routes)
    paths = {route.path for route in routes if isinstance(route, Route) and "GET" in (route.methods or ())}
    assert len(paths) > len(OPEN)
    for path in paths - OPEN:
        answer = browser.get(path)
        if path.startswith("/v1/"):
            assert answer.status_code == 401, path
            assert answer.headers["content-type"] == "application/problem+json"
        else:
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/sign-in?next=")


def test_somebody_signs_in_and_out(office: Office) -> None:
    browser = office.signed_in()
    assert browser.get("/live").status_code == 200
    assert browser.get("/sign-in").headers["location"] == "/"
    assert send(browser, "/sign-out", "/live").status_code == 303
    assert browser.get("/live").status_code == 303


def test_a_session_ends_with_the_day(office: Office) -> None:
    browser = office.signed_in()
    office.clock.now_ns += 13 * 3_600 * 10**9
    assert browser.get("/live").status_code == 303


def test_a_wrong_password_says_little_and_tries_are_few(office: Office) -> None:
    browser = office.browser()
    for _ in range(10):
        answer = sign_in(browser, "anna", "not the password")
        assert answer.status_code == 401
        assert "wrong" in answer.text
    answer = sign_in(browser, "anna", PASSWORD)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/language", "/theme"])
def test_a_form_of_another_site_is_not_heard(office: Office, path: str) -> None:
    browser = office.signed_in()
    assert browser.post(path, data={"login": "x", "password": "y"}).status_code == 403
    assert browser.post(path, data={"csrf": csrf_of(office.browser().get("/sign-in"))}).status_code == 403
    assert browser.get("/live").status_code == 200


def test_cookies_and_headers_keep_others_out(office: Office) -> None:
    browser = office.signed_in()
    answer = browser.get("/live")
    assert answer.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    signed = send(office.browser(), "/sign-in", "/sign-in", login="manager-1", password=PASSWORD)
    (cookie,) = [each for each in signed.headers.get_list("set-cookie") if each.startswith(SESSION_COOKIE)]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert " style=" not in answer.text
    assert "<script>" not in answer.text


def test_after_signing_in_nobody_is_led_elsewhere(office: Office) -> None:
    office.signed_in()
    for path in ("//evil.example", "https://evil.example", "/\\evil.example", "/a b"):
        browser = office.browser()
        answer = send(browser, "/sign-in", "/sign-in", login="manager-1", password=PASSWORD, next=path)
        assert answer.headers["location"] == "/"


def test_the_first_account_is_made_by_a_link_that_works_once(tmp_path: Path) -> None:
    setup = SetUp()
    with office(tmp_path, setup) as found:
        browser = found.browser()
        assert browser.get("/setup?token=guessed").status_code == 403
        link, token = setup.path, setup.path.partition("=")[2]
        short = send(browser, "/setup", link, token=token, login="anna", password="short")
        assert short.status_code == 422
        assert "too short" in short.text
        answer = send(browser, "/setup", link, token=token, login="anna", password=PASSWORD)
        assert answer.headers["location"] == "/"
        assert browser.get("/live").status_code == 200
        assert found.browser().get(link).status_code == 403
        assert setup.path == ""
        assert not setup.is_token("")


def test_a_machines_key_is_no_session(office: Office) -> None:
    key = office.desk.access.add_client("reader", frozenset(), office.clock())
    browser = office.browser()
    browser.cookies.set(SESSION_COOKIE, key)
    assert browser.get("/live").status_code == 303


def test_language_and_theme_are_kept(office: Office) -> None:
    browser = office.signed_in(Role.VIEWER)
    send(browser, "/language", "/live", locale="fr", path="/live")
    send(browser, "/theme", "/live", theme="dark", path="/live")
    page = browser.get("/live").text
    assert '<html lang="fr" data-theme="dark">' in page
    assert "Se déconnecter" in page
    assert browser.get("/words.json").json()["Carts"] == "Paniers"


def test_files_are_kept_by_browsers_and_only_those_there_are(office: Office) -> None:
    browser = office.browser()
    page = browser.get("/sign-in").text
    path = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = browser.get(path)
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert browser.get("/static/000000000000/desk.css").status_code == 404
    assert browser.get(path.replace("desk.css", "..%2fweb.py")).status_code == 404
