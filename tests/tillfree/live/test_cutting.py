"""Recordings cut from live footage: they load, tell the right times, hide heads, and hold nothing that pays."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from checkout.types import GateScanned
from dashboard.errors import InConflict, Refused
from recordings.files import load_recording
from tests.tillfree.live.evidence_rig import BEGAN_NS, SAMPLES, EvidenceShop, S, decoded, packets, pictures, true_looks
from tillfree.live.cutting import FootageCutter
from tillfree.live.evidence_settings import EvidenceSettings
from tillfree.live.history import History, HistorySettings
from tillfree.live.storefile import StoreConfig, load_store_file
from tillfree.live.tokens import token_name
from tillfree.sources.video import camera_sources, frames

pytestmark = pytest.mark.usefixtures("waits_for_no_disk")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[EvidenceShop]:
    """Fifteen seconds of one camera of four, with all that was found in them."""
    made = EvidenceShop(tmp_path / "evidence", ("cam1", "cam2", "cam3", "cam4"))
    for seen in true_looks():
        made.evidence.detected(seen)
    made.film(packets()[:150])
    made.pass_time(40)
    yield made
    made.close()


def config() -> StoreConfig:
    return load_store_file(SAMPLES / "store" / "store.yaml", {})


@pytest.fixture
def cutter(shop: EvidenceShop, tmp_path: Path) -> Iterator[FootageCutter]:
    history = History(tmp_path / "events", HistorySettings())
    for at_s, token in ((2, "card-before"), (5, "card-within")):
        history.write([GateScanned(f"scan-{at_s}", "main", BEGAN_NS + at_s * S, token, 1)])
    history.close()
    made = FootageCutter(config(), tmp_path / "events", shop.evidence, EvidenceSettings(), lambda: shop.now_ns)
    yield made
    made.stop()


def cut(cutter: FootageCutter, folder: Path, from_s: float, to_s: float) -> str:
    """Cut to the end, and return what the problem was."""
    cutter.begin(folder, BEGAN_NS + round(from_s * S), BEGAN_NS + round(to_s * S))
    assert cutter._thread is not None
    cutter._thread.join()
    assert cutter.state is not None
    assert cutter.state.is_over
    return cutter.state.problem


def test_what_cameras_showed_is_a_recording_that_loads(cutter: FootageCutter, tmp_path: Path) -> None:
    folder = tmp_path / "recordings" / "lunch"
    assert cut(cutter, folder, 3.0, 9.0) == ""
    loaded = load_recording(folder)
    assert [camera.id for camera in loaded.recording.cameras] == ["cam1"]  # the others sent nothing
    assert cutter.state is not None
    assert cutter.state.lacking == ("cam2", "cam3", "cam4")
    assert loaded.recording.started_at_ns == BEGAN_NS + 3 * S
    (source,) = camera_sources(loaded)
    times = [frame.captured_at_ns - BEGAN_NS for frame in frames(source)]
    assert len(times) == 61
    assert (times[0], times[-1]) == (pytest.approx(3 * S, abs=1e6), pytest.approx(9 * S, abs=1e6))
    (scan,) = loaded.scans
    assert (scan.gate, scan.at_s, scan.token) == ("main", 2.0, token_name("card-within"))
    pictured = [name for product in loaded.store.products for name in product.reference_pictures]
    assert pictured
    assert all((folder / name).is_file() for name in pictured)
    assert [each.name for each in folder.parent.iterdir()] == ["lunch"]


def test_heads_are_hidden_in_it(cutter: FootageCutter, tmp_path: Path) -> None:
    folder = tmp_path / "recordings" / "lunch"
    assert cut(cutter, folder, 6.0, 9.0) == ""
    shown = decoded(folder / "cam1.mp4")
    changed = [np.abs(a.astype(int) - b).mean(axis=2) > 40 for a, b in zip(shown, pictures()[60:], strict=False)]
    assert sum(each.any() for each in changed) > 5


def test_nothing_is_left_of_a_cut_that_failed(cutter: FootageCutter, tmp_path: Path) -> None:
    folder = tmp_path / "recordings" / "later"
    assert "no camera's video" in cut(cutter, folder, 20.0, 30.0)
    assert list(folder.parent.iterdir()) == []


def test_what_is_not_kept_or_there_already_is_refused(cutter: FootageCutter, tmp_path: Path) -> None:
    for from_s, to_s in ((5, 5), (5, 3600), (-1000, 5)):
        with pytest.raises(Refused):
            cutter.begin(tmp_path / "a", BEGAN_NS + from_s * S, BEGAN_NS + to_s * S)
    (tmp_path / "there").mkdir()
    with pytest.raises(InConflict, match="there already"):
        cutter.begin(tmp_path / "there", BEGAN_NS, BEGAN_NS + S)
    cutter._state = dataclasses.replace(cutter.begin(tmp_path / "a", BEGAN_NS, BEGAN_NS + S), is_over=False)
    with pytest.raises(InConflict, match="being cut"):
        cutter.begin(tmp_path / "b", BEGAN_NS, BEGAN_NS + S)


def test_footage_is_held_while_it_is_cut(shop: EvidenceShop) -> None:
    shop.evidence.hold(BEGAN_NS)
    shop.pass_time(100)  # the buffer's two minutes are over
    assert shop.evidence.status().buffers[0].from_ns == BEGAN_NS
    shop.evidence.hold(None)
    shop.pass_time(60)
    assert shop.evidence.status().buffers[0].from_ns is None
