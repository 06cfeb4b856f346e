"""The event log: what is written comes back, and a crash costs no more than the line it cut."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest

from billing.money import Money
from billing.types import Charge, ChargeState
from checkout.types import CartEvent, CartLine, ReceiptFinalised, VisitOpened
from tillfree.eventlog import EventLogError, EventLogWriter, read_events
from vision.types import EvidenceFrame, GateCrossing, Interaction, PersonCandidate, SkuCandidate

EVENTS: tuple[object, ...] = (
    VisitOpened("visit-1", 5, "scan-1", "täglich", 2),
    GateCrossing(3, "door", "in", 7),
    Interaction(
        "i-1", "g/s", None, 8, 9, -1, 0.75, (SkuCandidate("a", 0.5), SkuCandidate("b", 0.25)),
        (PersonCandidate(3, 0.9),), (EvidenceFrame("c1", 4, 8),),
    ),
    CartEvent("e-1", "taken", "visit-1", "a", 1, 9, None, 0.5, "i-1"),
    ReceiptFinalised("visit-1", 20, (CartLine("a", 1),), False),
    Charge("visit-1:1", "visit-1", 1, "d" * 64, "t", Money(250, "EUR"), Money(250, "EUR"), ChargeState.CAPTURED, 20, 20, "ref"),
)  # fmt: skip


def write(path: Path) -> str:
    stream = StringIO()
    EventLogWriter(stream).write(EVENTS)
    path.write_text(stream.getvalue(), encoding="utf-8")
    return stream.getvalue()


def test_every_event_comes_back_as_it_was(tmp_path: Path) -> None:
    write(tmp_path / "log")
    assert tuple(read_events(tmp_path / "log")) == EVENTS


def test_lines_are_numbered_and_name_their_kind(tmp_path: Path) -> None:
    lines = write(tmp_path / "log").splitlines()
    assert [line.split(",")[0] for line in lines] == [f'{{"seq":{number}' for number in range(len(EVENTS))]
    assert '"event":"VisitOpened"' in lines[0]


def test_a_last_line_that_was_cut_is_left_out(tmp_path: Path) -> None:
    text = write(tmp_path / "log")
    (tmp_path / "log").write_text(text[:-20], encoding="utf-8")
    assert tuple(read_events(tmp_path / "log")) == EVENTS[:-1]


@pytest.mark.parametrize("broken", ["{not json", '{"event":"Unheard"}', '{"event":"VisitOpened","visit_id":"v","x":1}'])
def test_a_broken_line_in_the_middle_is_named(tmp_path: Path, broken: str) -> None:
    text = write(tmp_path / "log")
    (tmp_path / "log").write_text(broken + "\n" + text, encoding="utf-8")
    with pytest.raises(EventLogError, match="line 1"):
        tuple(read_events(tmp_path / "log"))
