"""The files of a recording: recording.yaml, gate scans and truth, as validated data.

All times in these files are seconds from the recording's start (``_s``); the program
turns them into nanoseconds on the recording's clock with ``started_at_ns``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from store_layout.model import Identifier, Strict

Seconds = Annotated[float, Field(ge=0)]
Provenance = Literal["proposed", "confirmed", "edited", "added"]
"""Whence a label is: proposed by the pipeline and seen by nobody, confirmed or changed by a person, or a person's own."""


class RecordedCamera(Strict):
    """One camera's video.

    ``video`` is a file, or a folder of pictures taken in name order, relative to recording.yaml.
    ``offset_ms`` is added to the video's own times to bring it onto the recording's clock.
    ``times`` says where the video's own times come from: the container, the layout's frame
    rate (frame k at k / fps), or the last number in each picture's name (unix seconds).
    """

    id: Identifier
    video: str
    offset_ms: float = 0.0
    times: Literal["container", "fps", "file_name"] = "container"


class GateScan(Strict):
    """A pass or card shown at a gate: this and nothing else tells the pipeline who pays."""

    gate: Identifier
    at_s: Seconds
    token: Annotated[str, Field(min_length=1, max_length=128)]
    party_size: Annotated[int, Field(ge=1, le=20)] = 1


class Recording(Strict):
    """recording.yaml. ``weights`` optionally names the detector weights meant for this recording."""

    version: Literal[1]
    name: str
    layout: str = "layout.yaml"
    started_at: AwareDatetime
    cameras: Annotated[tuple[RecordedCamera, ...], Field(min_length=1)]
    gate_scans: str | None = "gate_scans.yaml"
    settings: str | None = None
    weights: str | None = None
    licence: str | None = None
    rendered: bool = Field(default=False, description="true where the pictures are rendered, not filmed")

    @property
    def started_at_ns(self) -> int:
        """The recording's start in nanoseconds since the Unix epoch, exact to the microsecond."""
        whole = self.started_at.replace(microsecond=0)
        return int(whole.timestamp()) * 1_000_000_000 + self.started_at.microsecond * 1_000


class TrueLine(Strict):
    """One product of a true receipt."""

    sku: Identifier
    quantity: Annotated[int, Field(ge=1)]


class TrueVisit(Strict):
    """A visit as it really was. ``persons`` are the true person ids that belong to it.

    ``token`` and ``scanned_at_s`` name the gate scan by which a predicted visit is matched.
    """

    id: Identifier
    token: str
    scanned_at_s: Seconds
    entered_at_s: Seconds | None = None
    left_at_s: Seconds | None = None
    persons: tuple[int, ...] = ()
    receipt: tuple[TrueLine, ...] = ()


class TrueInteraction(Strict):
    """A pick or a put-back as it really was, from the hand's entering the shelf to its leaving.

    ``person`` and ``visit`` are null where the truth does not know; ``slot`` too. ``provenance`` says who says so where it
    was labelled on the dashboard: what is still ``proposed`` by the pipeline is no truth yet.
    """

    kind: Literal["pick", "put_back"]
    shelf: str
    slot: str | None = None
    sku: Identifier | None = None
    quantity: Annotated[int, Field(ge=1)] = 1
    person: int | None = None
    visit: Identifier | None = None
    from_s: Seconds
    to_s: Seconds
    provenance: Provenance | None = None


class Truth(Strict):
    """truth/truth.json. Boxes, floor paths and keypoints lie beside it in MOTChallenge form.

    - ``truth/boxes/CAMERA.txt``: frame (from 1), id, left, top, width, height, 1, 1, visibility
    - ``truth/floor.txt``: frame (from 1) at ``floor_fps``, id, x_m, y_m
    - ``truth/keypoints/CAMERA.csv``: frame, id, then x, y, visibility of 17 COCO keypoints
    """

    version: Literal[1]
    floor_fps: Annotated[float | None, Field(gt=0)] = None
    visits: tuple[TrueVisit, ...] = ()
    interactions: tuple[TrueInteraction, ...] = ()
    receipts_known: bool = True
    interactions_known: bool = True
    persons_known: bool = True


def seconds_to_ns(recording: Recording, at_s: float) -> int:
    """Put ``at_s`` seconds after the recording's start on the recording's clock, in nanoseconds."""
    return recording.started_at_ns + round(at_s * 1_000_000_000)
