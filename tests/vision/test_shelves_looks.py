"""Pictures of shelves compared, without a camera or a store."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vision.shelf_pictures import shelf, with_can
from vision.shelves.looks import blobs, distance, histogram, in_light_of, likeness, rim_contrast, to_lab


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
