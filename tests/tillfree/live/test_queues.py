"""Frames on their way to the pipeline: bounded, fair, and in step where they come from files."""

from __future__ import annotations

import threading
from collections import Counter

import numpy as np
import pytest

from tillfree.live.queues import FilesInStep, FrameQueues, QueueSettings
from vision.types import Frame

PICTURE = np.zeros((16, 16, 3), np.uint8)


def frame(camera: str, index: int) -> Frame:
    return Frame(camera, index, index * 100, PICTURE)


def test_the_oldest_is_dropped_where_too_many_wait() -> None:
    queues = FrameQueues(["a"], QueueSettings(depth=2))
    for index in range(5):
        queues.put(frame("a", index))
    assert [taken.index for taken in (queues.take(0), queues.take(0)) if taken] == [3, 4]
    assert queues.take(0) is None
    counts = queues.counts()["a"]
    assert (counts.taken, counts.dropped, counts.waiting) == (2, 3, 0)


def served(queues: FrameQueues, cameras: str, turns: int) -> Counter[str]:
    """Let every camera always have a frame waiting, and count whose are taken."""
    found: Counter[str] = Counter()
    for turn in range(turns):
        for camera in cameras:
            queues.put(frame(camera, turn))
        taken = queues.take(0)
        assert taken is not None
        found[taken.camera_id] += 1
    return found


def test_cameras_are_served_alike_and_busy_ones_more() -> None:
    queues = FrameQueues("abcd", QueueSettings(busy_weight=4))
    assert set(served(queues, "abcd", 400).values()) == {100}
    queues.set_busy("c", True)
    found = served(queues, "abcd", 400)
    assert 1.5 * found["a"] <= found["c"] <= 4 * found["a"]
    assert min(found.values()) >= 50  # nobody starves


def test_a_frame_is_waited_for_and_closing_lets_go() -> None:
    queues = FrameQueues("ab", QueueSettings())
    threading.Timer(0.05, lambda: queues.put(frame("b", 7))).start()
    taken = queues.take(10)
    assert taken is not None
    assert taken.index == 7
    threading.Timer(0.05, queues.close).start()
    assert queues.take(10) is None


@pytest.mark.parametrize("depth", [1, 2, 8])
def test_files_are_read_in_the_order_of_their_times_and_nothing_is_dropped(depth: int) -> None:
    files = FilesInStep(["a", "b"], depth)
    lengths = {"a": 40, "b": 23}

    def read(camera: str) -> None:
        for index in range(lengths[camera]):
            assert files.put(frame(camera, index))
        files.end(camera)

    threads = [threading.Thread(target=read, args=(camera,)) for camera in lengths]
    for thread in threads:
        thread.start()
    found = []
    while not files.is_over:
        taken = files.take(10)
        assert taken is not None
        found.append((taken.captured_at_ns, taken.camera_id))
    for thread in threads:
        thread.join()
    assert found == sorted(found)
    assert len(found) == sum(lengths.values())


def test_a_reader_of_files_that_are_closed_is_told() -> None:
    files = FilesInStep(["a"], 1)
    assert files.put(frame("a", 0))
    threading.Timer(0.05, files.close).start()
    assert not files.put(frame("a", 1))
