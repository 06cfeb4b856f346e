"""What flows out of vision: frozen, columnar, and checked when it is made.

This module imports numpy and nothing else, so checkout may import it without
pulling in a detector, a video decoder or a tracker.

Conventions used everywhere:

- times are integers in nanoseconds (``_ns``) on the recording's own clock;
- pixels are (x right, y down) with (0, 0) at the outer corner of the top-left pixel;
- the floor is in metres, x and y on the floor, z up;
- a missing position is NaN and its confidence 0, never a magic number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]

LEFT, RIGHT = 0, 1
"""Rows of the hand axis in ``hands_px`` and ``hands_m``."""


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)


def _require_array(name: str, array: NDArray[np.generic], shape: tuple[int | None, ...], dtype: type) -> None:
    """Raise ValueError unless ``array`` has ``dtype`` and ``shape`` (None matches any length)."""
    got = array.shape
    fits = len(got) == len(shape) and array.dtype == dtype
    if fits and got != shape:  # shapes without a None mostly are equal, which is told at once
        fits = None in shape and all(want is None or want == have for want, have in zip(shape, got, strict=True))
    if not fits:  # the text is only made when it is needed: naming a dtype is slow
        raise ValueError(f"{name} must be {np.dtype(dtype)} of shape {shape}, not {array.dtype} of shape {array.shape}")


class Picture(Protocol):
    """What a decoder gave, in colour only from when somebody asks: of most pictures of a still camera nobody does."""

    @property
    def bgr(self) -> U8:
        """The picture as uint8 (H, W, 3) BGR, made once."""

    @property
    def luma(self) -> U8 | None:
        """Its brightness as uint8 (H, W), from 16 (black) to 235 (white) by BT.601; None where it has none of that kind."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of one camera: uint8 (H, W, 3) BGR, or what becomes that when ``image`` is asked for."""

    camera_id: str
    index: int
    captured_at_ns: int
    picture: U8 | Picture

    def __post_init__(self) -> None:
        if isinstance(self.picture, np.ndarray):
            _require_array("picture", self.picture, (None, None, 3), np.uint8)

    @property
    def image(self) -> U8:
        """The picture as uint8 (H, W, 3) BGR."""
        return self.picture if isinstance(self.picture, np.ndarray) else self.picture.bgr


_NOBODY = (np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 2, 3), np.float32))
"""Boxes, scores and hands of no people: most frames show none, and there is nothing in them to be changed."""


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """People that a detector found in one frame.

    ``boxes_xyxy_px`` is (N, 4) float32, ``scores`` (N,) float32 in 0..1.
    ``hands_px`` is (N, 2, 3) float32: x, y and confidence of the middle of the
    left and the right hand; an unseen hand is NaN, NaN, 0. Detectors that give
    no sides put a person's hands in any order. ``keypoints_px`` is (N, 17, 3)
    float32 in COCO order, or None where the model has no skeleton.
    ``appearance`` is (N, D) float32 with unit rows, or None. ``things_px`` is (M, 5) float32:
    left, top, right, bottom and score of whatever else the model knows, of any class and weak
    ones too, or None where it knows people and hands alone.
    """

    camera_id: str
    frame_index: int
    captured_at_ns: int
    boxes_xyxy_px: F32
    scores: F32
    hands_px: F32
    keypoints_px: F32 | None = None
    appearance: F32 | None = None
    things_px: F32 | None = None

    def __post_init__(self) -> None:
        n = len(self.boxes_xyxy_px)
        _require_array("boxes_xyxy_px", self.boxes_xyxy_px, (n, 4), np.float32)
        _require_array("scores", self.scores, (n,), np.float32)
        _require_array("hands_px", self.hands_px, (n, 2, 3), np.float32)
        if self.keypoints_px is not None:
            _require_array("keypoints_px", self.keypoints_px, (n, 17, 3), np.float32)
        if self.appearance is not None:
            _require_array("appearance", self.appearance, (n, None), np.float32)
        if self.things_px is not None:
            _require_array("things_px", self.things_px, (None, 5), np.float32)

    def __len__(self) -> int:
        return len(self.boxes_xyxy_px)

    @classmethod
    def empty(cls, camera_id: str, frame_index: int, captured_at_ns: int) -> Self:
        """Return a batch of no people."""
        return cls(camera_id, frame_index, captured_at_ns, *_NOBODY)


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """Detections of one frame with the ids that a camera's own tracker gave them.

    ``track_ids`` is (N,) int64, positive and unique within the frame; an id is
    never used again in the same camera and run. ``rows`` is (N,) int64, rising: where
    each stood among all detections of the frame.
    """

    detections: Detections
    track_ids: I64
    rows: I64

    def __post_init__(self) -> None:
        _require_array("track_ids", self.track_ids, (len(self.detections),), np.int64)
        _require_array("rows", self.rows, (len(self.detections),), np.int64)
        _require(len(set(self.track_ids.tolist())) == len(self.track_ids), "track_ids must be unique within a frame")

    def __len__(self) -> int:
        return len(self.track_ids)


@dataclass(frozen=True, slots=True, eq=False)
class SlotViews:
    """What one frame shows of the shelves, slot by slot.

    ``slot_indices`` is (S,) int64 into the layout's slots in file order. ``visible``
    is (S,) float32, the share of the slot's front that can be read: no detected
    person hides it and nothing moves there. ``hidden`` is (S, G, G) bool, the cells
    of a grid over the patch that cannot. ``patches`` is (S, P, Q, 3) uint8 BGR: the
    slot's front plane, rectified and upright, at a size fixed for the camera. A frame may hold few slots or none;
    what is left out did not change enough to be worth its bytes. ``hidden_by`` is
    (N, V) float32: for each detection of the frame, the share of each of the V slots
    that the camera watches (in file order) that this person hides. ``things`` is (T, 6)
    float32: row of the slot in ``slot_indices``, then left, top, right and bottom in pixels of its
    patch and the score of whatever else than people a slow camera's detector found there; None
    from other cameras, and where the model knows people and hands alone.
    """

    camera_id: str
    frame_index: int
    captured_at_ns: int
    slot_indices: I64
    visible: F32
    hidden: NDArray[np.bool_]
    patches: U8
    hidden_by: F32
    things: F32 | None = None

    def __post_init__(self) -> None:
        n = len(self.slot_indices)
        _require_array("slot_indices", self.slot_indices, (n,), np.int64)
        _require_array("visible", self.visible, (n,), np.float32)
        _require_array("hidden", self.hidden, (n, None, None), np.bool_)
        _require_array("patches", self.patches, (n, None, None, 3), np.uint8)
        _require_array("hidden_by", self.hidden_by, (None, None), np.float32)
        if self.things is not None:
            _require_array("things", self.things, (None, 6), np.float32)

    def __len__(self) -> int:
        return len(self.slot_indices)


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """All that the pixels of one frame gave. What follows never sees a pixel of the frame itself.

    A tape is a file of these, so whatever comes after can be replayed without the video.
    """

    detections: Detections
    slot_views: SlotViews

    @property
    def order(self) -> tuple[int, str, int]:
        """The order in which the pipeline takes observations."""
        return (self.detections.captured_at_ns, self.detections.camera_id, self.detections.frame_index)


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """People on the floor at one instant, joined across cameras.

    ``person_ids`` (N,) int64; ``floor_m`` (N, 2) float64; ``covariance_m2``
    (N, 2, 2) float64; ``hands_m`` (N, 2, 3) float64, NaN where unseen;
    ``hands_confidence`` (N, 2) float64 in 0..1; ``cameras`` holds for each person
    the cameras that saw them at this instant, none while they are only predicted;
    ``uncertain`` (N,) bool marks identities that may have been swapped.
    """

    captured_at_ns: int
    person_ids: I64
    floor_m: F64
    covariance_m2: F64
    hands_m: F64
    hands_confidence: F64
    cameras: tuple[tuple[str, ...], ...]
    uncertain: NDArray[np.bool_]

    def __post_init__(self) -> None:
        n = len(self.person_ids)
        _require_array("person_ids", self.person_ids, (n,), np.int64)
        _require_array("floor_m", self.floor_m, (n, 2), np.float64)
        _require_array("covariance_m2", self.covariance_m2, (n, 2, 2), np.float64)
        _require_array("hands_m", self.hands_m, (n, 2, 3), np.float64)
        _require_array("hands_confidence", self.hands_confidence, (n, 2), np.float64)
        _require_array("uncertain", self.uncertain, (n,), np.bool_)
        _require(len(self.cameras) == n, f"cameras must have {n} entries, not {len(self.cameras)}")

    def __len__(self) -> int:
        return len(self.person_ids)


@dataclass(frozen=True, slots=True)
class GateCrossing:
    """A person walked through a gate. ``direction`` is seen from the shop floor."""

    person_id: int
    gate_id: str
    direction: Literal["in", "out"]
    at_ns: int


@dataclass(frozen=True, slots=True)
class PersonVanished:
    """A person was given up: not seen for as long as the settings allow, at ``last_floor_m``."""

    person_id: int
    at_ns: int
    last_floor_m: tuple[float, float]


@dataclass(frozen=True, slots=True)
class PersonRejoined:
    """Two ids were found to be one person: ``person_id`` goes on, ``former_id`` is folded into it."""

    person_id: int
    former_id: int
    at_ns: int
    probability: float


@dataclass(frozen=True, slots=True)
class SkuCandidate:
    """One answer to "which product", with its probability."""

    sku: str
    probability: float


@dataclass(frozen=True, slots=True)
class PersonCandidate:
    """One answer to "who", with its probability. The rest, up to 1, is "nobody known"."""

    person_id: int
    probability: float


@dataclass(frozen=True, slots=True)
class EvidenceFrame:
    """A frame that an operator should look at to judge an interaction."""

    camera_id: str
    frame_index: int
    captured_at_ns: int


@dataclass(frozen=True, slots=True)
class Interaction:
    """A hand at a slot, from entering to leaving it, and what that changed.

    ``change`` counts units in the slot: -1 is one taken, +1 one put there, 0 a touch
    that changed nothing, None where the pixels did not tell. ``change_probability``
    says how sure that is. ``sku_candidates`` and ``person_candidates`` are sorted,
    likeliest first, each summing to at most 1; ``person_candidates`` is empty where
    no person was seen. ``shelf_id`` is ``gondola/shelf``, ``slot_id`` is
    ``gondola/shelf/slot`` and is None where only the shelf is known.
    """

    interaction_id: str
    shelf_id: str
    slot_id: str | None
    opened_at_ns: int
    closed_at_ns: int
    change: int | None
    change_probability: float
    sku_candidates: tuple[SkuCandidate, ...]
    person_candidates: tuple[PersonCandidate, ...]
    evidence: tuple[EvidenceFrame, ...] = ()

    def __post_init__(self) -> None:
        _require(self.opened_at_ns <= self.closed_at_ns, f"{self.interaction_id} closes before it opens")
        for name, candidates in (("sku", self.sku_candidates), ("person", self.person_candidates)):
            chances = [candidate.probability for candidate in candidates]
            _require(chances == sorted(chances, reverse=True), f"{name}_candidates must be sorted")
            _require(
                sum(chances) <= 1 + 1e-6 and all(p >= 0 for p in chances), f"{name}_candidates must sum to at most 1"
            )


@dataclass(frozen=True, slots=True)
class DeedsWaiting:
    """From ``at_ns`` on ``person_ids``, rising, may have changed a shelf of which no interaction is told yet.

    It holds until the next one. Whoever leaves meanwhile may have taken something.
    """

    at_ns: int
    person_ids: tuple[int, ...]


VisionEvent = GateCrossing | PersonVanished | PersonRejoined | Interaction | DeedsWaiting
"""What vision tells checkout, in the order in which it became known."""
