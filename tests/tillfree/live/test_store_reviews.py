"""A review of a store that runs, answered on its dashboard as a browser does it, reaches the cart and the receipt."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

import httpx2
import pytest

from billing.access import Access
from billing.store import BillingStore
from checkout.types import CartLine, ReceiptFinalised, ReviewClosed, ShelvesUnseen
from dashboard.reviews.labelled import read_examples
from dashboard.roles import SCOPES, Role
from tests.tillfree.live.walking_store import WalkingStore, free_port
from tillfree.live.books import DATABASE
from tillfree.live.history import restored_events
from tillfree.live.loop import LiveParts, LiveState, StoreLoop

T = TypeVar("T")
PASSWORD = "a sentence that is long"
REVIEWS = "/v1/desk/reviews"
FRAMES = 80
MANY = 7
"""More than pictures that brighten seem to take."""

pytestmark = pytest.mark.slow


def until(found: Callable[[], T | None], wait_s: float = 20.0) -> T:
    """Return what is found once it is there."""
    pause = Event()
    for _ in range(round(wait_s / 0.02)):
        if (result := found()) is not None:
            return result
        pause.wait(0.02)
    raise AssertionError("it did not come")


def held(lines: Iterable[CartLine], sku: str) -> int:
    """Return how many of a product there are."""
    return sum(line.quantity for line in lines if line.sku == sku)


def signed_in(url: str) -> httpx2.Client:
    """Return a browser's connection, with the header that commands need."""
    client = httpx2.Client(base_url=url, follow_redirects=True)
    csrf = re.search(r'name="csrf" value="([0-9a-f]+)"', client.get("/sign-in").text)
    assert csrf is not None
    client.post("/sign-in", data={"csrf": csrf[1], "login": "anna", "password": PASSWORD})
    client.headers["X-CSRF"] = client.get("/v1/desk/me").json()["csrf"]
    return client


@pytest.fixture
def store(
    tmp_path: Path, write_tiny_recording: Any, write_video: Any, edit_yaml: Any, waits_for_no_disk: None
) -> WalkingStore:
    made = WalkingStore(tmp_path, write_tiny_recording, write_video, edit_yaml, frames=FRAMES)
    edit_yaml(made.file, dashboard={"port": free_port()})
    return made


def asked(store: WalkingStore, act: Callable[[httpx2.Client, LiveParts, dict[str, Any]], Any], *, stops: bool) -> Any:
    """Run the store, let ``act`` do something about the first question, and return what it returned.

    The store ends then, if it ``stops``, or with its recording, when all visits end.
    """
    stopped, is_asked = Event(), []
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        parts = store.open(stack, speed=1.0)
        with closing(BillingStore(store.config().data_dir / DATABASE)) as books:
            Access(books).add_operator("anna", PASSWORD, SCOPES[Role.OPERATOR], parts.clock())
        entry = store.config().dashboard
        assert entry is not None

        def ask(state: LiveState) -> None:
            visits = tuple(visit.visit_id for visit in state.view.visits)
            if visits and not is_asked:
                is_asked.append(True)
                parts.run.unseen(ShelvesUnseen(state.view.at_ns - 10**9, state.view.at_ns, visits))

        def operate() -> Any:
            try:
                with closing(signed_in(f"http://127.0.0.1:{entry.port}")) as client:
                    (found,) = until(lambda: client.get(REVIEWS).json()["items"] or None)
                    return act(client, parts, found)
            finally:
                if stops:
                    stopped.set()

        done = pool.submit(operate)
        StoreLoop(parts, ask).run(stopped, None, end_visits=True)
        return done.result()


def test_an_answer_reaches_cart_and_receipt(store: WalkingStore) -> None:
    sku = store.config().store.products[0].sku

    def act(client: httpx2.Client, parts: LiveParts, found: dict[str, Any]) -> float:
        (visit_id,) = [near["visit_id"] for near in found["near"]]
        answer = {"visit_id": visit_id, "sku": sku, "quantity": MANY}
        assert client.post(f"{REVIEWS}/{found['review_id']}/answer", json=answer).status_code == 202
        sent_at = time.perf_counter()
        assert client.post(f"{REVIEWS}/{found['review_id']}/send").status_code == 204
        until(lambda: True if any(held(row.lines, sku) >= MANY for row in parts.inbox.view().visits) else None)
        return time.perf_counter() - sent_at

    assert asked(store, act, stops=False) < 1.0
    events = list(restored_events(store.config().data_dir / "events"))
    assert "operator" in [each.by for each in events if isinstance(each, ReviewClosed)]
    (receipt,) = [each for each in events if isinstance(each, ReceiptFinalised)]
    assert held(receipt.lines, sku) >= MANY
    assert receipt.reviewed
    (example,) = read_examples(store.config().data_dir / "labelled")
    assert (example.answer.sku, example.answer.quantity, example.answered_by) == (sku, MANY, "anna")


def test_an_answer_that_waits_when_the_store_ends_is_kept_for_its_next_start(store: WalkingStore) -> None:
    sku = store.config().store.products[0].sku

    def act(client: httpx2.Client, _parts: LiveParts, found: dict[str, Any]) -> str:
        answer = {"visit_id": found["near"][0]["visit_id"], "sku": sku, "quantity": 1}
        assert client.post(f"{REVIEWS}/{found['review_id']}/answer", json=answer).status_code == 202
        return str(found["review_id"])

    review_id = asked(store, act, stops=True)
    journal = (store.config().data_dir / "inbox.journal").read_text(encoding="utf-8")
    assert review_id in journal  # handed on at the end
    (example,) = read_examples(store.config().data_dir / "labelled")
    assert example.review_id == review_id
