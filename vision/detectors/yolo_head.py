"""What a YOLO head says of one picture, read: the same for every runtime that hands out the head's raw output."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision.detectors.assemble import assemble
from vision.detectors.base import WeightsError
from vision.detectors.decode import Boxes, Limits, Wanted, decode_classes, decode_others
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
        wanted = self._wanted()
        limits = Limits(self.settings.max_candidates, self.settings.max_people)
        found = decode_classes(raw, wanted, len(self.metadata.names), limits)
        people, hands = found[0], None
        if len(found) > 1:
            hands = found[1].xyxy_px, found[1].scores
        keypoints = people.extra.reshape(-1, 17, 3) if self.metadata.extra_rows else None
        return assemble(frame, letterbox, people, keypoints, hands, self._things(frame, raw), self.settings)

    def _wanted(self) -> list[Wanted]:
        """Return what is read besides things: people, and hands where the model knows them."""
        person, hand = (self.metadata.class_index(name) for name in (PERSON, HAND))
        assert person is not None, "metadata without people are refused"
        if hand is None:
            return [Wanted(person, self.settings.score, self.settings.overlap)]
        hands = self.settings.hands
        return [
            Wanted(person, self.settings.score, self.settings.boxes_overlap),
            Wanted(hand, hands.box_score, hands.box_overlap),
        ]

    def _things(self, frame: Frame, raw: F32) -> Boxes | None:
        unasked = self.things_of is not None and frame.camera_id not in self.things_of
        if unasked or not self.metadata.knows_things:
            return None
        settings, metadata = self.settings.things, self.metadata
        limits = Limits(self.settings.max_candidates, settings.max_count)
        count = len(metadata.names)
        return decode_others(raw, metadata.people_classes, count, settings.score, settings.overlap, limits)


def check_output(shape: Sequence[int], metadata: ModelMetadata, file: Path) -> None:
    """Raise WeightsError where ``shape``, of a network's whole output, is not what ``metadata`` tell."""
    rows = 4 + len(metadata.names) + metadata.extra_rows
    if len(shape) != 3 or shape[1] != rows:
        raise WeightsError(
            f"the output has shape {list(shape)}, not (1, {rows}, anchors) as its metadata tell",
            file=file,
            mend="export it with nms=False",
        )
