"""What the judge remembers of people: who holds what, and not for ever."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from store_layout.geometry import StoreGeometry
from store_layout.model import Slot
from vision.shelves.judge import Judge
from vision.shelves.references import References
from vision.shelves.settings import ShelvesSettings
from vision.shelves.watch import ViewChange
from vision.types import PersonCandidate

MOST = 64


@pytest.fixture
def judge(drawn_store: Callable[..., StoreGeometry]) -> Judge:
    slots = (Slot(id="all", sku="red", from_m=0.0, to_m=0.4),)
    geometry = drawn_store(slots, width_m=0.4, fps=10, skus=("red", "blue"), size_m=(0.075, 0.075, 0.15625))
    return Judge(geometry, ShelvesSettings(), References())


def taken(number: int) -> ViewChange:
    """A thing of another grey each time is gone from a textured shelf, so that no change undoes another."""
    rng = np.random.default_rng(number)
    before = rng.uniform(0, 255, (16, 16, 3)).astype(np.float32)
    after = np.full((16, 16, 3), 60.0, np.float32)
    return ViewChange(0, "c", np.ones((16, 16), np.bool_), before, after, number, number + 1, number + 2, ())


def test_people_who_took_something_long_ago_are_forgotten(judge: Judge) -> None:
    for number in range(MOST + 40):
        assert judge.judge([taken(number)], 1, [PersonCandidate(number, 1.0)]).units == -1
    assert list(judge._held) == list(range(40, MOST + 40))


def test_who_touches_something_again_is_remembered(judge: Judge) -> None:
    for number in range(MOST):
        judge.judge([taken(number)], 1, [PersonCandidate(number, 1.0)])
    judge.judge([taken(MOST)], 1, [PersonCandidate(0, 1.0)])
    judge.judge([taken(MOST + 1)], 1, [PersonCandidate(MOST, 1.0)])
    assert 0 in judge._held
    assert 1 not in judge._held
    assert len(judge._held[0]) == 2
