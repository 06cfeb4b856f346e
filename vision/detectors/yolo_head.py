"""What a YOLO head says of one picture, read: the same for every runtime that hands out the head's raw output."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision.detectors.assemble import assemble
from vision.detectors.base import WeightsError
from vision.detectors.decode import Boxes, Limits, decode_class, decode_others
from vision.detectors.hands import drop_weak
from vision.detectors.letterbox import Letterbox
from vision.detectors.metadata import HAND, PERSON, ModelMetadata
from vision.detectors.settings import DetectorSettings
from vision.types import F32, Detections, Frame

RawOutput = NDArray[np.float32] | NDArray[np.float16]


@dataclass(frozen=True, slots=True, eq=False)
class YoloHead:
    """Reads people, their hands and other things out of raw outputs.

    ``things_of`` names the cameras whose other things are boxed, too; None: all of them.
    """

    metadata: ModelMetadata
    settings: DetectorSettings
    things_of: Container[str] | None

    def read(self, frame: Frame, letterbox: Letterbox, output: RawOutput) -> Detections:
        """Return what (4 + classes + keypoints, anchors) ``output`` says of ``frame``, fitted by ``letterbox``.

        Halves are widened first, so that the arithmetic after the network is the same for all.
        """
        raw = np.asarray(output, np.float32)
        has_hands = self.metadata.class_index(HAND) is not None
        overlap = self.settings.boxes_overlap if has_hands else self.settings.overlap
        people = self._boxes(raw, PERSON, self.settings.score, overlap)
        hands = None
        if has_hands:
            found = self._boxes(raw, HAND, self.settings.hands.box_score, self.settings.hands.box_overlap)
            hands = drop_weak(found.xyxy_px, found.scores, self.settings.hands.box_score)
        keypoints = people.extra.reshape(-1, 17, 3) if self.metadata.extra_rows else None
        return assemble(frame, letterbox, people, keypoints, hands, self._things(frame, raw), self.settings)

    def _things(self, frame: Frame, raw: F32) -> Boxes | None:
        unasked = self.things_of is not None and frame.camera_id not in self.things_of
        if unasked or not self.metadata.knows_things:
            return None
        settings, metadata = self.settings.things, self.metadata
        limits = Limits(self.settings.max_candidates, settings.max_count)
        count = len(metadata.names)
        return decode_others(raw, metadata.people_classes, count, settings.score, settings.overlap, limits)

    def _boxes(self, raw: F32, name: str, score: float, overlap: float) -> Boxes:
        index = self.metadata.class_index(name)
        assert index is not None
        limits = Limits(self.settings.max_candidates, self.settings.max_people)
        return decode_class(raw, index, len(self.metadata.names), score, overlap, limits)


def check_output(shape: Sequence[int], metadata: ModelMetadata, file: Path) -> None:
    """Raise WeightsError where ``shape``, of a network's whole output, is not what ``metadata`` tell."""
    rows = 4 + len(metadata.names) + metadata.extra_rows
    if len(shape) != 3 or shape[1] != rows:
        raise WeightsError(
            f"the output has shape {list(shape)}, not (1, {rows}, anchors) as its metadata tell",
            file=file,
            mend="export it with nms=False",
        )
