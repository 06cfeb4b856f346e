"""A real film with layouts fitted by hand: one shopper, two reaches, people behind glass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from store_layout.files import load_store
from store_layout.geometry import StoreGeometry
from vision.detectors import DetectorSettings, load_detector
from vision.people import PeopleFusion, PeopleSettings
from vision.people.fusion import FloorEvent
from vision.people.sightings import FloorView
from vision.people.sync import SyncSettings, clocks, walks_of
from vision.tracking import TrackingSettings, make_tracker
from vision.types import Detections, Frame, GateCrossing, People, PersonVanished, Tracks

FRAME_NS = 100_000_000
REACHES = ((98, 110), (150, 172))
"""Frames of camera 3 in which the film's own list of events has the two picks."""
REACH_MARGIN_M = 0.1
OUT_OF_VIEW = range(56, 90)
"""Frames in which camera 3 sees nobody."""


def frames_of(path: Path, camera_id: str) -> Iterator[Frame]:
    film = cv2.VideoCapture(str(path))
    index = 0
    while True:
        more, image = film.read()
        if not more:
            return
        yield Frame(camera_id, index, index * FRAME_NS, np.asarray(image, np.uint8))
        index += 1


@pytest.fixture(scope="module")
def detections(shared_dir: Path) -> dict[str, list[Detections]]:
    detector = load_detector(shared_dir / "models/yolov8n-pose_int8_openvino_model", DetectorSettings())
    clips = shared_dir / "clips/nanostore-real"
    result = {}
    for number in (1, 3, 5, 7):
        camera_id = f"camera-{number}"
        frames = frames_of(clips / f"cps-test-01-nodepth-cam{number}.mp4", camera_id)
        result[camera_id] = [detector.detect([frame])[0] for frame in frames]
    return result


def geometry_of(repo_dir: Path, name: str) -> StoreGeometry:
    return StoreGeometry(load_store(repo_dir / "tests/data/nanostore_real" / name))


def tracked(found: list[Detections]) -> list[Tracks]:
    tracker = make_tracker(TrackingSettings(), 10.0)
    return [tracker.update(each) for each in found]


def fused(geometry: StoreGeometry, found: dict[str, list[Detections]]) -> tuple[list[People], list[FloorEvent]]:
    """Run tracking and fusion, all frames of one tenth of a second together."""
    by_instant: dict[int, list[Tracks]] = {}
    for camera_id in geometry.cameras:
        for tracks in tracked(found[camera_id]):
            by_instant.setdefault(round(tracks.detections.captured_at_ns / FRAME_NS), []).append(tracks)
    fusion = PeopleFusion(geometry, PeopleSettings())
    people: list[People] = []
    events: list[FloorEvent] = []
    for instant in sorted(by_instant):
        here, found_now = fusion.update(instant * FRAME_NS, by_instant[instant])
        people.append(here)
        events += found_now
    return people, events + list(fusion.finish(max(by_instant) * FRAME_NS))


def frames_with_a_hand_in_a_shelf(geometry: StoreGeometry, people: list[People]) -> list[int]:
    return [
        round(here.captured_at_ns / FRAME_NS)
        for here in people
        for hand in here.hands_m.reshape(-1, 3)
        if np.isfinite(hand).all() and any(shelf.contains(hand[None], REACH_MARGIN_M)[0] for shelf in geometry.shelves)
    ]


def check(geometry: StoreGeometry, people: list[People], events: list[FloorEvent]) -> None:
    assert {int(i) for here in people for i in here.person_ids} == {1}, "one person, and nobody from behind the glass"
    crossings = [event for event in events if isinstance(event, GateCrossing)]
    assert [(c.gate_id, c.direction) for c in crossings] == [("entry", "in"), ("exit", "out")]
    assert all(event.at_ns > 250 * FRAME_NS for event in events if isinstance(event, PersonVanished))
    frames = frames_with_a_hand_in_a_shelf(geometry, people)
    for first, last in REACHES:
        assert any(first <= frame <= last for frame in frames)
    near = [frame for frame in frames if any(first - 10 <= frame <= last + 10 for first, last in REACHES)]
    assert len(near) == len(frames)


@pytest.mark.slow
def test_camera_3_alone_keeps_the_shopper_through_being_out_of_view(
    repo_dir: Path, detections: dict[str, list[Detections]]
) -> None:
    geometry = geometry_of(repo_dir, "layout_cam3.yaml")
    people, events = fused(geometry, detections)
    assert not any(
        here.cameras[0] for here in people for _ in [0] if len(here) and here.captured_at_ns // FRAME_NS in OUT_OF_VIEW
    )
    check(geometry, people, events)


@pytest.mark.slow
def test_four_cameras_together(repo_dir: Path, detections: dict[str, list[Detections]]) -> None:
    geometry = geometry_of(repo_dir, "layout_cams1357.yaml")
    check(geometry, *fused(geometry, detections))


@pytest.mark.slow
def test_clock_offsets_follow_a_clock_that_is_moved(repo_dir: Path, detections: dict[str, list[Detections]]) -> None:
    geometry = geometry_of(repo_dir, "layout_cams1357.yaml")
    settings = PeopleSettings().sighting
    walks = {
        camera_id: walks_of(tracked(found), FloorView(geometry, camera_id), settings, SyncSettings())
        for camera_id, found in detections.items()
    }
    offsets = clocks(walks, SyncSettings())
    assert all(abs(clock.offset_s) < 1.0 for clock in offsets.values()), (
        "the cameras started within a second of each other"
    )
    late = [replace(each, captured_at_ns=each.captured_at_ns + 4 * FRAME_NS) for each in detections["camera-7"]]
    walks["camera-7"] = walks_of(tracked(late), FloorView(geometry, "camera-7"), settings, SyncSettings())
    moved = clocks(walks, SyncSettings())
    assert offsets["camera-7"].offset_s - moved["camera-7"].offset_s == pytest.approx(0.4, abs=0.15)


@pytest.mark.parametrize("name", ["layout_cam3.yaml", "layout_cams1357.yaml"])
def test_the_layouts_fit_what_was_marked_in_the_film(repo_dir: Path, name: str) -> None:
    """Board ends lie where the film shows them: 1 px is 4 to 8 mm at the shelves."""
    geometry = geometry_of(repo_dir, name)
    marks = yaml.safe_load((repo_dir / "tests/data/nanostore_real/marks.yaml").read_text(encoding="utf-8"))
    errors = []
    for camera_id, camera in geometry.cameras.items():
        for mark in marks[camera_id]:
            corner = {"left": 3, "right": 2}[mark["end"]]
            end_m = geometry.shelves[geometry.shelf_index(mark["shelf"])].front_corners_m[corner]
            pixels, _ = camera.project(end_m[None])
            errors.append(float(np.hypot(*(pixels[0] - mark["px"]))))
    assert np.median(errors) < 3.0
    assert max(errors) < 12.0
