"""The pictures beside an interaction: which camera's, and from when."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest

from store_layout.files import load_store
from store_layout.geometry import StoreGeometry
from tillfree.report.pictures import PictureBuffer
from vision.types import EvidenceFrame, Frame, Interaction

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def geometry(repo_dir: Path) -> StoreGeometry:
    return StoreGeometry(load_store(repo_dir / "sample_videos" / "store" / "layout.yaml"))


def interaction(slot_id: str, evidence: tuple[EvidenceFrame, ...]) -> Interaction:
    shelf_id = slot_id.rsplit("/", 1)[0]
    return Interaction("i-1", shelf_id, slot_id, 5 * SECOND, 6 * SECOND, -1, 0.9, (), (), evidence)


def grey(picture: str | None) -> int:
    """Return the grey of a data address's picture."""
    assert picture is not None
    data = np.frombuffer(base64.b64decode(picture.partition(",")[2]), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return round(float(np.median(image)) / 20)


def buffered(geometry: StoreGeometry) -> PictureBuffer:
    """Return eight seconds of all cameras; the grey of a frame is 20 times its second."""
    buffer = PictureBuffer(geometry)
    for second in range(9):
        for camera in geometry.store.cameras:
            width, height = camera.resolution_px
            image = np.full((height, width, 3), 20 * second, np.uint8)
            buffer.keep(Frame(camera.id, second, second * SECOND, image))
    return buffer


def test_before_is_the_last_clear_look_of_a_camera_that_saw_the_change(geometry: StoreGeometry) -> None:
    slot_id = geometry.slots[0].slot_id
    seeing = [c for c in geometry.cameras if geometry.sees(c, geometry.slots[0].front_corners_m).all()]
    for camera in seeing:
        looks = (EvidenceFrame(camera, 2, 2 * SECOND), EvidenceFrame(camera, 7, 7 * SECOND))
        found = buffered(geometry).evidence(interaction(slot_id, looks))
        assert found is not None
        assert found.camera_id == camera
        assert (grey(found.before), grey(found.after)) == (2, 8)


def test_without_such_a_camera_before_is_before_the_hand(geometry: StoreGeometry) -> None:
    found = buffered(geometry).evidence(interaction(geometry.slots[0].slot_id, ()))
    assert found is not None
    assert grey(found.before) == 4
