"""Tracks against truth: HOTA, IDF1, MOTA and identity switches.

The one place that knows trackeval. Its metric classes take arrays, so no file is written for them;
they follow HOTA (Luiten et al. 2021), IDF1 (Ristani et al. 2016) and CLEAR MOT (Bernardin and
Stiefelhagen 2008).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recordings.model import Recording
from recordings.tables import BoxTable, FloorTable
from tillfree.evaluation.outcome import F64, I64, FloorRows, TrackRows

FLOOR_REACH_M = 1.0
"""On the floor two places are as alike as 1 - distance / this, not below 0 (design.md)."""
FRAME_SLACK = 1e-3
"""Times that differ from a frame's by a thousandth of the frame interval are that frame's: rounding to ns."""


@dataclass(frozen=True, slots=True)
class TrackingScore:
    """The metrics of one sequence, or of several combined; ``raw`` is what trackeval needs to combine them."""

    hota: float
    deta: float
    assa: float
    idf1: float
    mota: float
    identity_switches: int
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Instant:
    """One moment of a sequence: true ids (A,), predicted ids (B,), similarity (A, B) in 0..1."""

    true_ids: I64
    predicted_ids: I64
    similarity: F64


def score_sequence(instants: Sequence[Instant]) -> TrackingScore:
    """Return the metrics of one sequence."""
    data = _numbered(instants)
    return _summed({name: metric.eval_sequence(data) for name, metric in _metrics().items()})


def combine(scores: Sequence[TrackingScore]) -> TrackingScore:
    """Return the metrics of several sequences as one, the way trackeval pools them. Needs at least one."""
    parts = {
        name: metric.combine_sequences({str(k): score.raw[name] for k, score in enumerate(scores)})
        for name, metric in _metrics().items()
    }
    return _summed(parts)


def score_boxes(true: BoxTable, predicted: TrackRows) -> TrackingScore:
    """Return the metrics of one camera: boxes are as alike as they overlap (intersection over union)."""
    true_xyxy = np.hstack((true.boxes_ltwh_px[:, :2], true.boxes_ltwh_px[:, :2] + true.boxes_ltwh_px[:, 2:]))
    frames = np.union1d(true.frames, predicted.frame_indices + 1)
    instants = []
    for wanted, got in zip(_rows_of(frames, true.frames), _rows_of(frames, predicted.frame_indices + 1), strict=True):
        similarity = overlap(true_xyxy[wanted], predicted.boxes_xyxy_px[got])
        instants.append(Instant(true.ids[wanted], predicted.track_ids[got], similarity))
    return score_sequence(instants)


def score_floor(recording: Recording, floor_fps: float, true: FloorTable, predicted: FloorRows) -> TrackingScore:
    """Return the metrics on the floor at each instant of the run, true places interpolated between their frames."""
    times_s = (predicted.scored_ns - recording.started_at_ns) / 1e9
    order, ids, places = _places_at(true, floor_fps, times_s)
    true_rows = _rows_of(np.arange(len(times_s)), order)
    instants = []
    for wanted, got in zip(true_rows, _rows_of(predicted.scored_ns, predicted.at_ns), strict=True):
        similarity = nearness(places[wanted], predicted.floor_m[got])
        instants.append(Instant(ids[wanted], predicted.person_ids[got], similarity))
    return score_sequence(instants)


def _rows_of(keys: I64, column: I64) -> list[I64]:
    """Return for each of ``keys``, which rise, the indices at which ``column`` holds it."""
    order = np.argsort(column, kind="stable")
    starts = np.searchsorted(column[order], keys, side="left")
    ends = np.searchsorted(column[order], keys, side="right")
    return [order[start:end] for start, end in zip(starts, ends, strict=True)]


def overlap(a_xyxy: F64, b_xyxy: F64) -> F64:
    """Return the intersection over union (A, B) of boxes (A, 4) and (B, 4)."""
    low = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    high = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (a_xyxy, b_xyxy)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0.0)


def nearness(a_m: F64, b_m: F64) -> F64:
    """Return 1 - distance / FLOOR_REACH_M, not below 0, as (A, B) for places (A, 2) and (B, 2)."""
    apart_m = np.hypot(a_m[:, None, 0] - b_m[None, :, 0], a_m[:, None, 1] - b_m[None, :, 1])
    return np.clip(1 - apart_m / FLOOR_REACH_M, 0, None)


def _places_at(true: FloorTable, floor_fps: float, times_s: F64) -> tuple[I64, I64, F64]:
    """Return rows (index into ``times_s``, id, place (., 2)) of everyone who is there at each time.

    Someone is there at a time that lies on one of their frames or between two that follow each
    other; a gap in their frames is an absence.
    """
    frame_of = times_s * floor_fps + 1
    order, ids, places = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros((0, 2))]
    for person in np.unique(true.ids):
        mine = true.ids == person
        frames, floor_m = true.frames[mine], true.floor_m[mine]
        after = np.clip(np.searchsorted(frames, frame_of - FRAME_SLACK), 0, len(frames) - 1)
        before = np.clip(after - 1, 0, None)
        on_frame = np.abs(frames[after] - frame_of) <= FRAME_SLACK
        between = (frames[after] - frames[before] == 1) & (frames[before] <= frame_of) & (frame_of <= frames[after])
        share = np.where(on_frame, 1.0, frame_of - frames[before])[:, None]
        place = floor_m[before] + share * (floor_m[after] - floor_m[before])
        there = np.flatnonzero(on_frame | between)
        order.append(there)
        ids.append(np.full(len(there), person))
        places.append(place[there])
    return np.concatenate(order), np.concatenate(ids), np.concatenate(places)


def _numbered(instants: Sequence[Instant]) -> dict[str, Any]:
    """Return trackeval's input, with ids counted from 0 as it wants them."""
    empty = np.zeros(0, np.int64)
    true_ids = np.unique(np.concatenate([empty, *(instant.true_ids for instant in instants)]))
    predicted_ids = np.unique(np.concatenate([empty, *(instant.predicted_ids for instant in instants)]))
    return {
        "num_timesteps": len(instants),
        "num_gt_ids": len(true_ids),
        "num_tracker_ids": len(predicted_ids),
        "num_gt_dets": sum(len(instant.true_ids) for instant in instants),
        "num_tracker_dets": sum(len(instant.predicted_ids) for instant in instants),
        "gt_ids": [np.searchsorted(true_ids, instant.true_ids) for instant in instants],
        "tracker_ids": [np.searchsorted(predicted_ids, instant.predicted_ids) for instant in instants],
        "similarity_scores": [instant.similarity for instant in instants],
    }


def _metrics() -> dict[str, Any]:
    from trackeval.metrics import CLEAR, HOTA, Identity

    quiet = {"PRINT_CONFIG": False, "THRESHOLD": 0.5}
    return {"hota": HOTA(), "identity": Identity(dict(quiet)), "clear": CLEAR(dict(quiet))}


def _summed(raw: Mapping[str, Any]) -> TrackingScore:
    hota, identity, clear = raw["hota"], raw["identity"], raw["clear"]
    return TrackingScore(
        hota=float(np.mean(hota["HOTA"])),
        deta=float(np.mean(hota["DetA"])),
        assa=float(np.mean(hota["AssA"])),
        idf1=float(identity["IDF1"]),
        mota=float(clear["MOTA"]),
        identity_switches=int(clear["IDSW"]),
        raw=raw,
    )
