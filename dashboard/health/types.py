"""What the store's process tells of itself, and what it can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class FaultsStand(Exception):
    """The store is not opened: a fault stands, and no reason was given to open it all the same."""


@dataclass(frozen=True, slots=True)
class CameraHealth:
    """A camera. ``p50_s`` and ``p95_s`` are from capture to cart over the last minute, None where there was nothing."""

    camera_id: str
    is_good: bool
    detail: str
    fps: float
    looked_per_s: float
    p50_s: float | None
    p95_s: float | None
    waiting: int
    dropped: int
    left_out: int
    damaged: int
    reconnects: int


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """The store. What is empty or None is well; ``said_*`` tell who opened or closed it last, and why.

    ``is_despite`` says that it was opened in spite of ``faults``.
    """

    at_ns: int
    is_open: bool
    faults: tuple[str, ...] = ()
    is_despite: bool = False
    said_by: str = ""
    said_at_ns: int | None = None
    said_reason: str = ""
    people_inside: int = 0
    cameras: tuple[CameraHealth, ...] = ()
    unseen_gates: tuple[str, ...] = ()
    detected_per_s: float = 0.0
    load: str = ""
    orders_waiting: int = 0
    billing_problem: str = ""
    clips: int = 0
    clips_bytes: int = 0
    buffer_bytes: int = 0
    clips_waiting: int = 0
    disk_free_bytes: int | None = None
    evidence_problem: str = ""
    alerting_problem: str = ""
    alerts: tuple[tuple[int, str], ...] = ()

    @property
    def lets_in(self) -> bool:
        """Whether gates let people in."""
        return self.is_open and (not self.faults or self.is_despite)


class Machine(Protocol):
    """The store's process."""

    def health(self) -> StoreHealth:
        """Return how it is now."""
        ...

    def open(self, by: str, reason: str, at_ns: int) -> None:
        """Let people in. Raises FaultsStand where faults stand and ``reason`` is empty."""
        ...

    def close(self, by: str, reason: str, at_ns: int) -> None:
        """Let nobody in; whoever is inside goes on shopping."""
        ...
