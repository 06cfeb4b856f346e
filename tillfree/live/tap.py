"""What the dashboard hears of a store that runs: pictures with what was found in them, the floor, and carts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

import cv2
import numpy as np

from checkout.state import State
from checkout.types import CartEvent, ReceiptFinalised
from dashboard.live.hub import Hub
from dashboard.live.plan import tile_size
from dashboard.live.types import Body, CameraNow, CartLineNow, Floor, Now, Point, Tile, VisitNow, Walker
from store_layout.geometry import StoreGeometry
from tillfree.folds import StoreFold
from tillfree.live.node import NodeView, VisitRow
from vision.pipeline import Instant
from vision.types import F32, U8, Frame, Observation, People, Tracks

_HELD = 64
"""Pictures that wait for their instant: a second of six cameras. More are late, and nobody is shown them."""

_SEEN_POINT = 0.4
"""Confidence from which a joint or a hand is drawn; as in ``tillfree.overlay``."""

_ALERTS = 5


class LiveTap:
    """A ``Watcher`` of the engine that feeds a hub; costs next to nothing while nobody looks."""

    def __init__(self, hub: Hub, geometry: StoreGeometry) -> None:
        self._hub = hub
        self._sizes = {name: tile_size((each.width_px, each.height_px)) for name, each in geometry.cameras.items()}
        self._widths_px = {name: each.width_px for name, each in geometry.cameras.items()}
        self._names = {product.sku: product.name for product in geometry.store.products}
        self._held: OrderedDict[tuple[str, int], U8] = OrderedDict()
        self._visit_of: Mapping[int, str | None] = {}
        self._sure: dict[str, dict[str, float]] = {}

    # -- from the engine ----------------------------------------------------------------

    def observed(self, frame: Frame, observation: Observation) -> None:
        """Keep a picture that somebody wants to see until its instant is told."""
        del observation
        if not self._hub.wants(frame.camera_id):
            return
        size = self._sizes[frame.camera_id]
        small: U8 = np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), np.uint8)
        self._held[frame.camera_id, frame.captured_at_ns] = small if small is not frame.image else small.copy()
        while len(self._held) > _HELD:
            self._held.popitem(last=False)

    def happened(self, instant: Instant) -> None:
        """Show an instant: its pictures with who is in them, and the floor."""
        for tracks in instant.tracks:
            self._show(tracks, instant.person_of_track)
        self._hub.floor(Floor(instant.captured_at_ns, tuple(self._walkers(instant.people))))

    def _show(self, tracks: Tracks, person_of: Mapping[tuple[str, int], int]) -> None:
        found = tracks.detections
        image = self._held.pop((found.camera_id, found.captured_at_ns), None)
        if image is not None:
            scale = image.shape[1] / self._widths_px[found.camera_id]
            bodies = tuple(_bodies(tracks, person_of, scale))
            self._hub.tile(Tile(found.camera_id, found.captured_at_ns, image, bodies))

    def _walkers(self, people: People) -> Iterable[Walker]:
        for row, person in enumerate(people.person_ids.tolist()):
            x_m, y_m = people.floor_m[row].tolist()
            hands = people.hands_m[row][np.isfinite(people.hands_m[row]).all(axis=1)].tolist()
            yield Walker(
                person,
                (x_m, y_m),
                self._visit_of.get(person),
                is_seen=bool(people.cameras[row]),
                is_uncertain=bool(people.uncertain[row]),
                hands_m=tuple(tuple(hand) for hand in hands),
            )

    # -- from the loop --------------------------------------------------------------------

    def begin(self, events: Iterable[CartEvent]) -> None:
        """Take what the log had of carts at the start."""
        for event in events:
            self.written(event)

    def written(self, event: object) -> None:
        """Hear of what was written to the log: how sure each line of a cart is."""
        match event:
            case CartEvent() if event.visit_id is not None:
                sure = self._sure.setdefault(event.visit_id, {})
                before = 1.0 if event.kind == "corrected" else sure.get(event.sku, 1.0)
                sure[event.sku] = min(before, event.probability)
            case ReceiptFinalised():
                self._sure.pop(event.visit_id, None)
            case _:
                pass

    def published(self, view: NodeView, state: State, fold: StoreFold) -> None:
        """Tell how the store is."""
        self._visit_of = {number: person.visit_id for number, person in state.persons.items() if person.inside}
        people: dict[str, list[int]] = {}
        for number, visit_id in self._visit_of.items():
            if visit_id is not None:
                people.setdefault(visit_id, []).append(number)
        self._hub.now(
            Now(
                view.at_ns,
                view.is_open,
                view.people_inside,
                tuple(self._visit(row, fold.visits[row.visit_id].number, people) for row in view.visits),
                len(view.reviews),
                tuple(CameraNow(row.camera_id, row.is_up, row.frames_per_s, row.detail) for row in view.cameras),
                view.faults,
                tuple(alert.detail for alert in view.alerts[-_ALERTS:]),
            )
        )

    def _visit(self, row: VisitRow, number: int, people: Mapping[str, list[int]]) -> VisitNow:
        sure = self._sure.get(row.visit_id, {})
        lines = tuple(
            CartLineNow(line.sku, self._names.get(line.sku, line.sku), line.quantity, sure.get(line.sku, 1.0))
            for line in row.lines
        )
        return VisitNow(
            row.visit_id,
            number,
            row.state.value,
            row.opened_at_ns,
            row.party_size,
            tuple(people.get(row.visit_id, ())),
            lines,
            len(row.open_review_ids),
            row.refused,
        )


def _bodies(tracks: Tracks, person_of: Mapping[tuple[str, int], int], scale: float) -> Iterable[Body]:
    found = tracks.detections
    for row, track in enumerate(tracks.track_ids.tolist()):
        left, top, right, bottom = (found.boxes_xyxy_px[row] * scale).tolist()
        points = () if found.keypoints_px is None else tuple(_points(found.keypoints_px[row], scale))
        yield Body(
            (left, top, right, bottom),
            person_of.get((found.camera_id, track)),
            tuple(point for point in _points(found.hands_px[row], scale) if point is not None),
            points,
        )


def _points(rows: F32, scale: float) -> Iterable[Point | None]:
    """Yield x and y of (N, 3) points that are seen, None for the others."""
    for x_px, y_px, seen in rows.tolist():
        yield (x_px * scale, y_px * scale) if seen >= _SEEN_POINT else None
