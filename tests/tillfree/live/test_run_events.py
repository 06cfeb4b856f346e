"""What a recording's run saw, read from its log."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkout.types import GateScanned, PersonBound, VisitOpened
from dashboard.recordings_desk.types import Seen
from tillfree.eventlog import EventLogError, EventLogWriter
from tillfree.live.run_events import seen_in
from vision.types import Interaction, PersonCandidate, SkuCandidate

S = 1_000_000_000


def hand(number: int, change: int | None, *people: PersonCandidate) -> Interaction:
    sku = (SkuCandidate("tea", 0.9),)
    return Interaction(f"i-{number}", "a/low", "a/low/s1", number * S, number * S + S // 2, change, 0.9, sku, people)


def test_picks_and_put_backs_have_the_scan_of_their_visit(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    with file.open("w", encoding="utf-8") as stream:
        EventLogWriter(stream).write(
            (
                GateScanned("scan-1", "door", S, "pass-17", 1),
                VisitOpened("v-1", S, "scan-1", "pass-17", 1),
                PersonBound(4, "v-1", S),
                hand(3, -2, PersonCandidate(4, 0.9)),
                hand(5, None, PersonCandidate(4, 0.9)),
                hand(7, 1),
            )
        )
    assert seen_in(file) == (
        Seen("pick", "a/low", "a/low/s1", "tea", 2, 3 * S, 3 * S + S // 2, "pass-17", S),
        Seen("put_back", "a/low", "a/low/s1", "tea", 1, 7 * S, 7 * S + S // 2),
    )


def test_a_damaged_log_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("{\n{}\n", encoding="utf-8")
    with pytest.raises(EventLogError):
        seen_in(file)
