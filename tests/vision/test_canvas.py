"""Pictures with margins in the same memory, and pictures shrunk."""

from __future__ import annotations

import numpy as np
import pytest

from vision.canvas import GREY, frame_of, framed
from vision.coarse import Coarse, halved
from vision.detectors.letterbox import Letterbox


def filled(height: int, width: int) -> np.ndarray:
    picture = framed(height, width)
    picture[:] = np.random.default_rng(0).integers(0, 255, picture.shape)
    return picture


@pytest.mark.parametrize("size", [(360, 640), (384, 640), (720, 1280), (350, 640)])
def test_a_framed_picture_is_the_letterbox_that_would_be_drawn(size: tuple[int, int]) -> None:
    height, width = size
    picture = filled(height, width)
    outer = (width, -(-height // 32) * 32)
    lying = Letterbox.fit((width, height), outer).ready_made(picture)
    assert lying is not None
    assert np.array_equal(lying, Letterbox.fit((width, height), outer).apply(picture))
    assert np.shares_memory(lying, picture)


def test_other_pictures_have_no_frame() -> None:
    fit = Letterbox.fit((640, 360), (640, 384))
    picture = filled(360, 640)
    assert fit.ready_made(picture.copy()) is None
    assert fit.ready_made(np.zeros((400, 640, 3), np.uint8)[20:380]) is None
    assert frame_of(np.zeros((384, 640, 3), np.uint8)[13:373], 384, 640) is None
    assert frame_of(np.full((384, 640, 3), GREY - 1, np.uint8)[12:372], 384, 640) is None
    assert Letterbox.fit((640, 360), (320, 192)).ready_made(picture) is None
    assert framed(90, 150).base is None


def test_a_picture_is_shrunk_by_means_and_rounded_up() -> None:
    picture = filled(90, 150)
    coarse = Coarse(picture)
    assert coarse.shrunk(1) is picture
    assert np.array_equal(coarse.shrunk(2), halved(picture))
    assert coarse.shrunk(4).shape == (23, 38, 3)
    assert coarse.shrunk(4) is coarse.shrunk(4)
