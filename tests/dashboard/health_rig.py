"""A store's process that remembers what it was told."""

from __future__ import annotations

import dataclasses

from dashboard.health.types import CameraHealth, FaultsStand, StoreHealth
from tests.dashboard.desk_rig import S

FAULT = "nobody watches gate door"


class Fakery:
    """A machine that remembers what it was told."""

    def __init__(self) -> None:
        self.now = StoreHealth(
            5 * S,
            is_open=True,
            people_inside=3,
            cameras=(
                CameraHealth("cam1", True, "", 10.0, 9.5, 0.21, 0.4, 0, 3, 1, 0, 0),
                CameraHealth("cam2", False, "dark <b>", 0.0, 0.0, None, None, 0, 0, 0, 2, 7),
            ),
            alerts=((4 * S, "gate door was forced open"),),
        )

    def health(self) -> StoreHealth:
        return self.now

    def open(self, by: str, reason: str, at_ns: int) -> None:
        if self.now.faults and not reason:
            raise FaultsStand("; ".join(self.now.faults))
        self._say(by, reason, at_ns, is_open=True)

    def close(self, by: str, reason: str, at_ns: int) -> None:
        self._say(by, reason, at_ns, is_open=False)

    def _say(self, by: str, reason: str, at_ns: int, *, is_open: bool) -> None:
        despite = is_open and bool(self.now.faults)
        self.now = dataclasses.replace(
            self.now, is_open=is_open, is_despite=despite, said_by=by, said_reason=reason, said_at_ns=at_ns
        )
