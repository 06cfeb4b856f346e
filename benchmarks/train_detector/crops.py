"""Training samples: crops of full-resolution pictures, so that people and hands keep their size in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """A picture's file with its labels: ``classes`` (N,), ``boxes`` (N, 4) x1 y1 x2 y2 as shares of the picture."""

    path: Path
    classes: F32
    boxes: F32
    width_px: int
    height_px: int

    def boxes_px(self) -> F32:
        """Return (N, 4) boxes in pixels."""
        return self.boxes * np.array([self.width_px, self.height_px] * 2, np.float32)


def read_split(root: Path, split: str) -> list[Labelled]:
    """Read ``root/images/SPLIT`` and ``root/labels/SPLIT`` in ultralytics' layout, in name order."""
    samples = []
    for label in sorted((root / "labels" / split).glob("*.txt")):
        path = root / "images" / split / f"{label.stem}.jpg"
        text = label.read_text(encoding="utf-8")
        rows = np.array([line.split() for line in text.splitlines() if line.strip()], np.float32).reshape(-1, 5)
        half = rows[:, 3:5] / 2
        boxes = np.concatenate([rows[:, 1:3] - half, rows[:, 1:3] + half], axis=1)
        with Image.open(path) as picture:
            samples.append(Labelled(path, rows[:, 0], boxes, *picture.size))
    return samples


@dataclass(frozen=True, slots=True)
class CropSettings:
    """How a training crop is cut and changed. Shares of 1 unless a unit is named."""

    side_px: int = 192
    zoom: tuple[float, float] = (0.65, 1.3)
    aim_at_hand: float = 0.55
    aim_at_person: float = 0.3
    person_left: float = 0.25
    hand_left: float = 0.6
    brightness: float = 0.35
    saturation: float = 0.5
    hue_deg: float = 12.0
    blur: float = 0.2
    noise: float = 0.4


def training_crop(sample: Labelled, rng: np.random.Generator, settings: CropSettings) -> tuple[U8, F32, F32]:
    """Return a (side, side, 3) BGR crop, its (N,) classes and (N, 4) boxes x1 y1 x2 y2 in pixels."""
    image = np.asarray(cv2.imread(str(sample.path)), np.uint8)
    height, width = image.shape[:2]
    boxes = sample.boxes_px()
    zoom = float(np.exp(rng.uniform(*np.log(settings.zoom))))
    cut = min(settings.side_px / zoom, height, width)
    left, top = _corner(_aims(boxes, sample.classes, rng, settings), cut, (width, height), rng)
    scale = settings.side_px / cut
    shift = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]], np.float32)
    flags = cv2.INTER_LINEAR if scale >= 1 else cv2.INTER_AREA
    crop = np.asarray(cv2.warpAffine(image, shift, (settings.side_px, settings.side_px), flags=flags), np.uint8)
    moved = (boxes - np.array([left, top, left, top], np.float32)) * np.float32(scale)
    classes, moved = _clip(sample.classes, moved, settings)
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
        moved = np.stack(
            [settings.side_px - moved[:, 2], moved[:, 1], settings.side_px - moved[:, 0], moved[:, 3]], axis=1
        )
    return _recolour(crop, rng, settings), classes, moved


def _aims(boxes_px: F32, classes: F32, rng: np.random.Generator, settings: CropSettings) -> F32:
    """Return the boxes that a crop may aim at: hands (the rarer and harder), people, or none for anywhere."""
    draw = rng.random()
    if draw < settings.aim_at_hand and (classes == 1).any():
        return np.asarray(boxes_px[classes == 1], np.float32)
    if draw < settings.aim_at_hand + settings.aim_at_person:
        return np.asarray(boxes_px[classes == 0], np.float32)
    return boxes_px[:0]


def _corner(aims_px: F32, cut: float, size_px: tuple[int, int], rng: np.random.Generator) -> tuple[float, float]:
    """Return left and top of the cut: about one of the boxes aimed at, or anywhere."""
    room = np.array([size_px[0] - cut, size_px[1] - cut])
    if len(aims_px):
        box = aims_px[rng.integers(len(aims_px))]
        middle = (box[:2] + box[2:]) / 2 + rng.normal(0, 0.25, 2) * cut
        left, top = np.clip(middle - cut / 2, 0, room)
    else:
        left, top = rng.uniform(0, 1, 2) * room
    return float(left), float(top)


def _clip(classes: F32, boxes_px: F32, settings: CropSettings) -> tuple[F32, F32]:
    """Clip boxes to the crop and drop those of which too little is left to be told."""
    inside = np.clip(boxes_px, 0, settings.side_px)
    left = _area(inside) / np.maximum(_area(boxes_px), 1e-6)
    sides = np.max(inside[:, 2:] - inside[:, :2], axis=1) if len(inside) else np.zeros(0, np.float32)
    wanted = np.where(classes == 0, settings.person_left, settings.hand_left)
    kept = (left >= wanted) & (sides >= np.where(classes == 0, 12, 4))
    return classes[kept], inside[kept]


def _area(boxes: F32) -> F32:
    return np.asarray(np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1), np.float32)


def _recolour(crop: U8, rng: np.random.Generator, settings: CropSettings) -> U8:
    """Change hue, saturation, brightness and sharpness, and add noise, as cameras and lights differ."""
    hsv = cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_BGR2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + rng.uniform(-1, 1) * settings.hue_deg / 2) % 180
    hsv[..., 1] *= 1 + rng.uniform(-1, 1) * settings.saturation
    hsv[..., 2] *= 1 + rng.uniform(-1, 1) * settings.brightness
    changed = np.asarray(cv2.cvtColor(np.clip(hsv, 0, (179, 255, 255)).astype(np.uint8), cv2.COLOR_HSV2BGR), np.float32)
    if rng.random() < settings.blur:
        changed = np.asarray(cv2.GaussianBlur(changed, (0, 0), rng.uniform(0.4, 1.2)), np.float32)
    if rng.random() < settings.noise:
        changed = changed + rng.normal(0, rng.uniform(1, 7), changed.shape).astype(np.float32)
    return np.clip(changed, 0, 255).astype(np.uint8)
