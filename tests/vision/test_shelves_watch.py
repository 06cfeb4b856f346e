"""One slot followed patch by patch, without a camera or a store."""

from __future__ import annotations

import numpy as np
import pytest

from tests.vision.shelf_pictures import shelf, with_can
from vision.shelves.settings import ChangeSettings
from vision.shelves.watch import SlotWatch, ViewChange
from vision.types import EvidenceFrame

S = 1_000_000_000
NOTHING = np.zeros((8, 8), np.bool_)


def followed(patches: list[np.ndarray]) -> list[tuple[int, ViewChange]]:
    """Return what a watch tells of ``patches``, five a second, each with its place."""
    watch = SlotWatch(0, "cam1", 0.1, ChangeSettings())
    return [
        (place, change)
        for place, patch in enumerate(patches)
        for change in watch.see(patch, NOTHING, EvidenceFrame("cam1", place, place * S // 5))
    ]


def test_a_can_that_goes_is_told_once() -> None:
    before = [with_can(shelf(seed)) for seed in range(10)]
    after = [shelf(seed) for seed in range(10, 20)]
    ((place, change),) = followed(before + after)
    assert 12 <= place <= 14
    assert change.share == pytest.approx(30 * 16 / (48 * 64), rel=0.25)
    assert change.before_ns == 9 * S // 5, "it was last seen right before it went"
    assert change.after_ns == 10 * S // 5


def test_what_fades_slowly_is_light_and_no_change() -> None:
    bright, dim = with_can(shelf()), with_can((shelf() * 0.6).astype(np.uint8))
    fading = [(bright * share + dim * (1 - share)).astype(np.uint8) for share in np.linspace(1, 0, 60)]
    assert not followed([*fading, *[dim] * 20])


def test_a_still_slot_was_seen_to_be_unchanged() -> None:
    watch = SlotWatch(0, "cam1", 0.1, ChangeSettings())
    for place in range(5):
        watch.see(shelf(), NOTHING, EvidenceFrame("cam1", place, place * S))
    assert watch.saw_unchanged_since(1 * S, 4 * S)
    assert not watch.saw_unchanged_since(1 * S, 5 * S)
