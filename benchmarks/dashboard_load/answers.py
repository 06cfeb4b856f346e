"""From the key that answers a review to the receipt that waited for it, in a store that runs.

A process of its own plays a bundled recording again and again as if it were live; by its settings every pick is asked about. Once a
shopper has left, and only the questions hold the receipt, an operator answers them over the calls that the page of a review makes, and
has the last one sent at once: the ten seconds in which it could be taken back are no delay. The log is read as it grows.
``answer_to_receipt`` is from before that last answer until the receipt's line was read.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import yaml

from benchmarks.billing_load.processes import free_port
from benchmarks.live_latency import POLL_S, Run, spread
from benchmarks.live_store import REPO, Store
from billing.access import Access
from billing.store import BillingStore
from dashboard.roles import SCOPES, Role
from dashboard.web import CSRF_HEADER, SESSION_COOKIE
from recordings.files import load_recording
from tillfree.live.books import DATABASE
from tillfree.live.recorded import length_ns
from tillfree.system import system_clock

RECORDING = REPO / "sample_videos" / "one-shopper"
MOST_S = 1.0
PASSWORD = "a sentence for a benchmark"
S = 1_000_000_000
_SETTINGS = {"checkout": {"reviews": {"accept_probability_min": 1.0, "due_s": 900.0}}}
_SETTLED_NS = 5 * S
"""After this long a receipt waits for answers alone: ``final_delay_s`` is half of it."""

_REVIEWS = "/v1/desk/reviews"
_PATIENCE_NS = 30 * S


class Operator:
    """Somebody at the dashboard, who sees questions and answers them."""

    def __init__(self, url: str, session: str) -> None:
        self._client = httpx2.Client(base_url=url, cookies={SESSION_COOKIE: session}, timeout=30)
        self._client.headers[CSRF_HEADER] = self._client.get("/v1/desk/me").raise_for_status().json()["csrf"]

    def questions(self) -> list[dict[str, Any]]:
        """Return what nobody has answered."""
        items = self._client.get(_REVIEWS).raise_for_status().json()["items"]
        return [each for each in items if each["pending"] is None]

    def claim(self, review_id: str) -> None:
        """Open a question."""
        self._client.post(f"{_REVIEWS}/{review_id}/claim").raise_for_status()

    def answer(self, review_id: str) -> None:
        """Give the likeliest answer, and have it sent at once."""
        self._client.post(f"{_REVIEWS}/{review_id}/answer", json={"choice": 1}).raise_for_status()
        self._client.post(f"{_REVIEWS}/{review_id}/send").raise_for_status()

    def close(self) -> None:
        """Go away."""
        self._client.close()


def prepared(place: Path) -> tuple[Store, str, str]:
    """Write a store that asks about every pick; return it, its dashboard's address and an operator's session."""
    store, port = Store(place, RECORDING), free_port()
    document = yaml.safe_load(store.file.read_text(encoding="utf-8"))
    document |= {"settings": "settings.yaml", "dashboard": {"port": port}}
    store.file.write_text(yaml.safe_dump(document), encoding="utf-8")
    (place / "settings.yaml").write_text(yaml.safe_dump(_SETTINGS), encoding="utf-8")
    store.data.mkdir()
    with closing(BillingStore(store.data / DATABASE)) as books:
        access = Access(books)
        access.add_operator("anna", PASSWORD, SCOPES[Role.MANAGER], system_clock())
        session, _ = access.sign_in("anna", PASSWORD, system_clock())
    return store, f"http://127.0.0.1:{port}", session


def asked_of(question: dict[str, Any]) -> set[str]:
    """Return the visits whose receipts wait for a question."""
    return {near["visit_id"] for near in question["near"] if near["is_asked"]}


def settled(run: Run, questions: list[dict[str, Any]], now_ns: int) -> tuple[str, list[str]] | None:
    """Return a visit whose receipt waits for answers alone, and its questions."""
    closed = {each.event["visit_id"]: each.at_ns for each in run.written if each.event["event"] == "VisitClosed"}
    for visit_id, at_ns in closed.items():
        mine = [each["review_id"] for each in questions if asked_of(each) == {visit_id}]
        if (
            mine
            and now_ns - at_ns > _SETTLED_NS
            and not any(visit_id in asked_of(each) and each["review_id"] not in mine for each in questions)
        ):
            return visit_id, mine
    return None


def answered(
    run: Run, clock: Callable[[], int], operator: Operator, visit_id: str, review_ids: list[str]
) -> float | None:
    """Answer a visit's questions; return s from the last answer to the receipt, None where there was none in time."""
    *first, last = review_ids
    for each in first:
        operator.claim(each)
        operator.answer(each)
        _wait_for(run, clock, "ReviewClosed", "review_id", each)
    operator.claim(last)
    begun_ns = clock()
    operator.answer(last)
    written_ns = _wait_for(run, clock, "ReceiptFinalised", "visit_id", visit_id)
    return None if written_ns is None else (written_ns - begun_ns) / S


def _wait_for(run: Run, clock: Callable[[], int], kind: str, key: str, value: str) -> int | None:
    """Return when an event was read from the log, None where it does not come."""
    until_ns = clock() + _PATIENCE_NS
    while clock() < until_ns:
        run.read(clock)
        for each in run.written:
            if each.event["event"] == kind and each.event[key] == value:
                return each.at_ns
        time.sleep(POLL_S)  # noqa: TID251 - a benchmark
    return None


def measure(count: int) -> dict[str, object]:
    """Return how long ``count`` receipts took, s."""
    round_ns = length_ns(load_recording(RECORDING))
    with TemporaryDirectory(prefix="tillfree-answers-") as place:
        store, url, session = prepared(Path(place))
        run = Run(store, 1.0, "")
        process = store.start("--loop")
        try:
            clock = run.clock()
            found = _round(run, clock, url, session, count, clock() + (count + 3) * round_ns)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            finally:
                process.kill()
    in_time = [each for each in found if each is not None]
    return {"answer_to_receipt": spread(in_time), "answers_without_receipt": len(found) - len(in_time)}


def _round(run: Run, clock: Callable[[], int], url: str, session: str, count: int, until_ns: int) -> list[float | None]:
    with closing(Operator(url, session)) as operator:
        found: list[float | None] = []
        while len(found) < count and clock() < until_ns:
            run.read(clock)
            ready = settled(run, operator.questions(), clock())
            if ready is None:
                time.sleep(0.2)  # noqa: TID251
                continue
            found.append(answered(run, clock, operator, *ready))
            print(f"answer {len(found)} of {count}: {found[-1]} s to the receipt", flush=True)
    return found


def judged(found: dict[str, object]) -> list[str]:
    """Return which limits are missed."""
    told, lost = found["answer_to_receipt"], found["answers_without_receipt"]
    assert isinstance(told, dict)
    if not told["n"] or lost:
        return [f"answers: {told['n']} receipts came, {lost} did not"]
    slowest = told["max_s"]
    return [f"answer to receipt: {slowest} s, to be under {MOST_S:g} s"] if slowest >= MOST_S else []
