"""Two operators answer questions, with real browsers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from dashboard.reviews.desk import UNDO_NS
from dashboard.reviews.types import Outcome
from dashboard.roles import Role
from tests.dashboard.browser_rig import WIDER, Open, Watched, serious
from tests.dashboard.review_rig import OTHER, Store, deeds, make_clips, question, with_reviews

pytestmark = pytest.mark.browser

ONE, TWO = "review-000001", "review-000002"
SLOT = "drinks/low/s1"
DRAWN = "() => document.querySelectorAll('.compare canvas[data-camera]').length === 2"
PLAYS = "() => [...document.querySelectorAll('.clips video')].every(each => each.currentTime > 0.2)"
SHOWS = "() => [...document.querySelectorAll('.clips video')].map(each => Math.round(each.currentTime * 1000))"


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.fixture
def store(watched: Watched, tmp_path: Path, videos: Path) -> Store:
    found = with_reviews(watched.office, tmp_path)
    first = make_clips(found, videos, question(1, slot_id=SLOT), pictures=20)
    found.ask(first, dataclasses.replace(make_clips(found, videos, question(2), pictures=20)))
    watched.cut()
    watched.serve()
    return found


def to_queue(page: Page) -> None:
    page.get_by_role("link", name="Reviews").click()
    expect(page.get_by_role("heading", name="Reviews")).to_be_visible()
    hears(page)


def hears(page: Page, url: str = "") -> None:
    """Wait for a page, and until it hears keys."""
    if url:
        expect(page).to_have_url(url)
    expect(page.get_by_role("button", name="Keys of this page")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [("desk", "dark"), ("phone", "light")])
def test_a_question_is_seen_whole(opened: Open, store: Store, width: str, scheme: str) -> None:
    page = opened(Role.OPERATOR, width, color_scheme=scheme)
    to_queue(page)
    expect(page.locator(".queue li")).to_have_count(2)
    assert serious(page) == []
    assert page.evaluate(WIDER) == 0
    page.locator(f"#open-{ONE}").click()
    page.wait_for_function(DRAWN)
    page.wait_for_function(PLAYS)
    page.keyboard.press("o")
    expect(page.locator("#product")).to_be_focused()
    assert serious(page) == []
    assert page.evaluate(WIDER) == 0
    assert page.faults == []  # type: ignore[attr-defined]


@pytest.mark.slow
def test_clips_of_all_cameras_go_in_step_picture_by_picture(opened: Open, store: Store) -> None:
    page = opened(Role.OPERATOR)
    to_queue(page)
    page.keyboard.press("n")
    page.wait_for_function(PLAYS)
    page.wait_for_function(
        "() => (window.past ??= 0, window.past = Math.max(window.past, document.querySelector('desk-player').atMs), document.querySelector('desk-player').atMs < window.past)"
    )  # it begins again
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    slider = page.get_by_role("slider", name="Place in the clip")
    slider.fill("1000")
    page.wait_for_function("() => Math.abs(document.querySelector('.clips video').currentTime - 1) < 0.06")
    page.locator("h1").click()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => Math.abs(document.querySelector('.clips video').currentTime - 1.1) < 0.06")
    first, second = page.evaluate(SHOWS)
    assert abs(first - second) <= 60  # the second camera began 20 ms later
    page.get_by_role("button", name="Camera cam2: show it large").click()
    page.wait_for_function("() => document.querySelector('.before').dataset.camera === 'cam2'")


def test_two_operators_share_a_queue_and_answer_by_key(opened: Open, watched: Watched, store: Store) -> None:
    anna, bert = opened(Role.OPERATOR), opened(Role.MANAGER)
    queue = f"{watched.url}/reviews"
    for page, review_id in ((anna, ONE), (bert, TWO)):
        to_queue(page)
        page.keyboard.press("n")
        hears(page, f"{queue}/{review_id}")
    anna.reload()
    hears(anna)
    bert.keyboard.press("n")
    hears(bert, queue)  # there is no other that nobody has
    bert.goto(f"{queue}/{ONE}")
    expect(bert.get_by_text("Only to look at: open with operator-1.")).to_be_visible()
    anna.keyboard.press("2")
    hears(anna, f"{queue}/{TWO}")
    anna.keyboard.press("z")
    hears(anna, f"{queue}/{ONE}")
    assert store.given == []
    anna.keyboard.press("2")
    hears(anna, f"{queue}/{TWO}")
    watched.office.clock.now_ns += UNDO_NS
    assert store.heard.wait(5)
    expect(bert.get_by_text("This question was closed meanwhile")).to_be_visible()
    anna.keyboard.press("n")
    hears(anna, queue)
    bert.goto(f"{queue}/{TWO}")
    hears(bert)
    bert.keyboard.press("o")
    bert.keyboard.type("ortello-beans")
    bert.keyboard.press("Enter")
    bert.get_by_role("button", name="Send now").click()
    expect(bert.get_by_text("Nothing waits for an answer.")).to_be_visible()
    assert [(each, outcome) for each, outcome, _ in store.given] == [
        (ONE, OTHER),
        (TWO, Outcome("v-1", "ortello-beans", 1)),
    ]
    told = [(who, what, subject) for who, what, subject, _ in deeds(watched.office)]
    assert ("operator-1", "review.undo", ONE) in told
    assert anna.faults == bert.faults == []  # type: ignore[attr-defined]
