"""Every address of the dashboard, asked by everybody: who may is written down here, and an address that is not fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from dashboard.app import ROUTERS
from dashboard.roles import Role
from tests.dashboard.desk_rig import Office
from tests.dashboard.desk_rig import office as open_office

V, OP, M, A = Role.VIEWER, Role.OPERATOR, Role.MANAGER, Role.AUDITOR
EVERYBODY, DESK, BOOKS, LOG, BOSS = {V, OP, M, A}, {OP, M}, {OP, M, A}, {M, A}, {M}

MAY = {
    **dict.fromkeys(("GET /", "GET /live", "GET /health", "GET /v1/desk/health"), EVERYBODY),
    **dict.fromkeys(("GET /me", "POST /me/password", "POST /me/sessions"), EVERYBODY),
    **dict.fromkeys(("GET /v1/desk/me", "POST /v1/desk/me/end-sessions", "POST /v1/desk/me/password"), EVERYBODY),
    **dict.fromkeys(
        ("GET /stock", "GET /stock/proposals", "GET /stock/sales", "GET /stock/slots/{slot_id}"), EVERYBODY
    ),
    **dict.fromkeys(("GET /v1/desk/stock", "GET /v1/desk/stock.csv"), EVERYBODY),
    **dict.fromkeys(("GET /v1/desk/stock/proposals", "GET /v1/desk/stock/proposals.csv"), EVERYBODY),
    **dict.fromkeys(("GET /v1/desk/stock/sales", "GET /v1/desk/stock/sales.csv"), EVERYBODY),
    **dict.fromkeys(("POST /stock/slots/{slot_id}", "POST /v1/desk/stock/counts"), DESK),
    "GET /v1/desk/stock/webhook": EVERYBODY,
    **dict.fromkeys(("POST /stock/proposals/send", "POST /v1/desk/stock/webhook"), BOSS),
    **dict.fromkeys(("GET /reviews", "GET /reviews/next", "GET /reviews/{review_id}"), DESK),
    **dict.fromkeys(("GET /reviews/clips/{clip_id}/{camera_id}.mp4", "GET /v1/desk/reviews"), DESK),
    **{f"POST /reviews/{{review_id}}/{deed}": DESK for deed in ("answer", "undo", "send", "leave")},
    **dict.fromkeys(("GET /v1/desk/reviews/{review_id}", "POST /v1/desk/reviews/next"), DESK),
    **{f"POST /v1/desk/reviews/{{review_id}}/{deed}": DESK for deed in ("claim", "release", "answer", "undo", "send")},
    **dict.fromkeys(("GET /visits", "GET /visits/{visit_id}", "GET /visits/clips/{clip_id}/{camera_id}.mp4"), BOOKS),
    **dict.fromkeys(("GET /v1/desk/visits", "GET /v1/desk/visits/{visit_id}"), BOOKS),
    **{f"POST /v1/desk/visits/{{visit_id}}/{deed}": DESK for deed in ("refunds", "corrections", "notes")},
    **{f"{how} /visits/{{visit_id}}/{deed}": DESK for how in ("GET", "POST") for deed in ("refund", "correct")},
    **{f"{how} /visits/{{visit_id}}/disputes/{{dispute_id}}": DESK for how in ("GET", "POST")},
    "POST /visits/{visit_id}/notes": DESK,
    **dict.fromkeys(("GET /recordings", "GET /recordings/{name}"), EVERYBODY),
    **dict.fromkeys(("GET /v1/desk/recordings", "GET /v1/desk/recordings/{name}"), EVERYBODY),
    "GET /v1/desk/recordings/{name}/videos/{camera}": EVERYBODY,
    "POST /v1/desk/recordings/{name}/changes": DESK,
    **dict.fromkeys(("POST /recordings", "POST /v1/desk/recordings"), BOSS),
    "GET /v1/desk/recordings/{name}/run": EVERYBODY,
    **dict.fromkeys(("POST /v1/desk/recordings/{name}/run", "POST /v1/desk/recordings/{name}/run/cancel"), DESK),
    **dict.fromkeys(("POST /health/open", "POST /health/close"), BOSS),
    **dict.fromkeys(("GET /people", "POST /people/invite", "GET /people/{login}", "GET /people/{login}/confirm"), BOSS),
    **dict.fromkeys(("POST /people/{login}/{do}", "GET /v1/desk/people", "POST /v1/desk/people"), BOSS),
    "GET /v1/desk/people/{login}": BOSS,
    **{
        f"POST /v1/desk/people/{{login}}/{deed}": BOSS
        for deed in ("link", "role", "end-sessions", "deactivate", "activate")
    },
    **dict.fromkeys(("GET /audit", "GET /audit.csv", "GET /v1/desk/audit"), LOG),
    **dict.fromkeys(("GET /settings", "GET /v1/desk/settings"), LOG),
}
OPEN = {
    *(f"{how} /{page}" for how in ("GET", "POST") for page in ("sign-in", "setup", "join")),
    *("POST /sign-out", "POST /language", "POST /theme", "GET /static/{digest}/{name}", "GET /words.json"),
}


def addresses() -> set[str]:
    """Return all that there is."""
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    return {f"{how} {re.sub(':path', '', route.path)}" for route in routes for how in route.methods}


def test_it_is_written_down_who_may_go_where() -> None:
    assert addresses() == MAY.keys() | OPEN


@pytest.fixture(scope="module")
def browsers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Role | None, TestClient]]:
    """A browser of each role, and one of nobody's."""
    folder: Path = tmp_path_factory.mktemp("desk")
    with open_office(folder) as office:
        found: dict[Role | None, TestClient] = {role: office.signed_in(role) for role in Role}
        found[None] = _stranger(office)
        yield found


def _stranger(office: Office) -> TestClient:
    browser = office.browser()
    browser.get("/sign-in")
    return browser


def asked(browser: TestClient, address: str, csrf: str) -> int:
    """Ask for an address as a page or a program does, of what is not there; return the status."""
    how, _, path = address.partition(" ")
    path = path.replace("{do}", "deactivate").replace("{login}", "nobody-1")
    path = re.sub(r"\{\w+\}", "x1", path)
    if how == "GET":
        return browser.get(path).status_code
    if path.startswith("/v1/"):
        return browser.post(path, json={}, headers={"X-CSRF": csrf}).status_code
    return browser.post(path, data={"csrf": csrf}).status_code


@pytest.mark.parametrize("role", [*Role, None], ids=str)
def test_who_may_go_where(browsers: dict[Role | None, TestClient], role: Role | None) -> None:
    """Who may not is refused before anything is looked for; who may is not, and nothing breaks."""
    browser = browsers[role]
    csrf = "" if role is None else browser.get("/v1/desk/me").json()["csrf"]
    got = {address: asked(browser, address, csrf) for address in sorted(MAY) if "sessions" not in address}
    if role is None:
        refused = {401, 403, 303}  # pages lead to signing in
        assert {address: status for address, status in got.items() if status not in refused} == {}
        return
    wrong = {
        address: status
        for address, status in got.items()
        if (status == 403) is (role in MAY[address]) or status == 401 or status >= 500
    }
    assert wrong == {}


def test_a_command_without_its_token_is_refused(browsers: dict[Role | None, TestClient]) -> None:
    commands = [address for address in sorted(MAY) if address.startswith("POST")]
    assert {address: asked(browsers[M], address, "f" * 64) for address in commands} == dict.fromkeys(commands, 403)
