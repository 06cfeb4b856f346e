"""Pictures of shelves compared, without a camera or a store."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.shelves.looks import blobs, distance, histogram, in_light_of, likeness, rim_contrast, to_lab


def shelf(seed: int = 1) -> np.ndarray:
    """Return a bare board (48, 64, 3) BGR with a soft pattern."""
    rng = np.random.default_rng(seed)
    picture = np.full((48, 64, 3), (150, 160, 170), np.float64)
    picture += 8 * np.sin(np.arange(64) / 5.0)[None, :, None] + rng.normal(0, 2, (48, 64, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)


def with_can(picture: np.ndarray, left: int = 20) -> np.ndarray:
    """Return ``picture`` with a red can on it."""
    out = picture.copy()
    out[14:44, left : left + 16] = (30, 30, 190)
    out[14:18, left : left + 16] = (200, 200, 200)
    return out


@given(st.integers(-25, 25))
def test_an_exposure_step_is_no_change(step: int) -> None:
    before = to_lab(shelf(), 0.8)
    brighter = to_lab(np.clip(shelf(2).astype(int) + step, 0, 255).astype(np.uint8), 0.8)
    assert np.median(distance(in_light_of(brighter, before, 8.0), before)) < 3


def test_a_can_is_one_blob_of_its_size() -> None:
    before, after = to_lab(with_can(shelf()), 0.8), to_lab(shelf(2), 0.8)
    found = blobs(distance(in_light_of(after, before, 8.0), before) > 16, 60)
    assert len(found) == 1
    assert found[0].sum() == pytest.approx(30 * 16, rel=0.25)


def test_the_rim_contrast_tells_which_picture_holds_the_can() -> None:
    region = np.zeros((48, 64), np.bool_)
    region[14:44, 20:36] = True
    full, bare = to_lab(with_can(shelf()), 0.8), to_lab(shelf(), 0.8)
    assert rim_contrast(full, region) > 4 * rim_contrast(bare, region)


def test_a_region_without_a_rim_has_no_contrast() -> None:
    assert rim_contrast(to_lab(shelf(), 0), np.ones((48, 64), np.bool_)) == 0.0


def test_histograms_sum_to_one_and_know_themselves() -> None:
    everything = np.ones((48, 64), np.bool_)
    red, bare = histogram(to_lab(with_can(shelf()), 0), everything), histogram(to_lab(shelf(), 0), everything)
    assert red.sum() == pytest.approx(1)
    assert likeness(red, red) == pytest.approx(1, abs=1e-6)
    assert likeness(red, bare) < 0.95
