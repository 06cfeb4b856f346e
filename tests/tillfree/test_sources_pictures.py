"""Decoders' pictures: in colour when asked for, and their brightness without that."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from tillfree.sources.pictures import FULL_RANGE, Decoded, to_bgr
from vision.coarse import Coarse

SIZE_PX = (96, 64)


def decoded(form: str = "yuv420p", size_px: tuple[int, int] = SIZE_PX) -> av.VideoFrame:
    """A picture with soft colours, as a decoder gives it."""
    rng = np.random.default_rng(3)
    small = rng.integers(30, 220, (4, 6, 3), dtype=np.uint8)
    image = cv2.resize(small, size_px, interpolation=cv2.INTER_CUBIC)
    return av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format=form)


def test_a_picture_becomes_colour_once_and_as_before() -> None:
    frame = decoded()
    picture = Decoded(frame)
    assert np.array_equal(picture.bgr, to_bgr(frame))
    assert picture.bgr is picture.bgr


def test_brightness_is_that_of_the_picture_in_colour() -> None:
    picture = Decoded(decoded())
    by_colour = Coarse(picture.bgr).brightness()
    found = Coarse(picture).brightness()
    assert found.shape == by_colour.shape == (16, 24)
    assert np.abs(found.astype(int) - by_colour).max() <= 2


def test_the_plane_has_no_padding() -> None:
    frame = decoded(size_px=(90, 62))
    assert frame.planes[0].line_size > 90
    luma = Decoded(frame).luma
    assert luma is not None
    assert np.array_equal(luma, frame.to_ndarray()[:62])


def full_range() -> av.VideoFrame:
    frame = decoded()
    frame.color_range = FULL_RANGE
    return frame


@pytest.mark.parametrize("frame", [decoded("yuv422p"), decoded("gray"), full_range()], ids=["422", "gray", "full"])
def test_other_pictures_show_their_brightness_by_their_colours(frame: av.VideoFrame) -> None:
    picture = Decoded(frame)
    assert picture.luma is None
    assert np.array_equal(Coarse(picture).brightness(), Coarse(picture.bgr).brightness())


def test_a_picture_of_another_size_is_scaled_in_colour_alone() -> None:
    picture = Decoded(decoded(), (48, 32))
    assert picture.luma is None
    assert picture.bgr.shape == (32, 48, 3)
    assert Coarse(picture).brightness().shape == (8, 12)
