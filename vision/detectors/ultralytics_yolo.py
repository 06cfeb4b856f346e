"""Whatever ultralytics loads: .pt, ONNX, TensorRT. Needs the extra ``tillfree[ultralytics]``."""

from __future__ import annotations

import os
import pickle
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vision.detectors.assemble import assemble
from vision.detectors.base import Detector, Pending, WeightsError, fingerprint
from vision.detectors.batches import CARD_BATCH, BatchWorker
from vision.detectors.decode import Boxes, Limits, suppress
from vision.detectors.letterbox import Letterbox
from vision.detectors.metadata import COCO_KEYPOINTS, HAND, PERSON, ModelMetadata
from vision.detectors.settings import DetectorSettings
from vision.types import F32, Detections, Frame

INSTALL = 'pip install "tillfree[ultralytics]"'
UNREADABLE = (
    RuntimeError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    EOFError,
    ImportError,
    pickle.PickleError,
)
"""What unpicklers and runtimes raise at a file that is not what its name says."""


class UltralyticsYolo(Detector):
    """A detector that ultralytics runs, on the device that it chooses."""

    def __init__(self, weights: Path, settings: DetectorSettings, things_of: Container[str] | None = None) -> None:
        """``things_of`` names the cameras whose other things are boxed, too; None: all of them."""
        if not weights.exists():
            raise WeightsError("detector weights not found", file=weights, mend="check the path")
        self._model = _load(weights)
        self._metadata = _metadata_of(self._model, weights)
        self._settings = settings
        self._things_of = things_of
        self._work = BatchWorker(self._detect, _batch_of(self._model, weights))
        self._limits = Limits(settings.max_candidates, settings.max_people)
        self._name = f"ultralytics:{weights.stem}"
        files = sorted(weights.rglob("*")) if weights.is_dir() else [weights]
        self._fingerprint = fingerprint("ultralytics-2", [path for path in files if path.is_file()], settings)

    @property
    def name(self) -> str:
        """Return ``ultralytics:`` and the file's name."""
        return self._name

    @property
    def fingerprint(self) -> str:
        """Return a digest of the weights and the settings."""
        return self._fingerprint

    @property
    def input_size_px(self) -> tuple[int, int]:
        """Return width and height that ultralytics is asked to fit pictures into."""
        return (self._metadata.imgsz[1], self._metadata.imgsz[0])

    def begin(self, frame: Frame) -> Pending:
        """Begin with a frame and return at once."""
        return self._work.submit(frame)

    def _detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return [self._read(frame, result) for frame, result in zip(frames, self._predict(frames), strict=True)]

    def _predict(self, frames: Sequence[Frame]) -> Any:
        settings = self._settings
        scores = [settings.score, settings.hands.box_score]
        if self._metadata.knows_things:
            scores.append(settings.things.score)
        return self._model.predict(
            [frame.image for frame in frames],
            imgsz=list(self._metadata.imgsz),
            conf=min(scores),
            iou=settings.overlap,
            max_det=settings.max_candidates,
            rect=False,
            verbose=False,
        )

    def _read(self, frame: Frame, result: Any) -> Detections:
        found = result.boxes.data.cpu().numpy().astype(np.float32).reshape(-1, 6)
        found_order = np.argsort(-found[:, 4], kind="stable")
        found = found[found_order]
        keypoints = None
        if result.keypoints is not None and self._metadata.task == "pose":
            keypoints = result.keypoints.data.cpu().numpy().astype(np.float32).reshape(-1, 17, 3)[found_order]
        people = self._of_class(found, PERSON, self._settings.score)
        if self._metadata.class_index(HAND) is not None:
            people = people[suppress(found[people, :4], self._settings.boxes_overlap)]
        people = people[: self._limits.kept]
        skeletons = None if keypoints is None else keypoints[people]
        size = (frame.image.shape[1], frame.image.shape[0])
        boxes = Boxes(found[people, :4], found[people, 4], np.zeros((len(people), 0), np.float32))
        # ultralytics answers in the camera's pixels already
        fit = Letterbox.fit(size, size)
        return assemble(frame, fit, boxes, skeletons, self._hands(found), self._things(frame, found), self._settings)

    def _hands(self, found: F32) -> tuple[F32, F32] | None:
        if self._metadata.class_index(HAND) is None:
            return None
        rows = self._of_class(found, HAND, self._settings.hands.box_score)
        rows = rows[suppress(found[rows, :4], self._settings.hands.box_overlap)]
        return found[rows, :4], found[rows, 4]

    def _things(self, frame: Frame, found: F32) -> Boxes | None:
        unasked = self._things_of is not None and frame.camera_id not in self._things_of
        if unasked or not self._metadata.knows_things:
            return None
        settings = self._settings.things
        other = ~np.isin(found[:, 5], self._metadata.people_classes)
        rows = np.flatnonzero(other & (found[:, 4] > settings.score))
        rows = rows[suppress(found[rows, :4], settings.overlap)][: settings.max_count]
        return Boxes(found[rows, :4], found[rows, 4], np.zeros((len(rows), 0), np.float32))

    def _of_class(self, found: F32, name: str, score: float) -> Any:
        return np.flatnonzero((found[:, 5] == self._metadata.class_index(name)) & (found[:, 4] > score))


def _batch_of(model: Any, weights: Path) -> int:
    """Return how many pictures at once pay: those of all cameras on a graphics card, one on a processor.

    An engine takes as many as it was built for; a processor gains nothing by more than one.
    """
    from ultralytics.utils.checks import cuda_is_available

    if not cuda_is_available() or weights.is_dir() or weights.suffix == ".onnx":
        return 1
    return int(model.overrides.get("batch", 1)) if weights.suffix == ".engine" else CARD_BATCH


def _load(weights: Path) -> Any:
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")  # read when ultralytics is imported: nothing downloads unasked
    try:
        from ultralytics import YOLO
    except ImportError as error:
        raise WeightsError(f"{weights.suffix} weights need ultralytics", file=weights, mend=INSTALL) from error
    try:
        model = YOLO(str(weights), verbose=False)
        model.names  # noqa: B018 - an exported model is read only now
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:160]
        raise WeightsError(
            f"ultralytics cannot read the weights: {reason}", file=weights, mend="fetch them anew"
        ) from error
    return model


def _metadata_of(model: Any, weights: Path) -> ModelMetadata:
    """Return what decoding needs to know; raises WeightsError where the model has no people or no COCO skeleton."""
    if model.task not in ("detect", "pose"):
        raise WeightsError(f"a model of task '{model.task}'", file=weights, mend="give one of task detect or pose")
    size = model.overrides.get("imgsz", 640)
    height, width = (size, size) if isinstance(size, int) else size
    metadata = ModelMetadata(
        task=model.task,
        imgsz=(height, width),
        names=dict(model.names),
        kpt_shape=COCO_KEYPOINTS if model.task == "pose" else None,
    )
    if metadata.class_index(PERSON) is None:
        raise WeightsError("the model has no class 'person'", file=weights, mend="give another model")
    return metadata
