"""Two operators answer questions with keys, with real browsers on one queue."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from dashboard.reviews.labelled import read_examples
from dashboard.roles import Role
from tests.dashboard.browser_rig import WIDER, Open, Watched, serious
from tests.dashboard.review_rig import TAKEN, Store, make_clips, question, reviews_at, with_reviews

pytestmark = pytest.mark.browser


@pytest.fixture
def store(watched: Watched, tmp_path: Path) -> Store:
    """A store that asks two questions, the first with the clips of two cameras."""
    watched.cut()
    store = with_reviews(watched.office, tmp_path)
    folder = tmp_path / "clips"
    folder.mkdir()
    now_ns = watched.office.clock()
    store.ask(make_clips(store, folder, question(1, now_ns)), question(2, now_ns))
    watched.serve()
    return store


def is_at(page: Page, place: str) -> None:
    """Wait for a page, and for its scripts to hear keys."""
    expect(page).to_have_url(re.compile(f"{re.escape(place)}$"))
    expect(page.get_by_role("button", name="Keys of this page")).to_be_visible()


def test_two_operators_answer_with_keys(opened: Open, watched: Watched, store: Store, tmp_path: Path) -> None:
    anna, bert = opened(Role.OPERATOR), opened(Role.MANAGER, "phone", color_scheme="dark")
    for page in (anna, bert):
        page.goto(f"{watched.url}/reviews")
        is_at(page, "/reviews")
        assert page.evaluate(WIDER) == 0
        assert serious(page) == []
    anna.keyboard.press("n")
    is_at(anna, "/reviews/review-000001")
    bert.keyboard.press("n")
    is_at(bert, "/reviews/review-000002")  # nobody gets what somebody else has
    expect(anna.locator("desk-player video").first).to_be_visible()
    expect(anna.locator("canvas.before[data-camera]")).to_be_visible()
    anna.keyboard.press("ArrowRight")  # pauses, and goes one picture on
    expect(anna.get_by_role("button", name="Play", exact=True)).to_be_visible()
    anna.reload()
    is_at(anna, "/reviews/review-000001")
    expect(anna.get_by_role("heading", name="What happened?")).to_be_visible()  # it is still hers
    for page in (anna, bert):
        assert page.evaluate(WIDER) == 0
        assert serious(page) == []
    anna.keyboard.press("1")
    is_at(anna, "/reviews")
    expect(anna.get_by_role("button", name="Undo")).to_be_visible()
    anna.keyboard.press("z")
    is_at(anna, "/reviews/review-000001")
    assert store.given == []
    anna.keyboard.press("1")
    is_at(anna, "/reviews")
    reviews_at(watched.office).tend(watched.office.clock() + 11_000_000_000)
    assert [(review, outcome) for review, outcome, _ in store.given] == [("review-000001", TAKEN)]
    (example,) = read_examples(tmp_path / "labelled")
    assert json.loads(example.model_dump_json())["answer"]["sku"] == TAKEN.sku
    assert anna.faults == bert.faults == []  # type: ignore[attr-defined]
