"""What the dashboard hears of a store that runs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from checkout.state import State
from checkout.types import CartEvent, CartLine, GateScanned, PersonBound, VisitOpened
from dashboard.live.hub import Hub
from dashboard.live.types import Floor, Now, Tile
from store_layout.files import load_store
from store_layout.geometry import StoreGeometry
from tests.tillfree.live.camera_rig import REPO
from tillfree.folds import StoreFold
from tillfree.live.node import AlertRow, CameraRow, NodeView, VisitRow, VisitState
from tillfree.live.tap import LiveTap
from vision.pipeline import Instant
from vision.types import Detections, Frame, Observation, People, SlotViews, Tracks

S = 1_000_000_000


class Ear(Hub):
    """A hub that keeps what it is told."""

    def __init__(self, *cameras: str) -> None:
        super().__init__()
        self.cameras = cameras
        self.tiles: list[Tile] = []
        self.floors: list[Floor] = []
        self.nows: list[Now] = []

    def wants(self, camera_id: str) -> bool:
        return camera_id in self.cameras

    def tile(self, tile: Tile) -> None:
        self.tiles.append(tile)

    def floor(self, floor: Floor) -> None:
        self.floors.append(floor)

    def now(self, now: Now) -> None:
        self.nows.append(now)


@pytest.fixture(scope="module")
def geometry() -> StoreGeometry:
    """A store whose cameras' pictures are 1280 x 720."""
    store = load_store(REPO / "sample_videos/store/layout.yaml")
    cameras = tuple(camera.model_copy(update={"resolution_px": (1280, 720)}) for camera in store.cameras)
    return StoreGeometry(store.model_copy(update={"cameras": cameras}))


@pytest.fixture
def ear() -> Iterator[Ear]:
    found = Ear("cam1")
    yield found
    found.close()


def seen(camera_id: str, at_ns: int) -> tuple[Frame, Observation]:
    """Return a frame of 1280 x 720 with one person in it."""
    hands = np.array([[[200, 300, 0.9], [np.nan, np.nan, 0]]], np.float32)
    points = np.zeros((1, 17, 3), np.float32)
    points[0, 0] = (150, 90, 0.8)
    found = Detections(
        camera_id, 0, at_ns, np.array([[100, 80, 300, 600]], np.float32), np.ones(1, np.float32), hands, points
    )
    views = SlotViews(
        camera_id, 0, at_ns, np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 2, 2), np.bool_),
        np.zeros((0, 4, 4, 3), np.uint8), np.zeros((0, 1), np.float32),
    )  # fmt: skip
    return Frame(camera_id, 0, at_ns, np.full((720, 1280, 3), 90, np.uint8)), Observation(found, views)


def instant(observation: Observation, person: int = 7) -> Instant:
    found = observation.detections
    tracks = Tracks(found, np.array([1], np.int64), np.array([0], np.int64))
    people = People(
        found.captured_at_ns,
        np.array([person], np.int64),
        np.array([[1.5, 2.5]]),
        np.eye(2)[None],
        np.array([[[1.0, 2.0, 1.1], [np.nan] * 3]]),
        np.array([[0.9, 0.0]]),
        ((found.camera_id,),),
        np.array([True]),
    )
    return Instant(found.captured_at_ns, (tracks,), people, {(found.camera_id, 1): person}, ())


def test_a_picture_comes_with_who_is_in_it_scaled_to_the_tile(ear: Ear, geometry: StoreGeometry) -> None:
    tap = LiveTap(ear, geometry)
    frame, observation = seen("cam1", 5 * S)
    tap.observed(frame, observation)
    assert ear.tiles == []
    tap.happened(instant(observation))
    (tile,) = ear.tiles
    assert (tile.camera_id, tile.captured_at_ns, tile.image.shape) == ("cam1", 5 * S, (360, 640, 3))
    (body,) = tile.bodies
    assert body.box_px == (50, 40, 150, 300)
    assert body.person_id == 7
    assert body.hands_px == ((100, 150),)
    assert body.keypoints_px[0] == (75, 45)
    assert set(body.keypoints_px[1:]) == {None}


def test_pictures_that_nobody_wants_are_not_touched(ear: Ear, geometry: StoreGeometry) -> None:
    tap = LiveTap(ear, geometry)
    frame, observation = seen("cam2", 5 * S)
    tap.observed(frame, observation)
    tap.happened(instant(observation))
    assert ear.tiles == []
    assert len(ear.floors) == 1


def test_a_pictures_own_memory_is_not_kept(ear: Ear, geometry: StoreGeometry) -> None:
    tap = LiveTap(ear, geometry)
    _, observation = seen("cam1", 5 * S)
    image = np.full((360, 640, 3), 33, np.uint8)
    tap.observed(Frame("cam1", 0, 5 * S, image), observation)
    image[:] = 0  # its memory goes back to whoever decodes
    tap.happened(instant(observation))
    assert ear.tiles[0].image.max() == 33


def test_late_pictures_do_not_pile_up(ear: Ear, geometry: StoreGeometry) -> None:
    tap = LiveTap(ear, geometry)
    for at in range(200):
        tap.observed(*seen("cam1", at))
    tap.happened(instant(seen("cam1", 0)[1]))
    assert ear.tiles == []
    tap.happened(instant(seen("cam1", 199)[1]))
    assert len(ear.tiles) == 1


def store_of(*probabilities: float) -> tuple[NodeView, State, StoreFold, list[CartEvent]]:
    """Return a store with one visit, whose cart had changes of these probabilities."""
    events: list[CartEvent] = []
    state, fold = State(), StoreFold()
    for event in (
        GateScanned("s-1", "door", S, "card", 1),
        VisitOpened("v-1", S, "s-1", "card", 1),
        PersonBound(7, "v-1", 2 * S),
    ):
        state.apply(event)
        fold.apply(event)
    for number, probability in enumerate(probabilities):
        events.append(CartEvent(f"c-{number}", "taken", "v-1", "sku-1", 1, 3 * S, None, probability, None, 7))
    lines = (CartLine("sku-1", len(events)),)
    row = VisitRow("v-1", "s-1", "card", VisitState.SHOPPING, S, 1, 1, lines)
    cameras = (CameraRow("cam1", True, 9.6, 4 * S), CameraRow("cam2", False, 0.0, None, "connecting"))
    view = NodeView(
        5 * S, is_open=True, people_inside=1, visits=(row,), cameras=cameras, alerts=(AlertRow(S, "x", "look"),)
    )
    return view, state, fold, events


def test_carts_say_how_sure_each_line_is(ear: Ear, geometry: StoreGeometry) -> None:
    tap = LiveTap(ear, geometry)
    view, state, fold, events = store_of(0.99, 0.71, 0.9)
    tap.begin(events)
    tap.published(view, state, fold)
    (visit,) = ear.nows[-1].visits
    assert (visit.number, visit.people) == (0, (7,))
    assert [(line.quantity, line.probability) for line in visit.lines] == [(3, 0.71)]
    tap.written(CartEvent("c-9", "corrected", "v-1", "sku-1", -1, 6 * S, None, 1.0, None))
    tap.published(view, state, fold)
    assert ear.nows[-1].visits[0].lines[0].probability == 1.0
    assert [(each.camera_id, each.is_up) for each in ear.nows[-1].cameras] == [("cam1", True), ("cam2", False)]
    assert ear.nows[-1].alerts == ("look",)


def test_the_floor_says_whose_visit_each_is(ear: Ear, geometry: StoreGeometry) -> None:
    tap = LiveTap(ear, geometry)
    view, state, fold, _ = store_of()
    tap.published(view, state, fold)
    tap.happened(instant(seen("cam1", 6 * S)[1]))
    (walker,) = ear.floors[-1].people
    assert (walker.person_id, walker.visit, walker.floor_m) == (7, "v-1", (1.5, 2.5))
    assert walker.is_uncertain
    assert walker.hands_m == ((1.0, 2.0, 1.1),)
