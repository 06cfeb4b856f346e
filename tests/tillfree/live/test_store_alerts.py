"""A store that runs tells a program what is wrong, and shows where that does not arrive."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.tillfree.live.alert_rig import SECRET, Hook, hooked
from tests.tillfree.live.walking_store import WalkingStore
from tillfree.live.loop import LiveState, StoreLoop
from tillfree.live.models import health_of
from tillfree.live.node import ReportKind
from tillfree.live.screen import state_line


@pytest.fixture
def store(
    tmp_path: Path, write_tiny_recording: Any, write_video: Any, edit_yaml: Any, waits_for_no_disk: None
) -> WalkingStore:
    return WalkingStore(tmp_path, write_tiny_recording, write_video, edit_yaml)


def run(store: WalkingStore, hook: Hook, edit_yaml: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run with a door that is forced; return what was told."""
    monkeypatch.setenv("HOOK", SECRET)
    edit_yaml(store.file, alerts={"webhook": {"url": hook.url, "secret_env": "HOOK"}, "after_s": 0, "gather_s": 0})
    with ExitStack() as stack:
        parts = store.open(stack, speed=1.0)

        def look(state: LiveState) -> None:
            store.states.append(state)
            if len(store.states) == 1:
                parts.inbox.report("door", ReportKind.DOOR_FORCED, parts.clock())

        StoreLoop(parts, look).run(Event(), None, end_visits=True)
    return [news["words"] for _, body in hook.posts for news in json.loads(body)["news"]]


def test_a_program_is_told(store: WalkingStore, edit_yaml: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with hooked() as hook:
        told = run(store, hook, edit_yaml, monkeypatch)
    assert "gate door was forced open" in told
    assert "the store is closed" not in told  # only its process ended
    assert store.states[-1].view.alerting == ""


def test_what_does_not_arrive_is_shown(store: WalkingStore, edit_yaml: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with hooked() as hook:
        hook.status = 500
        run(store, hook, edit_yaml, monkeypatch)
    last = store.states[-1].view
    assert "alerts do not arrive, webhook to 127.0.0.1: HTTP 500" in last.alerting
    assert "HTTP 500" in state_line(store.states[-1])
    assert [row.is_up for row in health_of(last, last.at_ns, 5.0).rows if row.part == "alerts"] == [False]
    assert any("HTTP 500" in words for words in store.told)
