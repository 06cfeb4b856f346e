"""A whole store on RTSP cameras: what it bills is what a replay of the same recording bills."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tillfree.live.camera_rig import RtspServer, needs_rtsp
from tests.tillfree.live.rtsp_store import CAMERAS, RECORDING, billed, live, three_cameras
from tillfree.replay import ReplayOptions, replay

pytestmark = [pytest.mark.slow, *needs_rtsp]


@pytest.fixture
def wanted(tmp_path: Path) -> list[tuple[str, int]]:
    """What a replay of the three cameras bills."""
    outcome = replay(three_cameras(tmp_path / "three"), out=None, options=ReplayOptions(paths=False))
    (visit,) = outcome.fold.visits.values()
    assert visit.final_lines
    return [(line.sku, line.quantity) for line in visit.final_lines]


def test_rtsp_cameras_give_the_receipt_of_a_replay(tmp_path: Path, wanted: list[tuple[str, int]]) -> None:
    with RtspServer(videos=RECORDING / "videos", cameras=CAMERAS, in_step=True) as server:
        ran = live(tmp_path, server)
    assert billed(ran.parts) == wanted
    counts = ran.states[-1].queues
    taken, dropped = (sum(getattr(counts[name], what) for name in CAMERAS) for what in ("taken", "dropped"))
    assert taken >= 3 * 10 * 29  # ten frames a second from each
    assert dropped <= 0.02 * taken  # none, unless something else takes the machine's cores meanwhile
    assert ran.parts.run.late_count == 0
