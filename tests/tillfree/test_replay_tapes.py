"""A folder of tapes: what was detected once is not detected again, unless something of it has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tillfree.replay
from tillfree.replay import ReplayOptions, replay


def none_is_loaded(*_: Any, **__: Any) -> None:
    raise AssertionError("a tape was there, and a detector is loaded all the same")


def test_the_second_replay_is_driven_by_the_firsts_tape(
    tiny_recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tapes = tmp_path / "tapes"
    options = ReplayOptions(tapes=tapes)
    first = replay(tiny_recording, out=tmp_path / "first", options=options)
    assert len(list(tapes.glob("*.tape"))) == 1
    with monkeypatch.context() as patch:
        patch.setattr(tillfree.replay, "load_detector", none_is_loaded)
        again = replay(tiny_recording, out=tmp_path / "again", options=options)
    assert again.frame_count == first.frame_count == 10
    assert (tmp_path / "again/events.jsonl").read_bytes() == (tmp_path / "first/events.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("settings", "tapes"),
    [
        ("vision: {detector: {score: 0.3}}", 2),
        ("vision: {pipeline: {read_every_s: 0.5}}", 2),
        ("checkout: {final_delay_s: 3}", 1),
    ],
    ids=["detector", "reading", "checkout"],
)
def test_a_tape_fits_what_it_was_made_of(tiny_recording: Path, tmp_path: Path, settings: str, tapes: int) -> None:
    other = tmp_path / "settings.yaml"
    other.write_text(settings)
    replay(tiny_recording, out=None, options=ReplayOptions(tapes=tmp_path / "tapes"))
    replay(tiny_recording, out=None, options=ReplayOptions(tapes=tmp_path / "tapes", settings=other))
    assert len(list((tmp_path / "tapes").glob("*.tape"))) == tapes


def test_part_of_a_recording_is_no_tape_for_others(tiny_recording: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="whole recordings"):
        replay(tiny_recording, out=None, options=ReplayOptions(tapes=tmp_path, limit_s=1.0))
