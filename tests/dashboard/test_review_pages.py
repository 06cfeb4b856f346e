"""The reviews' pages and their API: who may, what they show, and what is refused."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from dashboard.reviews.desk import UNDO_NS
from dashboard.reviews.labelled import read_examples
from dashboard.reviews.types import Outcome
from dashboard.roles import Role
from tests.dashboard.desk_rig import Office, S, csrf_of, send
from tests.dashboard.review_rig import OTHER, TAKEN, Store, deeds, make_clips, question, reviews_at, with_reviews

ONE, TWO = "review-000001", "review-000002"
API = "/v1/desk/reviews"
READS = ("/reviews", "/reviews/next", f"/reviews/{ONE}", "/reviews/clips/7-i-1/cam1.mp4", API, f"{API}/{ONE}")
COMMANDS = tuple(f"{API}/{ONE}/{what}" for what in ("claim", "release", "answer", "undo", "send"))
FORMS = tuple(f"/reviews/{ONE}/{what}" for what in ("answer", "undo", "send", "leave"))


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for clips that are made once."""
    return tmp_path_factory.mktemp("videos")


@pytest.fixture
def store(office: Office, tmp_path: Path, videos: Path) -> Store:
    found = with_reviews(office, tmp_path)
    found.ask(question(2), make_clips(found, videos, question(1), pictures=5))
    return found


def call(browser: TestClient, path: str, **told: object) -> Response:
    """Send a command as a program does."""
    csrf = browser.get("/v1/desk/me").json()["csrf"]
    return browser.post(path, headers={"X-CSRF": csrf}, json=told or None)


def given(store: Store) -> list[tuple[str, Outcome]]:
    return [(review_id, outcome) for review_id, outcome, _ in store.given]


# -- who may ---------------------------------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
def test_only_who_answers_may_look(office: Office, store: Store, role: Role) -> None:
    browser = office.signed_in(role)
    is_allowed = role in (Role.OPERATOR, Role.MANAGER)
    for path in READS:
        assert (browser.get(path).status_code in (200, 303)) is is_allowed, path
        if not is_allowed:
            assert browser.get(path).status_code == 403, path
    assert ('href="/reviews"' in browser.get("/live").text) is is_allowed
    assert ("<desk-live answers>" in browser.get("/live").text) is is_allowed


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR])
def test_nobody_else_answers(office: Office, store: Store, role: Role) -> None:
    browser = office.signed_in(role)
    for path in FORMS:
        assert send(browser, path, "/live", choice="1").status_code == 403
    for path in (*COMMANDS, f"{API}/next"):
        assert call(browser, path).status_code == 403
    assert reviews_at(office).mine(f"{role}-1") == ()


def test_nobody_who_is_not_signed_in_sees_anything(office: Office, store: Store) -> None:
    browser = office.browser()
    for path in READS:
        assert browser.get(path).status_code == (401 if path.startswith("/v1") else 303), path
    assert browser.get("/v1/desk/me").status_code == 401
    for path in COMMANDS:
        assert browser.post(path).status_code == 401


def test_other_sites_send_nothing(office: Office, store: Store) -> None:
    browser = office.signed_in(Role.OPERATOR)
    for path in FORMS:
        assert browser.post(path, data={"csrf": "00", "choice": "1"}).status_code == 403
    for path in (*COMMANDS, f"{API}/next"):
        assert browser.post(path, headers={"X-CSRF": "00"}).status_code == 403
        assert browser.post(path).json()["type"] == "urn:tillfree:not-allowed"
    assert reviews_at(office).mine("operator-1") == ()


def test_without_a_store_that_runs_there_are_no_reviews(office: Office) -> None:
    browser = office.signed_in(Role.OPERATOR)
    for path in READS:
        assert browser.get(path).status_code == 404, path
    assert 'href="/reviews"' not in browser.get("/live").text


# -- pages without scripts ---------------------------------------------------------------


def test_the_queue_says_what_is_asked_and_who_has_it(office: Office, store: Store) -> None:
    browser = office.signed_in(Role.OPERATOR)
    reviews_at(office).claim(TWO, "bert", office.clock())
    page = browser.get("/reviews").text
    assert page.index(ONE) < page.index(TWO)
    assert "open with bert" in page
    assert "taken by visit 1" in page
    assert "27 s" in page
    part = browser.get("/reviews", headers={"X-Fragment": "1"}).text
    assert ONE in part
    assert "<html" not in part
    assert re.search(r"Reviews</span><span[^>]*>2<", page)


def test_a_question_is_answered_and_the_next_one_opens(office: Office, store: Store) -> None:
    browser = office.signed_in(Role.OPERATOR)
    assert browser.get("/reviews/next").headers["location"] == f"/reviews/{ONE}"
    page = browser.get(f"/reviews/{ONE}").text
    for text in ("taken by visit 2", "60 %", "/reviews/clips/7-i-1/cam2.mp4", "asked about", "2 × "):
        assert text in page
    answered = send(browser, f"/reviews/{ONE}/answer", f"/reviews/{ONE}", choice="2")
    assert answered.headers["location"] == "/reviews/next"
    assert browser.get("/reviews/next").headers["location"] == f"/reviews/{TWO}"
    assert "Undo" in browser.get(f"/reviews/{TWO}").text
    send(browser, f"/reviews/{TWO}/answer", f"/reviews/{TWO}", choice="0")
    assert browser.get("/reviews/next").headers["location"] == "/reviews"
    office.clock.now_ns += UNDO_NS
    reviews_at(office).tend(office.clock())
    assert given(store) == [(ONE, OTHER), (TWO, Outcome())]
    assert [each.answered_by for each in read_examples(reviews_at(office).labelled)] == ["operator-1", "operator-1"]
    assert "Nothing waits" in browser.get("/reviews").text


def test_another_product_or_shopper_is_typed(office: Office, store: Store) -> None:
    browser = office.signed_in(Role.OPERATOR)
    answers = (
        ({"visit": "v-3", "product": "ortello-beans"}, Outcome("v-3", "ortello-beans", 1)),
        ({"visit": "-", "product": "ortello beans, 400 g", "count": "2"}, Outcome(None, "ortello-beans", 2)),
        ({"visit": "v-1", "product": "o Beans", "direction": "put"}, Outcome("v-1", "ortello-beans", -1)),
    )
    for typed, outcome in answers:  # each in place of the last
        assert send(browser, f"/reviews/{ONE}/answer", f"/reviews/{ONE}", **typed).status_code == 303
        (pending,) = reviews_at(office).mine("operator-1")
        assert pending.example.answer.outcome == outcome
    reviews_at(office).send(ONE, "operator-1", office.clock())
    assert given(store) == [(ONE, answers[-1][1])]


def test_what_cannot_be_is_told_and_can_be_mended(office: Office, store: Store) -> None:
    browser = office.signed_in(Role.OPERATOR)
    wrong: tuple[dict[str, str], ...] = (
        {},
        {"choice": "7"},
        {"product": "no such thing"},
        {"product": "fizzo"},
        {"product": "ortello-beans", "count": "0"},
        {"product": "ortello-beans", "direction": "eat"},
        {"product": "ortello-beans", "visit": "v-9"},
        {"product": "<script>alert(1)</script>"},
    )
    for typed in wrong:
        refused = send(browser, f"/reviews/{ONE}/answer", f"/reviews/{ONE}", **typed)
        assert refused.status_code == 422
        assert "That cannot be" in refused.text
        assert f'value="{escape(typed.get("product", ""))}"' in refused.text
        assert "<script>alert" not in refused.text
    assert reviews_at(office).mine("operator-1") == ()


def test_an_answer_is_taken_back_and_it_is_written_down(office: Office, store: Store) -> None:
    browser = office.signed_in(Role.OPERATOR)
    send(browser, f"/reviews/{ONE}/answer", f"/reviews/{ONE}", choice="1")
    assert send(browser, f"/reviews/{ONE}/undo", "/reviews").headers["location"] == f"/reviews/{ONE}"
    office.clock.now_ns += UNDO_NS
    reviews_at(office).tend(office.clock())
    assert given(store) == []
    assert deeds(office) == [
        ("operator-1", "review.undo", ONE, "took 1 fizzo-cherry, v-1"),
        ("operator-1", "review.answer", ONE, "took 1 fizzo-cherry, v-1"),
    ]
    assert send(browser, f"/reviews/{ONE}/undo", "/reviews").headers["location"] == "/reviews?told=sent"
    assert "cannot be taken back" in browser.get("/reviews?told=sent").text


def test_what_another_has_can_be_looked_at_alone(office: Office, store: Store) -> None:
    browser = office.signed_in(Role.OPERATOR)
    reviews_at(office).claim(ONE, "bert", office.clock())
    page = browser.get(f"/reviews/{ONE}").text
    assert "Only to look at: open with bert." in page
    assert 'name="choice"' not in page
    taken = send(browser, f"/reviews/{ONE}/answer", f"/reviews/{ONE}", choice="1")
    assert taken.headers["location"] == "/reviews?told=taken"
    reviews_at(office).answer(ONE, TAKEN, "bert", office.clock())
    assert "answered by bert" in browser.get(f"/reviews/{ONE}").text


def test_a_question_that_is_closed_is_said_to_be(office: Office, store: Store) -> None:
    browser = office.signed_in(Role.OPERATOR)
    closed = browser.get("/reviews/review-000009")
    assert closed.status_code == 404
    assert "This question is closed" in closed.text
    gone = send(browser, "/reviews/review-000009/answer", "/reviews", choice="1")
    assert gone.headers["location"] == "/reviews?told=closed"


def test_a_page_that_goes_frees_its_question(office: Office, store: Store) -> None:
    browser = office.signed_in(Role.OPERATOR)
    assert send(browser, f"/reviews/{ONE}/leave", f"/reviews/{ONE}").status_code == 204
    office.clock.now_ns += 4 * S
    assert reviews_at(office).look(ONE, office.clock()).holder is None


def test_answers_that_cannot_be_kept_are_refused_politely(office: Office, store: Store, tmp_path: Path) -> None:
    browser = office.signed_in(Role.OPERATOR)
    (tmp_path / "answers.json.part").mkdir()
    assert send(browser, f"/reviews/{ONE}/answer", f"/reviews/{ONE}", choice="1").status_code == 503
    assert call(browser, f"{API}/{ONE}/answer", choice=1).status_code == 503


# -- clips ----------------------------------------------------------------------------------


def test_clips_are_served_in_parts_and_kept_by_nobody(office: Office, store: Store) -> None:
    browser = office.signed_in(Role.OPERATOR)
    url, data = "/reviews/clips/7-i-1/cam1.mp4", store.files["7-i-1", "cam1"].read_bytes()
    whole = browser.get(url)
    assert whole.content == data
    assert whole.headers["cache-control"] == "private, no-store"
    assert whole.headers["content-type"] == "video/mp4"
    part = browser.get(url, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, data[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(data)}"
    assert browser.get(url, headers={"Range": "bytes=99999999-"}).status_code == 416


def test_no_other_file_is_served(office: Office, store: Store) -> None:
    browser = office.signed_in(Role.OPERATOR)
    paths = ("7-i-1/cam9.mp4", "8-i-1/cam1.mp4", "../answers.json", "%2e%2e/cam1.mp4", "7-i-1/..%2f..%2fanswers.mp4")
    for path in (*paths, "7-i-1/cam1.json"):
        assert browser.get(f"/reviews/clips/{path}").status_code == 404, path
    store.files["7-i-1", "cam1"] = store.files["7-i-1", "cam1"].with_name("gone.mp4")  # retention was quicker
    assert browser.get("/reviews/clips/7-i-1/cam1.mp4").status_code == 404


# -- the API --------------------------------------------------------------------------------


def test_a_program_answers_as_a_page_does(office: Office, store: Store) -> None:
    browser = office.signed_in(Role.OPERATOR)
    session = browser.get("/v1/desk/me").json()
    assert (session["person"]["login"], session["rights"]) == ("operator-1", ["answer", "count", "look"])
    items = browser.get(API).json()["items"]
    assert [each["review_id"] for each in items] == [ONE, TWO]
    assert items[0]["clips"][0]["url"] == "/reviews/clips/7-i-1/cam1.mp4"
    claimed = call(browser, f"{API}/next").json()["review"]
    assert (claimed["review_id"], claimed["claimed_by"], claimed["due_s"]) == (ONE, "operator-1", 27.0)
    taken = call(browser, f"{API}/{ONE}/answer", choice=2)
    assert (taken.status_code, taken.json()["undo_s"]) == (202, 10.0)
    assert browser.get(f"{API}/{ONE}").json()["pending"]["answer"] == {
        "visit_id": "v-2",
        "sku": "fizzo-cherry",
        "quantity": 1,
    }
    assert call(browser, f"{API}/{ONE}/undo").json()["claimed_by"] == "operator-1"
    assert call(browser, f"{API}/{ONE}/answer", visit_id="v-1", sku="ortello-beans", quantity=-1).status_code == 202
    assert call(browser, f"{API}/{ONE}/send").status_code == 204
    assert given(store) == [(ONE, Outcome("v-1", "ortello-beans", -1))]
    assert call(browser, f"{API}/{TWO}/claim").status_code == 200
    assert call(browser, f"{API}/{TWO}/release").status_code == 204
    assert browser.get(f"{API}/{TWO}").json()["claimed_by"] is None
    assert call(browser, f"{API}/{TWO}/answer").status_code == 400  # no body
    assert call(browser, f"{API}/next").json()["review"]["review_id"] == TWO


def test_what_is_refused_is_a_problem(office: Office, store: Store) -> None:
    browser = office.signed_in(Role.OPERATOR)
    reviews_at(office).claim(TWO, "bert", office.clock())
    refusals: tuple[tuple[str, dict[str, object], int, str], ...] = (
        ("review-000009/claim", {}, 404, "not-found"),
        ("review-000009/answer", {"choice": 1}, 404, "not-found"),
        ("review-000001/undo", {}, 404, "not-found"),
        ("review-000001/send", {}, 404, "not-found"),
        ("review-000001/answer", {"choice": 9}, 422, "refused"),
        ("review-000001/answer", {"choice": 1, "sku": "fizzo-cherry"}, 422, "refused"),
        ("review-000001/answer", {"visit_id": "v-9", "sku": "fizzo-cherry", "quantity": 1}, 422, "refused"),
        ("review-000001/answer", {"what": 1}, 400, "bad-request"),
        ("review-000002/claim", {}, 409, "in-conflict"),
        ("review-000002/answer", {"choice": 1}, 409, "in-conflict"),
        ("x" * 200 + "/claim", {}, 404, "not-found"),
        ("..%2f..%2fetc/claim", {}, 404, "not-found"),
    )
    for path, told, status, kind in refusals:
        refused = call(browser, f"{API}/{path}", **told)
        assert refused.status_code == status, path
        assert refused.headers["content-type"] == "application/problem+json"
        assert (refused.json()["type"], refused.json()["status"]) == (f"urn:tillfree:{kind}", status)


def test_csrf_of_pages_and_programs_is_the_same(office: Office, store: Store) -> None:
    browser = office.signed_in(Role.OPERATOR)
    assert browser.get("/v1/desk/me").json()["csrf"] == csrf_of(browser.get("/reviews"))
