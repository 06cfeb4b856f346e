"""Whether a camera's picture is worth the detector's time: where nothing moves and nobody is, it is not."""

from __future__ import annotations

from typing import Literal

import cv2
from pydantic import Field

from store_layout.model import Strict
from vision.coarse import Coarse
from vision.types import U8, Detections

_NEVER_NS = -(1 << 62)


class MotionSettings(Strict):
    """When a frame goes past the detector. Part of a tape's fingerprint."""

    use: Literal["live", "always", "never"] = Field(
        default="live",
        description="a recording has time for every frame, so only live cameras are gated; always gates recordings, too, whose "
        "receipts stay the same (docs/results.md)",
    )
    levels: int = Field(
        default=10,
        ge=1,
        le=128,
        description="brightness by which a pixel must differ from the picture last detected in to have changed (of 255); "
        "means over 4x4 pixels of the bundled recordings flicker by 4",
    )
    changed_px: int = Field(
        default=4,
        ge=1,
        le=10_000,
        description="so many of them, each the mean over 4x4 pixels, are motion: half a hand across the smallest store, 64 "
        "pixels of a picture of 640x360",
    )
    score: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="people at least this sure keep a camera awake although nothing moves; weaker ones are mostly things that "
        "are taken for people, and people move",
    )
    hold_s: float = Field(
        default=2.0,
        ge=0,
        le=60,
        description="how long a camera stays awake after motion or people: shelves need two looks, 0.35 s apart, to believe "
        "a change once nobody hides it (s)",
    )
    heartbeat_s: float = Field(
        default=10.0,
        gt=0,
        le=60,
        description="a still camera is detected in this often all the same (s): whatever moves wakes it, slow changes too, since "
        "they are held against the picture last detected in, so that this only bounds how long a mistake of the gate lasts",
    )


class MotionGate:
    """One camera's gate. It compares with the picture last detected in, so slow changes add up until they are seen.

    ``heartbeat_s`` may be set to another time than the settings'.
    """

    def __init__(self, settings: MotionSettings, *, live: bool) -> None:
        """``live`` says whether the camera is; where gates are not used, all frames go through."""
        self._settings = settings
        self._used = settings.use == "always" or (settings.use == "live" and live)
        self.heartbeat_s = settings.heartbeat_s
        self._reference: U8 | None = None
        self._detected_ns = _NEVER_NS
        self._busy_ns = _NEVER_NS

    def opens(self, picture: Coarse, captured_at_ns: int) -> bool:
        """Tell whether to detect in ``picture``; if so, it is what the next ones are compared with."""
        if not self._used:
            return True
        now = picture.brightness()
        if self._moved(now):
            self._busy_ns = captured_at_ns
        awake = captured_at_ns - self._busy_ns <= self._settings.hold_s * 1e9
        if not awake and captured_at_ns - self._detected_ns < self.heartbeat_s * 1e9:
            return False
        self._reference, self._detected_ns = now, captured_at_ns
        return True

    def saw(self, detections: Detections) -> None:
        """Hear what was detected: where people are, the camera stays awake."""
        if (detections.scores >= self._settings.score).any():
            self._busy_ns = max(self._busy_ns, detections.captured_at_ns)

    def _moved(self, now: U8) -> bool:
        if self._reference is None or self._reference.shape != now.shape:
            return True
        _, changed = cv2.threshold(cv2.absdiff(now, self._reference), self._settings.levels, 1, cv2.THRESH_BINARY)
        return cv2.countNonZero(changed) >= self._settings.changed_px
