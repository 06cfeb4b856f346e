"""What a renderer returns: a picture and the exact truth about who is in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
I32 = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class VisiblePerson:
    """One person in one picture.

    ``box_xyxy_px`` encloses the visible pixels, ``whole_box_xyxy_px`` what would be
    visible if nothing stood before them (still cut at the picture's edge), None where
    either is empty. ``visible_share`` is the visible part of that, 0 to 1.
    ``keypoints_px`` (17, 3): x, y and 2 where the joint is visible, 1 where it is hidden,
    0 (with x = y = 0) outside the picture.
    """

    person: int
    box_xyxy_px: tuple[float, float, float, float] | None
    whole_box_xyxy_px: tuple[float, float, float, float] | None
    visible_share: float
    keypoints_px: F64


@dataclass(frozen=True, slots=True, eq=False)
class RenderedFrame:
    """A picture, uint8 (H, W, 3) BGR; ``person_ids`` (H, W) int32 says whose pixel each is, 0 for nobody's."""

    camera_id: str
    at_s: float
    image: U8
    person_ids: I32
    people: tuple[VisiblePerson, ...]


def box_of(mask: NDArray[np.bool_]) -> tuple[float, float, float, float] | None:
    """Return left, top, right, bottom around the true pixels of (H, W), None without any."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
