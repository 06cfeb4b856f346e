"""What several machines tell, in one order: duplicates, delays and silence."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tillfree.live.joiner import Joiner, JoinSettings
from vision.types import Detections, Observation, SlotViews

S = 1_000_000_000
CAMERAS = {"left": ("a", "b"), "right": ("c",)}


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


def observation(camera: str, at_ns: int, index: int = 0) -> Observation:
    views = SlotViews(
        camera, index, at_ns, np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 2, 2), np.bool_),
        np.zeros((0, 4, 4, 3), np.uint8), np.zeros((0, 0), np.float32),
    )  # fmt: skip
    return Observation(Detections.empty(camera, index, at_ns), views)


def joiner(clock: Clock | None = None) -> Joiner:
    return Joiner(tuple(CAMERAS), JoinSettings(patience_s=20), clock or Clock())


def test_nothing_is_given_before_every_worker_said_so() -> None:
    join = joiner()
    join.push(observation("a", 5))
    join.push(observation("c", 3))
    join.beat("left", 10)
    assert not list(join.ready())
    join.beat("right", 4)
    assert [each.order[1] for each in join.ready()] == ["c"]
    join.beat("right", 5)
    assert [each.order[1] for each in join.ready()] == ["a"]


def test_a_silent_worker_is_waited_for_and_then_not() -> None:
    clock = Clock()
    join = joiner(clock)
    join.push(observation("a", 5))
    join.beat("left", 10)
    clock.now_ns = 20 * S
    assert join.give_up() == set()
    assert not list(join.ready())
    clock.now_ns = 21 * S
    join.beat("left", 11)
    assert not list(join.ready())  # whoever looks after it decides when
    assert join.give_up() == {"right"}
    assert len(list(join.ready())) == 1
    join.push(observation("c", 4))
    join.beat("right", 6)
    assert join.late_count == 1
    assert join.given_up == set()


def test_what_workers_told_before_they_fell_silent_is_given_though_none_said_it_was_all() -> None:
    clock = Clock()
    join = joiner(clock)
    join.beat("left", 4)
    join.push(observation("a", 5))
    join.push(observation("c", 7))
    clock.now_ns = 21 * S
    assert not list(join.ready())
    assert join.give_up() == {"left", "right"}
    assert [each.order[0] for each in join.ready()] == [5, 7]
    assert len(join) == 0


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 500)), unique=True, max_size=50),
    st.randoms(use_true_random=False),
    st.floats(0, 0.5),
)
def test_delays_and_duplicates_change_nothing(frames: list[tuple[str, int]], random: object, twice: float) -> None:
    wanted = sorted((at_ns, camera) for camera, at_ns in frames)
    told = [each for each in frames for _ in range(1 + (random.random() < twice))]  # type: ignore[attr-defined]
    random.shuffle(told)  # type: ignore[attr-defined]
    join, found = joiner(), []
    for number, (camera, at_ns) in enumerate(told):
        join.push(observation(camera, at_ns))
        # a worker's word covers only what it has told
        for worker, cameras in CAMERAS.items():
            left = [
                at for camera, at in told[number + 1 :] if camera in cameras and (camera, at) not in told[: number + 1]
            ]
            join.beat(worker, min(left, default=1_000) - 1)
        found += [each.order[:2] for each in join.ready()]
    assert found == wanted
    assert join.late_count == 0
    assert join.duplicate_count == len(told) - len(frames)
