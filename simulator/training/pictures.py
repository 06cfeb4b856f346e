"""Render training pictures with labels in ultralytics' layout: class 0 a person, class 1 a hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from simulator.appearance import draw_looks
from simulator.frames import RenderedFrame
from simulator.graphics import Graphics
from simulator.packaging import Packaging, build_packaging, load_specs
from simulator.renderer import StoreRenderer
from simulator.skeleton import SIDES, BodyLibrary, PosedBody, load_bodies, pose_body
from simulator.training.scenes import Place, draw_scene, free_floor
from simulator.training.stores import draw_items, draw_settings, draw_store
from store_layout.cameras import CameraModel
from store_layout.geometry import StoreGeometry

F64 = NDArray[np.float64]

PERSON, HAND = 0, 1
HAND_SIDE_M = 0.20
"""Side of a hand's box: 0.16 m of palm and fingers with a margin, so that a far hand keeps a few pixels."""
PALM_SHARE = 0.15
"""Share of the pixels within ``PALM_M`` of the palm's middle that must be the person's own for the hand to count."""
PALM_M = 0.055
SMALLEST_PERSON_PX, SMALLEST_HAND_PX = (7, 16), 6
LEAST_VISIBLE_SHARE = 0.02

# (first joint, second joint, radius in m) of the capsules that can hide a hand of the same body; rows of COCO's keypoints
TRUNK = ((5, 11, 0.10), (6, 12, 0.10), (5, 12, 0.11), (6, 11, 0.11), (11, 12, 0.12), (3, 4, 0.09))
LEGS = ((11, 13, 0.075), (12, 14, 0.075), (13, 15, 0.055), (14, 16, 0.055))
ARMS = (((5, 7, 0.05), (7, 9, 0.04)), ((6, 8, 0.05), (8, 10, 0.04)))
BEFORE_HAND_M = 0.09
"""What hides a hand is at least this much nearer to the camera; closer, it is the hand's own arm or what it rests on."""

Label = tuple[int, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Amount:
    """How many pictures: stores, cameras a store, pictures a camera."""

    stores: int
    cameras: int
    pictures: int


@dataclass(frozen=True, slots=True, eq=False)
class Workshop:
    """What is made once and shared by all stores."""

    graphics: Graphics
    library: BodyLibrary
    packaging: Packaging

    @classmethod
    def open(cls) -> Workshop:
        """Start OpenGL and read bodies and products; raises NoDisplayError where OpenGL cannot be started."""
        return cls(Graphics(), load_bodies(), build_packaging(load_specs()))


def render_split(root: Path, split: str, seed: int, amount: Amount) -> Iterator[Path]:
    """Render into ``root/images/SPLIT`` and ``root/labels/SPLIT``; yields each picture's path.

    Each store is drawn from (seed, its number) alone, and one that is complete is passed over, so a
    broken-off run goes on and several processes can share the stores out by giving each its own seed.
    """
    for kind in ("images", "labels"):
        (root / kind / split).mkdir(parents=True, exist_ok=True)
    workshop = Workshop.open()
    for number in range(amount.stores):
        done = root / "labels" / split / f"{seed:04d}-{number:03d}.done"
        if done.exists():
            continue
        yield from _render_store(workshop, root, split, (seed, number), amount)
        done.touch()


def _render_store(workshop: Workshop, root: Path, split: str, key: tuple[int, int], amount: Amount) -> Iterator[Path]:
    rng = np.random.default_rng(key)
    specs = workshop.packaging.specs
    store = draw_store(rng, specs, amount.cameras)
    geometry = StoreGeometry(store)
    looks = draw_looks(tuple(range(1, 9)), rng, children=0.05)
    renderer = StoreRenderer(
        store,
        geometry,
        workshop.packaging,
        looks,
        draw_settings(rng),
        graphics=workshop.graphics,
        library=workshop.library,
    )
    skeletons = {person: workshop.library.skeleton(look) for person, look in looks.items()}
    items = draw_items(rng, geometry, specs)
    floor = free_floor(geometry)
    for camera_id, camera in geometry.cameras.items():
        place = Place(geometry, camera, skeletons, tuple(specs), floor)
        for picture in range(amount.pictures):
            # minutes lie between two pictures, so nothing is smeared from one to the next
            state = draw_scene(rng, place, items, at_s=60.0 * picture)
            frame = renderer.render(state, camera_id, rng)
            posed = {pose.person: pose_body(skeletons[pose.person], pose) for pose in state.bodies}
            name = f"{key[0]:04d}-{key[1]:03d}-{camera_id}-{picture:02d}"
            yield _write(root, split, name, frame, labels(frame, posed, camera), int(rng.integers(60, 96)))
    renderer.close()


def labels(frame: RenderedFrame, posed: dict[int, PosedBody], camera: CameraModel) -> list[Label]:
    """Return (class, x, y, width, height) of visible people and hands, as shares of the picture."""
    size = np.array([camera.width_px, camera.height_px], np.float64)
    rows: list[Label] = []
    for person in frame.people:
        box = person.box_xyxy_px
        if box is None or box[2] - box[0] < SMALLEST_PERSON_PX[0] or box[3] - box[1] < SMALLEST_PERSON_PX[1]:
            continue
        if person.visible_share < LEAST_VISIBLE_SHARE:
            continue
        rows.append(_label(PERSON, np.array(box), size))
        for side in range(len(SIDES)):
            hand = hand_box(frame, person.person, posed[person.person], side, camera)
            if hand is not None and not hidden_by_itself(posed[person.person], side, camera.position_m):
                rows.append(_label(HAND, hand, size))
    return rows


def hand_box(frame: RenderedFrame, person: int, posed: PosedBody, side: int, camera: CameraModel) -> F64 | None:
    """Return the (4,) box of a hand, cut at the picture's edge, or None where the palm is not seen."""
    middle = posed.palms_m[side]
    pixels, depth_m = camera.project(middle[None])
    if not depth_m[0] > 0.2 or not np.isfinite(pixels).all():
        return None
    per_metre = float(camera.camera_matrix[0, 0]) / float(depth_m[0])
    x, y = (float(value) for value in pixels[0])
    if not (0 <= x < camera.width_px and 0 <= y < camera.height_px):
        return None
    if _own_share(frame, person, (x, y), PALM_M * per_metre) < PALM_SHARE:
        return None
    half = HAND_SIDE_M / 2 * per_metre
    box = np.array(
        [max(x - half, 0), max(y - half, 0), min(x + half, camera.width_px), min(y + half, camera.height_px)]
    )
    return box if min(box[2] - box[0], box[3] - box[1]) >= SMALLEST_HAND_PX else None


def hidden_by_itself(posed: PosedBody, side: int, eye_m: F64) -> bool:
    """Tell whether the body's trunk, legs or other arm lie between ``eye_m`` and the palm."""
    capsules = (*TRUNK, *LEGS, *ARMS[1 - side], ARMS[side][0])
    first, second, radius = (np.array(column) for column in zip(*capsules, strict=True))
    along = np.linspace(0, 1, 9)[:, None, None]
    points = posed.joints_m[first.astype(int)] * (1 - along) + posed.joints_m[second.astype(int)] * along
    sight = posed.palms_m[side] - eye_m
    reach = float(np.linalg.norm(sight))
    ahead = (points - eye_m) @ (sight / reach)
    aside = np.linalg.norm(points - eye_m - ahead[..., None] * (sight / reach), axis=-1)
    return bool(((ahead < reach - BEFORE_HAND_M) & (ahead > 0) & (aside < radius)).any())


def _own_share(frame: RenderedFrame, person: int, middle_px: tuple[float, float], radius_px: float) -> float:
    """Return the share of the pixels about a point that are the person's own."""
    reach = max(1, round(radius_px))
    x, y = int(middle_px[0]), int(middle_px[1])
    window = frame.person_ids[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
    return float(np.mean(window == person))


def _label(kind: int, box_px: F64, size_px: F64) -> Label:
    middle, extent = (box_px[:2] + box_px[2:]) / 2 / size_px, (box_px[2:] - box_px[:2]) / size_px
    return kind, float(middle[0]), float(middle[1]), float(extent[0]), float(extent[1])


def _write(root: Path, split: str, name: str, frame: RenderedFrame, rows: list[Label], quality: int) -> Path:
    path = root / "images" / split / f"{name}.jpg"
    cv2.imwrite(str(path), frame.image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    text = "\n".join(" ".join([str(row[0]), *(f"{value:.5f}" for value in row[1:])]) for row in rows)
    (root / "labels" / split / f"{name}.txt").write_text(text + "\n", encoding="utf-8")
    return path
