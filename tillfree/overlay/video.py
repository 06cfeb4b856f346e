"""The annotated video: all cameras beside the floor map and the carts, one picture an instant."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

from store_layout.geometry import StoreGeometry
from tillfree.overlay.cameras import CameraOverlay
from tillfree.overlay.floor_map import FloorMap
from tillfree.overlay.panel import draw_panel
from tillfree.overlay.style import U8
from tillfree.overlay.view import InstantView

_TILE_PX = (640, 360)
_SIDE_PX = 360
_MIN_HEIGHT_PX = 720


class Compositor:
    """Puts camera tiles, floor map and carts into one picture."""

    def __init__(self, geometry: StoreGeometry) -> None:
        self._overlays = [CameraOverlay(geometry, camera) for camera in geometry.cameras]
        self._columns = 1 if len(self._overlays) == 1 else 2
        rows = math.ceil(len(self._overlays) / self._columns)
        self.height_px = max(_MIN_HEIGHT_PX, rows * _TILE_PX[1])
        self.width_px = self._columns * _TILE_PX[0] + _SIDE_PX
        self._map_px = self.height_px * 45 // 100
        self._map = FloorMap(geometry, _SIDE_PX, self._map_px)

    def draw(self, view: InstantView) -> U8:
        """Return the picture of one instant, BGR uint8 (height_px, width_px, 3)."""
        canvas = np.full((self.height_px, self.width_px, 3), 12, np.uint8)
        for number, overlay in enumerate(self._overlays):
            tile = overlay.draw(view)
            row, column = divmod(number, self._columns)
            top, left = row * _TILE_PX[1], column * _TILE_PX[0]
            canvas[top : top + _TILE_PX[1], left : left + _TILE_PX[0]] = _letterbox(tile)
        side = self._columns * _TILE_PX[0]
        canvas[: self._map_px, side:] = self._map.draw(view)
        canvas[self._map_px :, side:] = draw_panel(view.carts, view.messages, _SIDE_PX, self.height_px - self._map_px)
        return canvas


def _letterbox(picture: U8) -> U8:
    height, width = picture.shape[:2]
    if (width, height) == _TILE_PX:
        return picture
    scale = min(_TILE_PX[0] / width, _TILE_PX[1] / height)
    small = cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    tile = np.zeros((_TILE_PX[1], _TILE_PX[0], 3), np.uint8)
    top, left = (_TILE_PX[1] - small.shape[0]) // 2, (_TILE_PX[0] - small.shape[1]) // 2
    tile[top : top + small.shape[0], left : left + small.shape[1]] = small
    return tile


class VideoWriter:
    """Encodes pictures as H.264, beside the final name until it is complete."""

    def __init__(self, path: Path, width_px: int, height_px: int, fps: float) -> None:
        self._path = path
        self._part = path.with_name(path.stem + ".part" + path.suffix)
        self._size_px = (width_px, height_px)
        self._fps = Fraction(fps).limit_denominator(1000)
        self._container: Any = None
        self._stream: Any = None

    def __enter__(self) -> Self:
        import av

        self._container = av.open(str(self._part), "w")
        self._stream = self._container.add_stream(
            "libx264", rate=self._fps, options={"crf": "27", "preset": "veryfast"}
        )
        self._stream.width, self._stream.height = self._size_px
        self._stream.pix_fmt = "yuv420p"
        return self

    def write(self, picture: U8) -> None:
        """Append one picture, BGR uint8 of the size given at the start."""
        import av

        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        self._container.mux(self._stream.encode(frame))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._container.mux(self._stream.encode(None))
        self._container.close()
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)
