"""A small store that runs on a recording of grey pictures, in which a detector sees one shopper walk in."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import yaml

from store_layout.geometry import StoreGeometry
from tillfree.live.loop import LiveParts, LiveState, StoreLoop
from tillfree.live.store import AsLive, open_store
from tillfree.live.storefile import StoreConfig, load_store_file
from vision.detectors.base import Detector, Pending
from vision.detectors.batches import BatchWorker
from vision.types import Detections, Frame

SETTINGS = {
    "vision": {"motion": {"use": "never"}},
    "checkout": {"reviews": {"unseen_min_s": 0.1}},
    "live": {"queues": {"depth": 64}},
}
"""Grey pictures do not move, and the detector is to look all the same; a restart takes longer than a tenth of a second; and
a slow machine is to drop no pictures."""


def walked_m(frame_index: int) -> tuple[float, float]:
    """Return where the shopper is: through the gate within two seconds, and then to a shelf."""
    return min(0.3 + 0.08 * frame_index, 2.4), 1.5


class WalkerDetector(Detector):
    """Sees one upright person in each frame, where ``walked_m`` has them."""

    name = fingerprint = "walker"
    input_size_px = (320, 180)

    def __init__(self, geometry: StoreGeometry) -> None:
        self._geometry = geometry
        self._worker = BatchWorker(lambda frames: [self._one(each) for each in frames], 1)

    def begin(self, frame: Frame) -> Pending:
        """Find one person with ankles in each frame."""
        return self._worker.submit(frame)

    def _one(self, frame: Frame) -> Detections:
        x, y = walked_m(frame.index)
        pixels, _ = self._geometry.cameras[frame.camera_id].project(np.array([[x, y, 0.08], [x, y, 1.72]]))
        foot, head = pixels
        box = np.array([[head[0] - 12, head[1], head[0] + 12, foot[1]]], np.float32)
        keypoints = np.zeros((1, 17, 3), np.float32)
        keypoints[0, 15:] = (*foot, 1.0)
        hands = np.full((1, 2, 3), (np.nan, np.nan, 0), np.float32)
        return Detections(
            frame.camera_id, frame.index, frame.captured_at_ns, box, np.ones(1, np.float32), hands, keypoints
        )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


class WalkingStore:
    """The store in ``folder``; each ``run`` is a process that starts and ends."""

    def __init__(
        self,
        folder: Path,
        write_tiny_recording: Any,
        write_video: Any,
        edit_yaml: Any,
        frames: int = 40,
        cameras: tuple[str, ...] = ("cam_a",),
    ) -> None:
        self.cameras = cameras
        self.recording = write_tiny_recording(folder / "walk", cameras)
        for camera in cameras:
            write_video(self.recording / f"{camera}.mp4", frames, (320, 192))
        edit_yaml(self.recording / "gate_scans.yaml", scans=[{"gate": "door", "at_s": 0.5, "token": "card-1"}])
        # farther off than the tiny recording's, so that the whole person is in the picture at the gate
        layout = yaml.safe_load((self.recording / "layout.yaml").read_text(encoding="utf-8"))
        for camera in layout["cameras"]:
            camera |= {
                "position_m": [2.0, -1.6, 2.8],
                "look_at_m": [1.8, 1.5, 0.9],
                "focal_px": 210.0,
                "resolution_px": [320, 192],
            }
        (self.recording / "layout.yaml").write_text(yaml.safe_dump(layout), encoding="utf-8")
        (self.recording / "settings.yaml").write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
        self.port = free_port()
        self.file = self.recording / "store.yaml"
        self.file.write_text(yaml.safe_dump(self.document()), encoding="utf-8")
        self.told: list[str] = []
        self.states: list[LiveState] = []

    def document(self) -> dict[str, object]:
        return {
            "version": 1,
            "layout": "layout.yaml",
            "settings": "settings.yaml",
            "cameras": [{"id": camera, "source": f"{camera}.mp4"} for camera in self.cameras],
            "listen": {"port": self.port},
        }

    def config(self) -> StoreConfig:
        return load_store_file(self.file, os.environ)

    def open(self, stack: ExitStack, speed: float = 4.0) -> LiveParts:
        config = self.config()
        detector = WalkerDetector(StoreGeometry(config.store))
        return open_store(config, AsLive(self.recording, speed), None, self.told.append, stack, detector)

    def run(self, for_s: float | None = None, *, end_visits: bool = True) -> LiveParts:
        """Run to the recording's end, or for so many of its seconds; return the parts as they were left."""
        with ExitStack() as stack:
            parts = self.open(stack)
            until_ns = None if for_s is None else parts.clock() + round(for_s * 1e9)
            StoreLoop(parts, self.states.append).run(Event(), until_ns, end_visits=end_visits)
            return parts
