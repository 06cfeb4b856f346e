"""A tiny recording that tests of the shell share: ten frames of one camera, written on the spot."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import yaml

WIDTH_PX, HEIGHT_PX, FPS = 160, 96, 10
STARTED_AT = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.UTC)


def write_video(
    path: Path,
    frames: int = 10,
    size_px: tuple[int, int] = (WIDTH_PX, HEIGHT_PX),
    ticks_ms: Sequence[int] | None = None,
) -> Path:
    """Write an H.264 mp4 in which frame k is evenly grey at 20 + 20 k; ``ticks_ms`` sets uneven times."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "18", "threads": "1"})
        stream.width, stream.height = size_px
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for k in range(frames):
            picture = np.full((size_px[1], size_px[0], 3), min(20 + 20 * k, 235), np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts = ticks_ms[k] if ticks_ms else k * 1000 // FPS
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def tiny_layout(cameras: Sequence[str] = ("cam_a",)) -> dict[str, object]:
    """Return a layout document: a shop of 4 x 3 m, one gate, one shelf with two products."""
    camera = {
        "resolution_px": [WIDTH_PX, HEIGHT_PX],
        "fps": FPS,
        "position_m": [2.0, 0.1, 2.6],
        "look_at_m": [2.0, 2.2, 0.8],
        "focal_px": 110.0,
    }
    slots = [
        {"id": "tea", "sku": "tea", "from_m": 0.0, "to_m": 0.5, "units_deep": 3},
        {"id": "jam", "sku": "jam", "from_m": 0.5, "to_m": 1.0, "units_deep": 3},
    ]
    gondola = {
        "id": "g1",
        "front_left_m": [2.5, 2.5],
        "facing_deg": 270.0,
        "width_m": 1.0,
        "depth_m": 0.4,
        "height_m": 1.6,
        "shelves": [{"id": "s1", "height_m": 0.9, "clearance_m": 0.3, "slots": slots}],
    }
    return {
        "version": 1,
        "name": "Tiny",
        "currency": "EUR",
        "tax_classes": {"standard": {"rate_percent": 20}},
        "floor_m": [[0, 0], [4, 0], [4, 3], [0, 3]],
        "gates": [{"id": "door", "kind": "both", "line_m": [[1.0, 2.0], [1.0, 1.0]]}],
        "cameras": [{"id": camera_id, **camera} for camera_id in cameras],
        "gondolas": [gondola],
        "products": [
            {"sku": "tea", "name": "Tea", "price_minor": 250},
            {"sku": "jam", "name": "Jam", "price_minor": 340},
        ],
    }


def write_tiny_recording(folder: Path, cameras: Sequence[str] = ("cam_a",)) -> Path:
    """Write a recording of ten frames from each of ``cameras`` into ``folder`` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_yaml(folder / "layout.yaml", tiny_layout(cameras))
    for camera_id in cameras:
        write_video(folder / f"{camera_id}.mp4")
    recording = {
        "version": 1,
        "name": "tiny",
        "started_at": STARTED_AT.isoformat(),
        "cameras": [{"id": camera_id, "video": f"{camera_id}.mp4"} for camera_id in cameras],
    }
    write_yaml(folder / "recording.yaml", recording)
    write_yaml(folder / "gate_scans.yaml", {"version": 1, "scans": [{"gate": "door", "at_s": 0.1, "token": "card-1"}]})
    return folder


def write_yaml(path: Path, document: object) -> Path:
    """Write ``document`` to ``path``."""
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def edit_yaml(path: Path, **changes: object) -> None:
    """Set top-level keys of the YAML file ``path``."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    write_yaml(path, {**document, **changes})


@pytest.fixture
def tiny_recording(tmp_path: Path) -> Path:
    """Return the folder of a fresh recording with one camera of ten frames."""
    return write_tiny_recording(tmp_path / "some folder")


@pytest.fixture(name="write_video")
def _write_video() -> Callable[..., Path]:
    """Return the writer of small videos."""
    return write_video


@pytest.fixture(name="write_tiny_recording")
def _write_tiny_recording() -> Callable[..., Path]:
    """Return the writer of tiny recordings with any cameras."""
    return write_tiny_recording


@pytest.fixture(name="edit_yaml")
def _edit_yaml() -> Callable[..., None]:
    """Return what sets top-level keys of a YAML file."""
    return edit_yaml
