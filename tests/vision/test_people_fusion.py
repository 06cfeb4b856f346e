"""People on the floor of a small store, from boxes that its cameras would see of walking bodies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from store_layout.files import load_store
from store_layout.geometry import StoreGeometry
from vision.people import PeopleFusion, PeopleSettings
from vision.people.fusion import FloorEvent
from vision.types import Detections, GateCrossing, People, PersonVanished, Tracks

FPS = 10
CAMERAS = ("north", "south", "west")
Walk = Sequence[tuple[float, float, float]]
"""Time, x and y of a walk's corners."""


@pytest.fixture(scope="module")
def geometry(repo_dir: Path) -> StoreGeometry:
    return StoreGeometry(load_store(repo_dir / "tests/data/small_store.yaml"))


def at(walk: Walk, time_s: float) -> tuple[float, float] | None:
    times = [corner[0] for corner in walk]
    if not times[0] <= time_s <= times[-1]:
        return None
    return tuple(float(np.interp(time_s, times, [corner[axis] for corner in walk])) for axis in (1, 2))  # type: ignore[return-value]


def body(x: float, y: float) -> np.ndarray:
    angles = np.linspace(0, 2 * math.pi, 8, endpoint=False)
    ring = np.stack([x + 0.22 * np.cos(angles), y + 0.22 * np.sin(angles)], axis=1)
    return np.concatenate([np.c_[ring, np.full(8, z)] for z in (0.0, 0.9, 1.72)])


def tracks_at(
    geometry: StoreGeometry,
    camera_id: str,
    index: int,
    places: dict[int, tuple[float, float]],
    noise: np.random.Generator,
) -> Tracks:
    """Boxes of cylinders with 2 px of noise, the right hand 0.4 m beside the body, a colour each."""
    camera = geometry.cameras[camera_id]
    boxes, hands, ids, looks = [], [], [], []
    for person, (x, y) in places.items():
        pixels, _ = camera.project(body(x, y))
        if np.isnan(pixels).any() or not camera.in_picture(pixels[[8]])[0]:
            continue
        corners = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)]) + noise.normal(0, 2, 4)
        box = np.clip(corners, 0, [camera.width_px, camera.height_px] * 2)
        hand, _ = camera.project(np.array([[x - 0.4, y, 1.1]]))
        boxes.append(box)
        hands.append([[np.nan, np.nan, 0], [*(hand[0] + noise.normal(0, 1.5, 2)), 0.9]])
        ids.append(person)
        looks.append(np.eye(8)[person] * 0.8 + 0.2)
    n = len(boxes)
    look = np.array(looks, np.float32).reshape(n, 8)
    found = Detections(
        camera_id,
        index,
        index * 1_000_000_000 // FPS,
        np.array(boxes, np.float32).reshape(n, 4),
        np.full(n, 0.9, np.float32),
        np.array(hands, np.float32).reshape(n, 2, 3),
        appearance=look / np.maximum(np.linalg.norm(look, axis=1, keepdims=True), 1e-9),
    )
    return Tracks(found, np.array(ids, np.int64).reshape(n), np.arange(n))


def with_ankles(geometry: StoreGeometry, tracks: Tracks, places: dict[int, tuple[float, float]]) -> Tracks:
    keypoints = np.zeros((len(tracks), 17, 3), np.float32)
    for row, person in enumerate(tracks.track_ids.tolist()):
        pixels, _ = geometry.cameras[tracks.detections.camera_id].project(np.array([[*places[person], 0.08]]))
        keypoints[row, 15:] = (*pixels[0], 0.9)
    return replace(tracks, detections=replace(tracks.detections, keypoints_px=keypoints))


def played(
    geometry: StoreGeometry,
    walks: dict[int, Walk],
    seconds: float,
    *,
    blind: tuple[float, float] = (-1.0, -1.0),
    cameras: Sequence[str] = CAMERAS,
    relabelled_from_s: float = 1e9,
    ankles: bool = False,
) -> tuple[list[People], list[FloorEvent]]:
    """Play walks; nobody is seen during ``blind``; cameras give new track ids from ``relabelled_from_s`` on.

    With ``ankles`` the detector tells those of its people, besides boxes.
    """
    noise = np.random.default_rng(7)
    fusion = PeopleFusion(geometry, PeopleSettings())
    frames: list[People] = []
    events: list[FloorEvent] = []
    for index in range(round(seconds * FPS)):
        time_s = index / FPS
        here = {person: place for person, walk in walks.items() if (place := at(walk, time_s)) is not None}
        here = {} if blind[0] <= time_s < blind[1] else here
        tracks = [tracks_at(geometry, camera, index, here, noise) for camera in cameras]
        tracks = [with_ankles(geometry, each, here) for each in tracks] if ankles else tracks
        if time_s >= relabelled_from_s:
            tracks = [Tracks(each.detections, each.track_ids + 10, each.rows) for each in tracks]
        people, found = fusion.update(index * 1_000_000_000 // FPS, tracks)
        frames.append(people)
        events += found
    return frames, events + list(fusion.finish(round(seconds * 1e9)))


SHOPPER: Walk = ((0, 4.0, 0.2), (4, 4.0, 3.0), (8, 1.7, 3.0), (12, 1.7, 4.6), (16, 4.0, 4.4), (22, 4.0, 0.2))
SECOND: Walk = ((3, 4.1, 0.2), (7, 3.0, 3.2), (10, 1.9, 4.3), (14, 2.0, 2.9), (18, 3.8, 2.5), (22, 4.1, 0.2))


def test_a_shopper_is_followed_in_and_out_by_one_id(geometry: StoreGeometry) -> None:
    frames, events = played(geometry, {1: SHOPPER}, 32)
    crossings = [event for event in events if isinstance(event, GateCrossing)]
    assert [(c.person_id, c.gate_id, c.direction) for c in crossings] == [(1, "door", "in"), (1, "door", "out")]
    assert {int(i) for people in frames for i in people.person_ids} == {1}
    assert [type(event) for event in events if not isinstance(event, GateCrossing)] == [PersonVanished]
    errors = [
        math.dist(place, people.floor_m[0])
        for index, people in enumerate(frames)
        if len(people) and people.cameras[0] and (place := at(SHOPPER, index / FPS)) is not None
    ]
    assert np.median(errors) < 0.12
    assert np.percentile(errors, 95) < 0.35


def test_hands_meet_where_two_cameras_see_them(geometry: StoreGeometry) -> None:
    frames, _ = played(geometry, {1: SHOPPER}, 16)
    errors = []
    for index, people in enumerate(frames):
        place = at(SHOPPER, index / FPS)
        if place is not None and len(people) and len(people.cameras[0]) >= 2 and people.hands_confidence[0, 1] > 0:
            errors.append(math.dist((place[0] - 0.4, place[1], 1.1), people.hands_m[0, 1]))
    assert len(errors) > 40
    assert np.median(errors) < 0.04


def test_an_unseen_shopper_inside_stays_and_comes_back_under_the_same_id(geometry: StoreGeometry) -> None:
    frames, events = played(geometry, {1: SHOPPER}, 16, blind=(5.0, 11.0), relabelled_from_s=8.0)
    assert {int(i) for people in frames for i in people.person_ids} == {1}
    assert all(len(people) == 1 and people.cameras == ((),) for people in frames[51:110])
    assert not any(isinstance(event, PersonVanished) for event in events)


@pytest.mark.parametrize(("ankles", "known_again_by_s"), [(True, 11.8), (False, 12.9)])
def test_a_whole_body_where_somebody_was_lost_is_soon_known_to_be_them(
    geometry: StoreGeometry, ankles: bool, known_again_by_s: float
) -> None:
    frames, _ = played(geometry, {1: SHOPPER}, 14, blind=(5.0, 11.0), relabelled_from_s=8.0, ankles=ankles)
    assert {int(i) for people in frames for i in people.person_ids} == {1}
    seen = [index / FPS for index, people in enumerate(frames) if index >= 110 and people.cameras[0]]
    assert known_again_by_s - 0.7 <= seen[0] <= known_again_by_s


def test_two_shoppers_keep_their_ids_while_their_ways_cross(geometry: StoreGeometry) -> None:
    frames, events = played(geometry, {1: SHOPPER, 2: SECOND}, 21)
    for index, people in enumerate(frames):
        for row, person_id in enumerate(people.person_ids.tolist()):
            place = at((SHOPPER, SECOND)[person_id - 1], index / FPS)
            if place is not None and people.cameras[row]:
                assert math.dist(place, people.floor_m[row]) < 0.8
    assert {e.person_id for e in events if isinstance(e, GateCrossing) and e.direction == "in"} == {1, 2}


def test_an_exchange_of_track_ids_does_not_exchange_people(geometry: StoreGeometry) -> None:
    still: dict[int, Walk] = {1: ((0, 2.0, 3.0), (10, 2.0, 3.0)), 2: ((0, 4.0, 3.0), (10, 4.0, 3.0))}
    noise = np.random.default_rng(1)
    fusion = PeopleFusion(geometry, PeopleSettings())
    places: dict[int, set[int]] = {}
    for index in range(60):
        here = {person: place for person, walk in still.items() if (place := at(walk, index / FPS)) is not None}
        tracks = [tracks_at(geometry, camera, index, here, noise) for camera in CAMERAS]
        if index >= 30:
            tracks = [Tracks(each.detections, 3 - each.track_ids, each.rows) for each in tracks]
        people, _ = fusion.update(index * 1_000_000_000 // FPS, tracks)
        for row, person_id in enumerate(people.person_ids.tolist()):
            places.setdefault(person_id, set()).add(round(float(people.floor_m[row, 0])))
    assert sorted(sorted(each) for each in places.values()) == [[2], [4]]
    assert fusion.person_of_track[("west", 1)] != fusion.person_of_track[("west", 2)]


def test_whoever_stands_off_the_floor_is_nobody(geometry: StoreGeometry) -> None:
    frames, events = played(geometry, {1: ((0, 4.0, -1.2), (5, 4.0, -1.2))}, 5)
    assert all(len(people) == 0 for people in frames)
    assert events == []


def test_the_same_input_gives_the_same_output(geometry: StoreGeometry) -> None:
    runs = [played(geometry, {1: SHOPPER, 2: SECOND}, 10) for _ in range(2)]
    for a, b in zip(runs[0][0], runs[1][0], strict=True):
        assert a.floor_m.tobytes() == b.floor_m.tobytes()
        assert a.hands_m.tobytes() == b.hands_m.tobytes()
    assert runs[0][1] == runs[1][1]


MEET: dict[int, Walk] = {
    1: ((0, 1.6, 3.0), (4, 2.5, 3.0), (6, 2.5, 3.0), (10, 1.3, 3.0), (13, 1.3, 3.2)),
    2: ((0, 3.8, 3.1), (4, 2.8, 3.1), (6, 2.8, 3.1), (10, 3.9, 3.1), (13, 3.9, 3.3)),
}


def test_two_who_turn_back_where_nobody_sees_it_are_known_by_their_colours(geometry: StoreGeometry) -> None:
    frames, events = played(geometry, MEET, 13, blind=(3.5, 6.5), relabelled_from_s=6.0)
    first = {round(float(place[0])): int(i) for i, place in zip(frames[15].person_ids, frames[15].floor_m, strict=True)}
    last = {round(float(place[0])): int(i) for i, place in zip(frames[-1].person_ids, frames[-1].floor_m, strict=True)}
    assert sorted(first) == [2, 3]
    assert (last[1], last[4]) == (first[2], first[3])
    assert any(people.uncertain.any() for people in frames), "while unseen and near they may be taken for each other"
    assert not frames[-1].uncertain.any(), "their colours have settled it"
    assert not any(isinstance(event, PersonVanished) for event in events)
