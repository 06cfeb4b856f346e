"""`tillfree dashboard`: what a run left, on the pages that it had; and what of it nobody can do any more."""

from __future__ import annotations

import re
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from billing.access import Access
from billing.store import BillingStore
from dashboard.errors import Refused
from dashboard.reviews.types import Outcome
from dashboard.roles import SCOPES, Role
from store_layout.errors import InputError
from tests.tillfree.live.walking_store import WalkingStore, free_port
from tillfree.live.books import DATABASE
from tillfree.live.clips import ClipStore
from tillfree.live.ended import ENDED, EndedMachine, EndedNode, EndedQuestions, KeptEvidence, open_ended
from tillfree.live.node import NodeView
from tillfree.main import main

PASSWORD = "a sentence that is long"


@pytest.fixture
def store(
    tmp_path: Path, write_tiny_recording: Any, write_video: Any, edit_yaml: Any, waits_for_no_disk: None
) -> WalkingStore:
    made = WalkingStore(tmp_path, write_tiny_recording, write_video, edit_yaml)
    edit_yaml(made.file, dashboard={"port": free_port()})
    return made


def signed_in(url: str) -> httpx2.Client:
    client = httpx2.Client(base_url=url, follow_redirects=True)
    csrf = re.search(r'name="csrf" value="([0-9a-f]+)"', client.get("/sign-in").text)
    assert csrf is not None
    client.post("/sign-in", data={"csrf": csrf[1], "login": "anna", "password": PASSWORD})
    return client


def test_the_visits_of_a_run_that_ended_are_there_with_their_receipts(store: WalkingStore) -> None:
    (visit,) = store.run().run.fold.visits.values()
    log = [path.read_bytes() for path in sorted((store.config().data_dir / "events").glob("*.jsonl"))]
    with closing(BillingStore(store.config().data_dir / DATABASE)) as books:
        Access(books).add_operator("anna", PASSWORD, SCOPES[Role.MANAGER], 1)
    told: list[str] = []
    with ExitStack() as stack:
        parts = open_ended(store.config(), None, told.append, stack)
        parts.visits.thread.start()
        parts.server.start()
        (said,) = told
        with closing(signed_in(said.split()[1])) as browser:
            (found,) = browser.get("/v1/desk/visits").json()["visits"]
            assert found["visit_id"] == visit.visit_id
            assert visit.visit_id in browser.get(f"/visits/{visit.visit_id}").text
            assert ENDED in browser.get("/health").text
            assert [browser.get(page).status_code for page in ("/live", "/reviews", "/stock", "/settings")] == [200] * 4
    assert [path.read_bytes() for path in sorted((store.config().data_dir / "events").glob("*.jsonl"))] == log


def test_nobody_answers_or_opens_in_place_of_the_engine(tmp_path: Path) -> None:
    view = NodeView(5, is_open=False, faults=(ENDED,))
    clips = ClipStore(tmp_path)
    questions = EndedQuestions(EndedNode(view), KeptEvidence(clips), frozenset({"tea"}), lambda: 7)
    assert questions.open() == ()
    with pytest.raises(Refused, match="start the store again"):
        questions.check("review-1", Outcome(None, None, 0))
    machine = EndedMachine(view, clips)
    assert machine.health().faults == (ENDED,)
    for act in (machine.open, machine.close):
        with pytest.raises(Refused, match="start the store again"):
            act("anna", "because", 7)


def test_what_is_no_run_is_refused(store: WalkingStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as stack, pytest.raises(InputError, match="holds no run"):
        open_ended(store.config(), None, print, stack)
    assert not store.config().data_dir.exists()
    (tmp_path / "empty").mkdir()
    assert main(["dashboard", str(tmp_path / "empty")]) == 2
    assert "has no store.yaml" in capsys.readouterr().err


def test_a_run_that_goes_on_is_left_alone(store: WalkingStore) -> None:
    store.run(for_s=2)
    with ExitStack() as stack:
        store.open(stack)
        with ExitStack() as other, pytest.raises(InputError, match="is in use"):
            open_ended(store.config(), None, print, other)
