"""The tape: observations come back bit for bit, and a damaged one is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillfree.tape import TapeError, TapeWriter, read_fingerprint, read_tape
from vision.types import Detections, Observation, SlotViews


def observation(index: int, people: int, slots: int, keypoints: bool) -> Observation:
    rng = np.random.default_rng(index)
    place = ("cam", index, 1_000 * index)
    found = Detections(
        *place,
        rng.random((people, 4)).astype(np.float32),
        rng.random(people).astype(np.float32),
        np.full((people, 2, 3), np.nan, np.float32),
        rng.random((people, 17, 3)).astype(np.float32) if keypoints else None,
        None,
    )
    patches = rng.integers(0, 256, (slots, 6, 4, 3), dtype=np.uint8)
    return Observation(
        found,
        SlotViews(
            *place,
            np.arange(slots),
            rng.random(slots).astype(np.float32),
            rng.random((slots, 12, 12)) < 0.1,
            patches,
            rng.random((2, 5)).astype(np.float32),
            rng.random((3, 6)).astype(np.float32) if keypoints else None,
        ),
    )


def same(one: Observation, other: Observation) -> bool:
    for part in ("detections", "slot_views"):
        a, b = getattr(one, part), getattr(other, part)
        for name in a.__dataclass_fields__:
            x, y = getattr(a, name), getattr(b, name)
            if isinstance(x, np.ndarray):
                if x.dtype != y.dtype or x.shape != y.shape or x.tobytes() != y.tobytes():
                    return False
            elif x != y:
                return False
    return True


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), st.booleans()), max_size=6))
def test_what_is_written_comes_back(
    tmp_path_factory: pytest.TempPathFactory, shapes: list[tuple[int, int, bool]]
) -> None:
    path = tmp_path_factory.mktemp("tape") / "t"
    given_ones = [observation(number, *shape) for number, shape in enumerate(shapes)]
    with TapeWriter(path, {"videos": "x"}) as tape:
        for each in given_ones:
            tape.write(each)
    came = list(read_tape(path))
    assert len(came) == len(given_ones)
    assert all(same(a, b) for a, b in zip(given_ones, came, strict=True))
    assert read_fingerprint(path) == {"videos": "x"}


def test_a_broken_off_tape_leaves_nothing(tmp_path: Path) -> None:
    def break_off() -> None:
        with TapeWriter(tmp_path / "t", {}) as tape:
            tape.write(observation(0, 1, 1, True))
            raise RuntimeError("broken off")

    with pytest.raises(RuntimeError):
        break_off()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", [5, 40])
def test_a_cut_tape_is_refused(tmp_path: Path, cut: int) -> None:
    with TapeWriter(tmp_path / "t", {}) as tape:
        tape.write(observation(0, 2, 3, True))
    data = (tmp_path / "t").read_bytes()
    (tmp_path / "t").write_bytes(data[:-cut])
    with pytest.raises(TapeError, match="ends early or is damaged"):
        list(read_tape(tmp_path / "t"))


def test_another_file_is_no_tape(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"hello")
    with pytest.raises(TapeError, match="no tape"):
        read_fingerprint(tmp_path / "t")
