"""A made-up store full of people, as observations: what cameras, detector and observer would have told of it.

The store is a row of bays of six by five metres, four cameras to a bay, with gondolas along its two walls and a gate. People
come in one after the other, walk from slot to slot, reach in, and take something now and then. They are projected into
each camera with noise, misses and people before people. Whoever measures gets observations and gate scans alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from checkout.types import GateScanned
from store_layout.geometry import CameraModel, SlotPlace, StoreGeometry
from store_layout.model import Camera, Gate, Gondola, Product, Shelf, Slot, Store, TaxClass
from vision.shelves.atlas import GRID, SlotAtlas, make_atlas
from vision.shelves.settings import ObserverSettings
from vision.types import F32, F64, I64, U8, Detections, Observation, SlotViews

BAY_M, DEEP_M = 6.0, 5.0
FPS = 10.0
CAMERAS_A_BAY = 4
FRAME_NS = round(1e9 / FPS)
BETWEEN_S = 0.6
"""How long after one person the next comes through the same gate."""
WALK_M_S, STAND_S, REACH_S = 1.0, 0.6, 1.4
MISSED, WEAK = 0.06, 0.08
"""Shares of people that the detector does not find, and finds with a low score."""
HAND_SEEN, REACHING_HAND_SEEN = 0.3, 0.8
LOOK = 32


def made_store(cameras: int) -> Store:
    """Return a store of ``cameras`` cameras, a multiple of four."""
    bays = range(cameras // CAMERAS_A_BAY)
    gondolas = [gondola for bay in bays for gondola in _gondolas(bay)]
    skus = sorted({slot.sku for gondola in gondolas for shelf in gondola.shelves for slot in shelf.slots})
    wide = BAY_M * len(bays)
    return Store(
        version=1,
        name="made up",
        currency="EUR",
        tax_classes={"standard": TaxClass(rate_percent=Decimal(19))},
        floor_m=((0.0, -1.5), (wide, -1.5), (wide, DEEP_M), (0.0, DEEP_M)),
        gates=tuple(_gate(bay) for bay in bays),
        cameras=tuple(camera for bay in bays for camera in _cameras(bay)),
        gondolas=tuple(gondolas),
        products=tuple(Product(sku=sku, name=sku, price_minor=199, size_m=(0.09, 0.09, 0.2)) for sku in skus),
    )


def _gate(bay: int) -> Gate:
    x = BAY_M * bay + BAY_M / 2
    area = ((x - 0.8, -0.8), (x + 0.8, -0.8), (x + 0.8, 0.9), (x - 0.8, 0.9))
    return Gate(id=f"gate{bay}", line_m=((x - 0.8, 0.0), (x + 0.8, 0.0)), area_m=area)


def _cameras(bay: int) -> Iterator[Camera]:
    left = BAY_M * bay
    for number, (x, y) in enumerate(((0.2, 0.2), (5.8, 0.2), (0.2, 4.8), (5.8, 4.8))):
        yield Camera(
            id=f"cam{bay}-{number}",
            resolution_px=(640, 360),
            fps=FPS,
            position_m=(left + x, y, 2.7),
            look_at_m=(left + BAY_M / 2, DEEP_M - y * 0.98, 0.8),
            focal_px=380,
            distortion=(-0.05, 0.01, 0.0, 0.0, 0.0),
        )


def _gondolas(bay: int) -> Iterator[Gondola]:
    left = BAY_M * bay
    places = (
        (left + 0.4, 4.55, 270, 2.4),
        (left + 3.2, 4.55, 270, 2.4),
        (left + 2.0, 0.45, 90, 1.6),
        (left + 5.6, 0.45, 90, 1.6),
    )
    for number, (x, y, facing, width) in enumerate(places):
        count = round(width / 0.4)
        shelves = tuple(
            Shelf(
                id=f"s{level}",
                height_m=0.6 + 0.36 * level,
                clearance_m=0.33,
                slots=tuple(
                    Slot(id=f"p{k}", sku=f"sku-{number}-{level}-{k}", from_m=0.4 * k, to_m=0.4 * k + 0.4, facings=4)
                    for k in range(count)
                ),
            )
            for level in range(3)
        )
        yield Gondola(
            id=f"g{bay}-{number}",
            front_left_m=(x, y),
            facing_deg=facing,
            width_m=width,
            depth_m=0.42,
            height_m=1.7,
            shelves=shelves,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """What one person does, frame by frame: ``places_m`` (K, 2), and the slot that they reach into (K,), -1 for none."""

    places_m: F64
    reaching: I64
    height_m: float
    look: F32
    enters_ns: int


def _walk(geometry: StoreGeometry, bay: int, enters_s: float, frames: int, rng: np.random.Generator) -> Walk:
    """Return a walk from the street into ``bay`` and from slot to slot until the end."""
    near = [k for k, slot in enumerate(geometry.slots) if slot.gondola_id.startswith(f"g{bay}-")]
    gate_x = BAY_M * bay + BAY_M / 2 + float(rng.uniform(-0.3, 0.3))
    places, reaching = [np.array([gate_x, -1.2])] * round(enters_s * FPS), [-1] * round(enters_s * FPS)
    places, reaching = _go(places, reaching, np.array([gate_x, 1.2]), [np.array([gate_x, -1.2])])
    while len(places) < frames:
        slot = int(rng.choice(near))
        place = geometry.slots[slot]
        stand = place.centre_m[:2] + place.normal[:2] * (place.depth_m / 2 + float(rng.uniform(0.35, 0.55)))
        places, reaching = _go(places, reaching, stand, places[-1:])
        for wait_s, hand in ((STAND_S, -1), (REACH_S, slot), (STAND_S * float(rng.uniform(1, 4)), -1)):
            places += [stand] * round(wait_s * FPS)
            reaching += [hand] * round(wait_s * FPS)
    look = rng.dirichlet(np.full(LOOK, 0.3)).astype(np.float32)
    ids = np.array(reaching[:frames], np.int64)
    return Walk(np.array(places[:frames]), ids, float(rng.normal(1.72, 0.07)), look, round(enters_s * 1e9))


def _go(places: list[F64], reaching: list[int], target: F64, start: list[F64]) -> tuple[list[F64], list[int]]:
    way = target - start[0]
    steps = max(round(float(np.hypot(*way)) / WALK_M_S * FPS), 1)
    return [*places, *(start[0] + way * (k + 1) / steps for k in range(steps))], [*reaching, *[-1] * steps]


class Scene:
    """The store, its people, and what is told of them. The same seed gives the same observations."""

    def __init__(self, cameras: int, people: int, seconds: float, seed: int) -> None:
        self.store = made_store(cameras)
        self.geometry = StoreGeometry(self.store)
        self._rng = np.random.default_rng(seed)
        self._frames = round(seconds * FPS)
        bays = cameras // CAMERAS_A_BAY
        self._walks = [
            _walk(self.geometry, k % bays, 1.0 + BETWEEN_S * (k // bays), self._frames, self._rng)
            for k in range(people)
        ]
        self.everybody_in_s = 1.0 + BETWEEN_S * -(-people // bays) + 3.0
        self._shelves = _Shelves(self.geometry, self._walks, self._rng)
        self._eyes = [_Eye(self.geometry, camera, self._rng) for camera in sorted(self.geometry.cameras)]

    def scans(self) -> Iterator[GateScanned]:
        """Yield everybody's scan, a moment before they come in."""
        bays = len(self.store.gates)
        for k, walk in enumerate(self._walks):
            yield GateScanned(f"scan-{k}", f"gate{k % bays}", walk.enters_ns, f"token-{k}", 1)

    def instants(self) -> Iterator[list[Observation]]:
        """Yield the observations of all cameras, instant by instant."""
        for frame in range(self._frames):
            self._shelves.pass_by(frame)
            yield [eye.observe(frame, self._walks, self._shelves) for eye in self._eyes]


class _Shelves:
    """What lies in the slots, as colours; every second hand that leaves a slot has taken something."""

    def __init__(self, geometry: StoreGeometry, walks: list[Walk], rng: np.random.Generator) -> None:
        self.colours = rng.integers(30, 225, (len(geometry.slots), GRID, GRID, 3)).astype(np.float32)
        self.changed_at = np.full(len(geometry.slots), -1, np.int64)
        self._walks, self._rng = walks, rng

    def pass_by(self, frame: int) -> None:
        """Let the hands that leave at ``frame`` take what they take."""
        for walk in self._walks:
            slot = int(walk.reaching[frame - 1]) if frame else -1
            if slot >= 0 and walk.reaching[frame] < 0 and self._rng.random() < 0.5:
                column = int(self._rng.integers(0, GRID - 3))
                self.colours[slot, :, column : column + 3] = self._rng.integers(30, 225, (1, 3, 3))
                self.changed_at[slot] = frame


class _Eye:
    """One camera with its detector and observer, made up."""

    def __init__(self, geometry: StoreGeometry, camera_id: str, rng: np.random.Generator) -> None:
        self._camera: CameraModel = geometry.cameras[camera_id]
        self._settings = ObserverSettings()
        self._atlas: SlotAtlas = make_atlas(geometry, camera_id, self._settings)
        self._slots: list[SlotPlace] = [geometry.slots[k] for k in self._atlas.slot_indices.tolist()]
        self._everywhere = geometry.slots
        self._far_m = np.array([self._away_m(slot.centre_m) for slot in self._slots])
        count = len(self._slots)
        self._sent = -rng.integers(0, 25, count)
        self._hidden_before = np.zeros((count, GRID, GRID), np.bool_)
        self._rng = rng

    def observe(self, frame: int, walks: list[Walk], shelves: _Shelves) -> Observation:
        """Return what this camera tells of an instant."""
        found, away_m = self._detect(frame, walks)
        bodies = self._bodies(found.boxes_xyxy_px, away_m)
        hidden = bodies.any(axis=0)
        chosen = np.flatnonzero(self._worth(frame, hidden, shelves))
        self._sent[chosen], self._hidden_before = frame, hidden
        slots = self._atlas.slot_indices[chosen]
        patches = self._patches(shelves.colours[slots], hidden[chosen])
        shares = bodies.mean(axis=(2, 3)).astype(np.float32)
        visible = (1.0 - hidden[chosen].mean(axis=(1, 2))).astype(np.float32)
        views = SlotViews(
            self._camera.camera_id, frame, found.captured_at_ns, slots, visible, hidden[chosen], patches, shares
        )
        return Observation(found, views)

    def _away_m(self, point_m: F64) -> float:
        return float(np.linalg.norm(point_m - self._camera.position_m))

    def _detect(self, frame: int, walks: list[Walk]) -> tuple[Detections, F64]:
        """Return the people that are found, and how far away each is (N,) in m."""
        rng = self._rng
        boxes, hands, looks, away_m = [], [], [], []
        nearest = sorted(walks, key=lambda walk: self._away_m(np.array([*walk.places_m[frame], 1.0])))
        for walk in nearest:
            box = self._box(walk.places_m[frame], walk.height_m)
            if box is None or rng.random() < MISSED or any(_covered(box, other) > 0.75 for other in boxes):
                continue
            boxes.append(box + rng.normal(0, 0.015 * (box[3] - box[1]), 4))
            hands.append([self._hand(walk, frame, side) for side in range(2)])
            look = walk.look + rng.normal(0, 0.01, LOOK)
            looks.append(look / np.linalg.norm(look))
            away_m.append(self._away_m(np.array([*walk.places_m[frame], 1.0])))
        scores = np.where(rng.random(len(boxes)) < WEAK, 0.4, 0.85)
        found = Detections(
            self._camera.camera_id,
            frame,
            frame * FRAME_NS,
            np.array(boxes, np.float32).reshape(-1, 4),
            scores.astype(np.float32),
            np.array(hands, np.float32).reshape(-1, 2, 3),
            appearance=np.array(looks, np.float32).reshape(-1, LOOK),
        )
        return found, np.array(away_m)

    def _box(self, place_m: F64, height_m: float) -> F64 | None:
        """Return the box in the picture of somebody upright, None where less than half of it is seen."""
        corners = [
            (place_m[0] + dx, place_m[1] + dy, z) for dx in (-0.2, 0.2) for dy in (-0.2, 0.2) for z in (0.0, height_m)
        ]
        pixels, _ = self._camera.project(np.array(corners))
        if not np.isfinite(pixels).all():
            return None
        whole = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
        cut = np.clip(whole, 0, [self._camera.width_px, self._camera.height_px] * 2)
        seen = np.prod(cut[2:] - cut[:2]) / np.prod(whole[2:] - whole[:2])
        return cut if seen > 0.5 else None

    def _hand(self, walk: Walk, frame: int, side: int) -> tuple[float, float, float]:
        """Return pixel and confidence of a hand: in the slot while it reaches, else beside the body."""
        slot = int(walk.reaching[frame])
        x, y = walk.places_m[frame]
        point = np.array([x + (0.25 if side else -0.25), y, 0.85])
        if slot >= 0 and side:
            point = self._everywhere[slot].centre_m
        pixel, _ = self._camera.project(point[None])
        seen = self._rng.random() < (REACHING_HAND_SEEN if slot >= 0 and side else HAND_SEEN)
        if not (seen and self._camera.in_picture(pixel)[0]):
            return (np.nan, np.nan, 0.0)
        u, v = (pixel[0] + self._rng.normal(0, 3, 2)).tolist()
        return (u, v, float(self._rng.uniform(0.4, 0.9)))

    def _bodies(self, boxes: F32, away_m: F64) -> np.ndarray:
        """Return (N, S, GRID, GRID) which cells of farther slots each person's body hides."""
        x, y = self._atlas.cells_px[..., 0], self._atlas.cells_px[..., 1]
        inset = 0.15 * (boxes[:, 2] - boxes[:, 0])
        left, right = (each[:, None, None, None] for each in (boxes[:, 0] + inset, boxes[:, 2] - inset))
        top, bottom = (boxes[:, k][:, None, None, None] for k in (1, 3))
        farther = (self._far_m > away_m[:, None])[:, :, None, None]
        inside: np.ndarray = (x >= left) & (x < right) & (y >= top) & (y < bottom) & farther
        return inside

    def _worth(self, frame: int, hidden: np.ndarray, shelves: _Shelves) -> np.ndarray:
        """Return (S,) whether a slot is sent, by the observer's own clocks: with news soon, without now and then."""
        moved = (hidden != self._hidden_before).any(axis=(1, 2))
        news = moved | (shelves.changed_at[self._atlas.slot_indices] >= self._sent)
        age_s = (frame - self._sent) / FPS
        due = np.where(news, age_s >= self._settings.repeat_s, age_s >= self._settings.heartbeat_s)
        worth: np.ndarray = due & (1.0 - hidden.mean(axis=(1, 2)) >= self._settings.readable_share)
        return worth

    def _patches(self, colours: F32, hidden: np.ndarray) -> U8:
        """Return pictures (S, P, Q, 3) of slots with noise; whoever hides a cell is grey."""
        rows, columns = self._atlas.patch_px
        down, across = np.arange(rows) * GRID // rows, np.arange(columns) * GRID // columns
        shown = np.where(hidden[..., None], np.float32(90), colours)[:, down][:, :, across]
        noisy = shown + self._rng.normal(0, 2.5, shown.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8)


def _covered(box: F64, other: F64) -> float:
    """Return the share of ``box`` that ``other`` covers."""
    size = np.maximum(np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2]), 0.0)
    return float(np.prod(size) / np.prod(box[2:] - box[:2]))
