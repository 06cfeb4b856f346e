"""What a run came to, as the evaluation sees it: no pixels, no events, only what is scored.

The replay runner fills a RunOutcome from its event log. Times are nanoseconds on the recording's
own clock; boxes are pixels; places are metres on the floor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
InteractionKind = Literal["pick", "put_back"]


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)


@dataclass(frozen=True, slots=True)
class PredictedLine:
    """One product of a receipt, ``quantity`` at least 1."""

    sku: str
    quantity: int

    def __post_init__(self) -> None:
        _require(self.quantity >= 1, f"a receipt line of {self.sku} needs a quantity of at least 1")


@dataclass(frozen=True, slots=True)
class PredictedVisit:
    """One visit, and its receipt as it would stand with no operator.

    ``token`` and ``scanned_at_ns`` are the gate scan that opened it. ``lines`` are the final
    receipt's, each review counted with its time-out's outcome. ``reviewed`` says whether any
    review was opened for the visit. ``exited_at_ns`` and ``receipt_final_at_ns`` are None where
    the shopper was not seen to leave or the receipt was never final within the recording's run.
    """

    visit_id: str
    token: str
    scanned_at_ns: int
    lines: tuple[PredictedLine, ...]
    reviewed: bool
    exited_at_ns: int | None = None
    receipt_final_at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class PredictedInteraction:
    """A pick (units left the shelf) or a put-back (units came to it) that the run decided on.

    Touches and changes that the pixels did not tell are left out. ``sku`` is the likeliest,
    ``visit_id`` the visit it was put down to, both None where the run does not know.
    ``quantity`` is the number of units, at least 1.
    """

    interaction_id: str
    kind: InteractionKind
    shelf_id: str
    slot_id: str | None
    opened_at_ns: int
    closed_at_ns: int
    sku: str | None
    visit_id: str | None
    quantity: int = 1

    def __post_init__(self) -> None:
        _require(self.opened_at_ns <= self.closed_at_ns, f"{self.interaction_id} closes before it opens")


@dataclass(frozen=True, slots=True, eq=False)
class TrackRows:
    """What one camera's tracker said, a row per track and frame, in any order.

    ``frame_indices`` (N,) int64 from 0 as in the video; ``track_ids`` (N,) int64;
    ``boxes_xyxy_px`` (N, 4) float64.
    """

    frame_indices: I64
    track_ids: I64
    boxes_xyxy_px: F64

    def __post_init__(self) -> None:
        n = len(self.frame_indices)
        _require(self.track_ids.shape == (n,), f"track_ids must be ({n},), not {self.track_ids.shape}")
        _require(self.boxes_xyxy_px.shape == (n, 4), f"boxes_xyxy_px must be ({n}, 4), not {self.boxes_xyxy_px.shape}")


@dataclass(frozen=True, slots=True, eq=False)
class FloorRows:
    """Where people were on the floor, a row per person and instant, in any order.

    ``at_ns`` (N,) int64; ``person_ids`` (N,) int64; ``floor_m`` (N, 2) float64. Ids that were
    later found to be one person may stay as they were given: a switch is a switch.
    ``instants_ns`` (T,) int64 are all instants at which the run looked, rising, those at which it
    saw nobody among them: the floor is scored at these. Without it, the instants of the rows are
    taken, and people whom the run missed while it saw nobody at all are not counted.
    """

    at_ns: I64
    person_ids: I64
    floor_m: F64
    instants_ns: I64 | None = None

    def __post_init__(self) -> None:
        n = len(self.at_ns)
        _require(self.person_ids.shape == (n,), f"person_ids must be ({n},), not {self.person_ids.shape}")
        _require(self.floor_m.shape == (n, 2), f"floor_m must be ({n}, 2), not {self.floor_m.shape}")
        instants_ns = self.scored_ns
        _require(bool(np.all(np.diff(instants_ns) > 0)), "instants_ns must rise")
        _require(bool(np.all(np.isin(self.at_ns, instants_ns))), "every at_ns must be one of instants_ns")

    @property
    def scored_ns(self) -> I64:
        """The instants (T,) int64 at which the floor is scored."""
        return np.unique(self.at_ns) if self.instants_ns is None else self.instants_ns


@dataclass(frozen=True, slots=True, eq=False)
class RunOutcome:
    """Everything about one run that is scored.

    ``started_at_ns`` is the recording's start, ``ended_at_ns`` its last frame. ``tracks`` holds a
    row set per camera and may be empty where nobody asked for it, as may ``floor`` (None).
    """

    started_at_ns: int
    ended_at_ns: int
    visits: tuple[PredictedVisit, ...] = ()
    interactions: tuple[PredictedInteraction, ...] = ()
    floor: FloorRows | None = None
    tracks: Mapping[str, TrackRows] = field(default_factory=dict)
