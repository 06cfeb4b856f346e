"""Managers ask people in, change their roles and send them away; everybody has their own account; it is written down."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from dashboard.audit import AuditLog
from dashboard.roles import SCOPES, Role
from tests.dashboard.desk_rig import PASSWORD, Office, send, sign_in
from tests.dashboard.people_rig import call, link_of, quick_hashes

OTHER = "another sentence, longer"


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with quick_hashes():
        yield


@pytest.fixture
def office(office: Office, tmp_path: Path) -> Iterator[Office]:
    audit = AuditLog(tmp_path / "audit.jsonl")
    office.desk = dataclasses.replace(office.desk, audit=audit)
    yield office
    audit.close()


def deeds(office: Office) -> list[tuple[str, str, str, str]]:
    """Return what was done but signing in, the latest first."""
    assert office.desk.audit is not None
    found = office.desk.audit.latest(99)
    return [(each.who, each.what, each.subject, each.detail) for each in found if each.what != "session.start"]


def add(office: Office, login: str, role: Role = Role.VIEWER) -> TestClient:
    office.desk.access.add_operator(login, PASSWORD, SCOPES[role], office.clock())
    browser = office.browser()
    assert sign_in(browser, login, PASSWORD).status_code == 303
    return browser


def test_a_manager_asks_somebody_in_who_chooses_a_password(office: Office) -> None:
    manager, browser = office.signed_in(), office.browser()
    shown = send(manager, "/people/invite", "/people", login="bert", role="operator")
    link = link_of(shown)
    assert "Asked in" in manager.get("/people").text
    page = browser.get(link)
    assert page.status_code == 200
    assert "bert" in page.text
    token = link.partition("=")[2]
    short = send(browser, "/join", link, token=token, password="short")
    assert short.status_code == 422
    assert "too short" in short.text
    assert send(browser, "/join", link, token=token, password=PASSWORD).headers["location"] == "/"
    assert browser.get("/live").status_code == 200
    assert browser.get(link).status_code == 403
    assert deeds(office) == [("bert", "person.join", "bert", ""), ("manager-1", "person.invite", "bert", "operator")]
    assert "token" not in str(deeds(office))


def test_a_link_is_taken_by_whoever_is_signed_in_as_another(office: Office) -> None:
    manager = office.signed_in()
    link = link_of(send(manager, "/people/invite", "/people", login="bert", role="viewer"))
    send(manager, "/join", link, token=link.partition("=")[2], password=PASSWORD)
    assert "bert" in manager.get("/me").text
    assert office.desk.people.one("manager-1", office.clock()).sessions == ()


def test_logins_that_cannot_be(office: Office) -> None:
    manager = office.signed_in()
    for login in ("manager-1", "a b", "", "../x"):
        refused = send(manager, "/people/invite", "/people", login=login, role="viewer")
        assert refused.status_code == 422
        assert "Choose another login" in refused.text
    assert send(manager, "/people/invite", "/people", login="bert", role="king").status_code == 400
    assert deeds(office) == []


def test_the_list_tells_who_was_there(office: Office) -> None:
    manager, bert = office.signed_in(), add(office, "bert")
    send(bert, "/sign-out", "/live")
    row = manager.get("/people").text.partition('href="/people/bert"')[2].partition("</tr>")[0]
    assert "Viewer" in row
    assert "2027" in row  # from the log, for the session has ended
    assert manager.get("/people/nobody").status_code == 404


@pytest.mark.parametrize(
    ("do", "asks", "done"),
    [
        ("role", "→ <b>Auditor</b>", ("person.role", "viewer -> auditor")),
        ("sessions", "Sign bert out everywhere?", ("person.sessions", "1")),
        ("deactivate", "Deactivate bert?", ("person.deactivate", "")),
        ("link", "Make a new link for bert?", ("person.link", "")),
    ],
)
def test_what_is_done_is_asked_about_and_written_down(
    office: Office, do: str, asks: str, done: tuple[str, str]
) -> None:
    manager, bert = office.signed_in(), add(office, "bert")
    confirm = f"/people/bert/confirm?do={do}&role=auditor"
    assert asks in manager.get(confirm).text
    assert deeds(office) == []
    answer = send(manager, f"/people/bert/{do}", confirm, role="auditor")
    assert answer.status_code == (200 if do == "link" else 303)
    assert [deed[1:] for deed in deeds(office)] == [(done[0], "bert", done[1])]
    assert bert.get("/live").status_code == (200 if do == "link" else 303)  # their sessions ended


def test_who_was_deactivated_is_let_in_again(office: Office) -> None:
    manager, bert = office.signed_in(), add(office, "bert")
    send(manager, "/people/bert/deactivate", "/people/bert")
    assert sign_in(bert, "bert", PASSWORD).status_code == 401
    assert "Deactivated" in manager.get("/people").text
    assert send(manager, "/people/bert/link", "/people/bert").status_code == 422
    send(manager, "/people/bert/activate", "/people/bert")
    assert sign_in(bert, "bert", PASSWORD).status_code == 303


def test_the_last_manager_stays(office: Office) -> None:
    manager = office.signed_in()
    for do in ("role", "deactivate"):
        refused = send(manager, f"/people/manager-1/{do}", "/people", role="viewer")
        assert refused.status_code == 409
        assert "nobody else could add people" in refused.text
    assert deeds(office) == []
    assert manager.get("/people").status_code == 200


def test_ones_own_password_and_sessions(office: Office) -> None:
    here, there = add(office, "bert"), office.browser()
    sign_in(there, "bert", PASSWORD)
    assert here.get("/me").text.count("this browser") == 1
    assert send(here, "/me/sessions", "/me").headers["location"] == "/me?done=sessions"
    assert there.get("/live").status_code == 303
    assert here.get("/live").status_code == 200
    sign_in(there, "bert", PASSWORD)
    for old, new, told in ((OTHER, OTHER, "password of now"), (PASSWORD, "short", "too short")):
        refused = send(here, "/me/password", "/me", old=old, new=new)
        assert refused.status_code == 422
        assert told in refused.text
    assert send(here, "/me/password", "/me", old=PASSWORD, new=OTHER).status_code == 303
    assert here.get("/me?done=password").status_code == 200
    assert there.get("/live").status_code == 303
    assert sign_in(there, "bert", OTHER).status_code == 303
    assert [deed[1] for deed in deeds(office)] == ["password.change", "session.others"]


def test_the_password_of_now_is_not_guessed_in_a_session_left_open(office: Office) -> None:
    bert = add(office, "bert")
    tries = [send(bert, "/me/password", "/me", old="x", new=OTHER).status_code for _ in range(11)]
    assert tries[-1] == 429
    assert set(tries[:-1]) == {422}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.AUDITOR])
def test_only_managers_see_and_change_people(office: Office, role: Role) -> None:
    browser = office.signed_in(role)
    for path in ("/people", "/people/x", "/people/x/confirm?do=link", "/v1/desk/people", "/v1/desk/people/x"):
        assert browser.get(path).status_code == 403, path
    for path in ("/people/invite", "/people/x/role", "/people/x/link", "/people/x/deactivate"):
        assert send(browser, path, "/me", login="y", role="manager").status_code == 403, path
    assert call(browser, "/v1/desk/people", {"login": "y", "role": "manager"}).status_code == 403
    for path in ("role", "link", "end-sessions", "deactivate", "activate"):
        assert call(browser, f"/v1/desk/people/x/{path}", {"role": "manager"}).status_code == 403, path
    assert browser.get("/me").status_code == 200
    assert 'href="/people"' not in browser.get("/me").text


def test_another_sites_form_or_script_is_not_heard(office: Office) -> None:
    manager = office.signed_in()
    assert manager.post("/people/invite", data={"csrf": "00", "login": "x", "role": "manager"}).status_code == 403
    assert manager.post("/v1/desk/people", json={"login": "x", "role": "manager"}).status_code == 403
    for path in ("/v1/desk/people/manager-1/end-sessions", "/v1/desk/me/end-sessions"):
        assert manager.post(path, headers={"X-CSRF": "00"}).status_code == 403
    assert manager.post("/v1/desk/me/password", json={"old": PASSWORD, "new": OTHER}).status_code == 403
    assert manager.post("/join", data={"token": "x", "password": PASSWORD}).status_code == 403
    assert deeds(office) == []


def test_programs_do_the_same(office: Office) -> None:
    manager, browser = office.signed_in(), office.browser()
    made = call(manager, "/v1/desk/people", {"login": "bert", "role": "viewer"})
    assert made.status_code == 201
    link = made.json()["link"].removeprefix(office.desk.url)
    send(browser, "/join", link, token=link.partition("=")[2], password=PASSWORD)
    bert = manager.get("/v1/desk/people/bert").json()
    assert (bert["role"], bert["is_active"], bert["has_password"], len(bert["sessions"])) == ("viewer", True, True, 1)
    assert call(manager, "/v1/desk/people/bert/role", {"role": "auditor"}).json()["role"] == "auditor"
    assert call(manager, "/v1/desk/people/bert/deactivate").json()["is_active"] is False
    assert call(manager, "/v1/desk/people/bert/activate").json()["is_active"] is True
    assert call(manager, "/v1/desk/people/bert/end-sessions").json()["sessions"] == []
    assert call(manager, "/v1/desk/people/bert/link").json()["login"] == "bert"
    assert {each["login"] for each in manager.get("/v1/desk/people").json()["items"]} == {"manager-1", "bert"}
    kinds = ["person.link", "person.sessions", "person.activate", "person.deactivate", "person.role", "person.join"]
    assert [deed[1] for deed in deeds(office)] == [*kinds, "person.invite"]


def test_programs_are_told_what_was_wrong(office: Office) -> None:
    manager = office.signed_in()
    for path, given, status in (
        ("/v1/desk/people", {"login": "manager-1", "role": "viewer"}, 422),
        ("/v1/desk/people", {"login": "bert", "role": "king"}, 400),
        ("/v1/desk/people/nobody/link", None, 404),
        ("/v1/desk/people/manager-1/deactivate", None, 409),
        ("/v1/desk/people/manager-1/role", {"role": "viewer"}, 409),
        ("/v1/desk/me/password", {"old": "x", "new": OTHER}, 422),
        ("/v1/desk/me/password", {"old": PASSWORD, "new": "short"}, 422),
    ):
        answer = call(manager, path, given)
        assert answer.status_code == status, path
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_program_has_its_own_account(office: Office) -> None:
    bert, other = add(office, "bert"), office.browser()
    sign_in(other, "bert", PASSWORD)
    me = bert.get("/v1/desk/me").json()
    assert me["rights"] == ["look"]
    assert len(me["person"]["sessions"]) == 2
    ended = bert.post("/v1/desk/me/end-sessions", headers={"X-CSRF": me["csrf"]}).json()
    assert [each["session_id"] for each in ended["person"]["sessions"]] == [me["session_id"]]
    changed = bert.post("/v1/desk/me/password", json={"old": PASSWORD, "new": OTHER}, headers={"X-CSRF": me["csrf"]})
    assert changed.status_code == 204
    assert bert.get("/v1/desk/me").status_code == 200
