"""The columnar parts of a truth: boxes, floor places and keypoints, frame by frame.

Frames are counted from 1, as MOTChallenge files count them: frame k of a camera is the
picture with index k - 1 of its video.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


def _require_rows(name: str, array: NDArray[np.generic], shape: tuple[int, ...], dtype: type) -> None:
    if array.shape != shape or array.dtype != np.dtype(dtype):
        raise ValueError(f"{name} must be {np.dtype(dtype)} of shape {shape}, not {array.dtype} of shape {array.shape}")


@dataclass(frozen=True, slots=True, eq=False)
class BoxTable:
    """True boxes in one camera, a row per person and frame, sorted by frame and then id.

    ``frames`` (N,) int64 from 1; ``ids`` (N,) int64; ``boxes_ltwh_px`` (N, 4) float64 left, top,
    width, height; ``visibility`` (N,) float64, the share of the person that is not hidden.
    """

    frames: I64
    ids: I64
    boxes_ltwh_px: F64
    visibility: F64

    def __post_init__(self) -> None:
        n = len(self.frames)
        _require_rows("frames", self.frames, (n,), np.int64)
        _require_rows("ids", self.ids, (n,), np.int64)
        _require_rows("boxes_ltwh_px", self.boxes_ltwh_px, (n, 4), np.float64)
        _require_rows("visibility", self.visibility, (n,), np.float64)

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True, slots=True, eq=False)
class FloorTable:
    """True places on the floor, a row per person and frame at the truth's ``floor_fps``.

    ``frames`` (N,) int64 from 1, frame k is (k - 1) / floor_fps seconds after the start;
    ``ids`` (N,) int64; ``floor_m`` (N, 2) float64.
    """

    frames: I64
    ids: I64
    floor_m: F64

    def __post_init__(self) -> None:
        n = len(self.frames)
        _require_rows("frames", self.frames, (n,), np.int64)
        _require_rows("ids", self.ids, (n,), np.int64)
        _require_rows("floor_m", self.floor_m, (n, 2), np.float64)

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True, slots=True, eq=False)
class KeypointTable:
    """True keypoints in one camera, a row per person and frame.

    ``frames`` (N,) int64 from 1; ``ids`` (N,) int64; ``keypoints_px`` (N, 17, 3) float64 in COCO
    order: x, y and visibility (0 not in the picture, 1 hidden, 2 seen).
    """

    frames: I64
    ids: I64
    keypoints_px: F64

    def __post_init__(self) -> None:
        n = len(self.frames)
        _require_rows("frames", self.frames, (n,), np.int64)
        _require_rows("ids", self.ids, (n,), np.int64)
        _require_rows("keypoints_px", self.keypoints_px, (n, 17, 3), np.float64)

    def __len__(self) -> int:
        return len(self.frames)
