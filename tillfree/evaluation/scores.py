"""The scores of a run against its recording's truth, and of several runs together.

Defined here once and used everywhere. A score whose truth is not known, or that divides by nothing,
is None; totals pool the counts of the recordings and never average their scores, but for
``receipt_f1_mean``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from recordings.errors import wrong
from recordings.files import LoadedRecording, LoadedTruth
from recordings.model import Recording, Truth, seconds_to_ns
from recordings.truth import TRUTH_FILE, TRUTH_FOLDER
from store_layout.model import Store
from tillfree.evaluation.interactions import InteractionCounts, KindCounts, count_interactions
from tillfree.evaluation.outcome import PredictedVisit, RunOutcome
from tillfree.evaluation.receipts import SAME_SCAN_NS, ReceiptCounts, count_receipts, match_visits
from tillfree.evaluation.tracking import TrackingScore, combine, score_boxes, score_floor

Value = float | int | str | None
DECIMALS = 6
NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class RecordingScore:
    """The counts of one recording, or of several pooled; a part whose truth is not known is None or empty.

    ``seconds_to_receipt`` has an entry for each visit whose exit and final receipt are known.
    ``receipt_f1s`` keeps each recording's own F1 for their mean. ``box`` pools the cameras,
    ``boxes`` holds each camera of one recording and is empty in a total.
    """

    name: str
    recordings: int = 1
    receipts: ReceiptCounts | None = None
    receipt_f1s: tuple[float, ...] = ()
    interactions: InteractionCounts | None = None
    floor: TrackingScore | None = None
    box: TrackingScore | None = None
    boxes: Mapping[str, TrackingScore] = field(default_factory=dict)
    tracked_visits: int = 0
    seconds_to_receipt: tuple[float, ...] = ()


def score(outcome: RunOutcome, loaded: LoadedRecording, true: LoadedTruth) -> RecordingScore:
    """Return how right ``outcome`` is about the recording ``loaded``, whose truth is ``true``.

    Raises RecordingError where the truth names a product, shelf or camera that the layout has not.
    """
    check_truth(loaded, true)
    recording, truth = loaded.recording, true.truth
    matched = match_visits(recording, truth.visits, outcome.visits)
    receipts = None
    if truth.receipts_known:
        prices_minor = {product.sku: product.price_minor for product in loaded.store.products}
        receipts = count_receipts(truth.visits, outcome.visits, matched, prices_minor)
    f1 = None if receipts is None else receipt_f1(receipts)
    boxes = _boxes(true, outcome)
    return RecordingScore(
        name=recording.name,
        receipts=receipts,
        receipt_f1s=() if f1 is None else (f1,),
        interactions=_interactions(recording, truth, outcome, matched),
        floor=_floor(recording, true, outcome),
        box=combine(list(boxes.values())) if boxes else None,
        boxes=boxes,
        tracked_visits=len(truth.visits),
        seconds_to_receipt=_seconds_to_receipt(recording, truth, outcome.visits, matched),
    )


def total(scores: Sequence[RecordingScore], name: str = "total") -> RecordingScore:
    """Return the counts of ``scores`` pooled."""
    receipts = [part.receipts for part in scores if part.receipts is not None]
    interactions = [part.interactions for part in scores if part.interactions is not None]
    floors = [part.floor for part in scores if part.floor is not None]
    boxes = [part.box for part in scores if part.box is not None]
    return RecordingScore(
        name=name,
        recordings=sum(part.recordings for part in scores),
        receipts=sum(receipts, ReceiptCounts()) if receipts else None,
        receipt_f1s=tuple(f1 for part in scores for f1 in part.receipt_f1s),
        interactions=sum(interactions, InteractionCounts()) if interactions else None,
        floor=combine(floors) if floors else None,
        box=combine(boxes) if boxes else None,
        tracked_visits=sum(part.tracked_visits for part in scores if part.floor is not None),
        seconds_to_receipt=tuple(seconds for part in scores for seconds in part.seconds_to_receipt),
    )


def check_scans(loaded: LoadedRecording, true: LoadedTruth) -> None:
    """Raise RecordingError where a true visit names a gate scan that the recording does not have.

    No run could ever open such a visit; in a truth written by hand it is a slip of the pen.
    """
    file = loaded.base_dir / TRUTH_FOLDER / TRUTH_FILE
    for i, visit in enumerate(true.truth.visits):
        near = (
            abs(scan.at_s - visit.scanned_at_s) * NS_PER_S <= SAME_SCAN_NS
            for scan in loaded.scans
            if scan.token == visit.token
        )
        if not any(near):
            problem = f"there is no gate scan of '{visit.token}' at {visit.scanned_at_s:g} s"
            raise wrong(file, f"visits[{i}]", problem, "mend token or scanned_at_s, or add the scan")


def check_truth(loaded: LoadedRecording, true: LoadedTruth) -> None:
    """Raise RecordingError where the truth names a product, shelf, slot or camera that the layout does not have."""
    file = loaded.base_dir / TRUTH_FOLDER / TRUTH_FILE
    skus = {product.sku for product in loaded.store.products}
    shelves, slots = _places(loaded.store)
    for i, visit in enumerate(true.truth.visits):
        for j, line in enumerate(visit.receipt):
            _require(file, f"visits[{i}].receipt[{j}].sku", line.sku, skus, "product")
    for i, done in enumerate(true.truth.interactions):
        _require(file, f"interactions[{i}].shelf", done.shelf, shelves, "shelf")
        if done.slot is not None:
            in_shelf = {slot for slot in slots if slot.startswith(f"{done.shelf}/")}
            _require(file, f"interactions[{i}].slot", done.slot, in_shelf, "slot")
        if done.sku is not None:
            _require(file, f"interactions[{i}].sku", done.sku, skus, "product")
    for folder, tables in (("boxes", true.boxes), ("keypoints", true.keypoints)):
        for camera_id in tables:
            _require(file.parent / folder, None, camera_id, set(loaded.paths), "camera")


def _places(store: Store) -> tuple[set[str], set[str]]:
    """Return the ids of all shelves and of all slots."""
    boards = [(f"{gondola.id}/{shelf.id}", shelf) for gondola in store.gondolas for shelf in gondola.shelves]
    return {name for name, _ in boards}, {f"{name}/{slot.id}" for name, shelf in boards for slot in shelf.slots}


def _require(file: Path, where: str | None, name: str, known: set[str], what: str) -> None:
    if name not in known:
        mend = f"name one of: {', '.join(sorted(known)[:8])}"
        raise wrong(file, where, f"there is no {what} '{name}' in this recording's store", mend)


def _interactions(
    recording: Recording, truth: Truth, outcome: RunOutcome, matched: Mapping[str, str]
) -> InteractionCounts | None:
    if not truth.interactions_known:
        return None
    shoppers = len(truth.visits) if truth.persons_known else 0
    return count_interactions(recording, truth.interactions, outcome.interactions, matched, shoppers)


def _floor(recording: Recording, true: LoadedTruth, outcome: RunOutcome) -> TrackingScore | None:
    floor_fps = true.truth.floor_fps
    if true.floor is None or floor_fps is None or outcome.floor is None:
        return None
    return score_floor(recording, floor_fps, true.floor, outcome.floor)


def _boxes(true: LoadedTruth, outcome: RunOutcome) -> dict[str, TrackingScore]:
    cameras = sorted(set(true.boxes) & set(outcome.tracks))
    return {camera_id: score_boxes(true.boxes[camera_id], outcome.tracks[camera_id]) for camera_id in cameras}


def _seconds_to_receipt(
    recording: Recording, truth: Truth, visits: Sequence[PredictedVisit], matched: Mapping[str, str]
) -> tuple[float, ...]:
    """Return the seconds from each exit to the final receipt; the true exit where it is known, else the run's."""
    left_s = {visit.id: visit.left_at_s for visit in truth.visits}
    seconds = []
    for guess in visits:
        true_left_s = left_s.get(matched.get(guess.visit_id, ""))
        left_ns = guess.exited_at_ns if true_left_s is None else seconds_to_ns(recording, true_left_s)
        if left_ns is not None and guess.receipt_final_at_ns is not None:
            seconds.append((guess.receipt_final_at_ns - left_ns) / 1e9)
    return tuple(seconds)


def ratio(part: float, whole: float) -> float | None:
    """Return ``part`` / ``whole``, or None where there is no whole."""
    return part / whole if whole else None


def receipt_f1(counts: ReceiptCounts) -> float | None:
    """Return the F1 over units of products; None where nothing was bought and nothing predicted."""
    wrong_units = counts.false_positive + counts.false_negative
    return ratio(2 * counts.true_positive, 2 * counts.true_positive + wrong_units)


def document(part: RecordingScore) -> dict[str, Value | dict[str, dict[str, Value]]]:
    """Return the scores under the names that `tillfree evaluate --json` writes, numbers to six decimals."""
    values: dict[str, Value] = {"recordings": part.recordings}
    values |= _receipt_values(part)
    values |= _interaction_values(part.interactions)
    values |= _tracking_values("floor", part.floor)
    values["floor_identity_switches_per_visit"] = (
        None if part.floor is None else ratio(part.floor.identity_switches, part.tracked_visits)
    )
    values |= _tracking_values("box", part.box)
    values |= _receipt_times(part.seconds_to_receipt)
    cameras = {camera_id: _tracking_values("box", box) for camera_id, box in sorted(part.boxes.items())}
    return {**{key: _rounded(value) for key, value in values.items()}, "cameras": _rounded_all(cameras)}


def _receipt_values(part: RecordingScore) -> dict[str, Value]:
    counts = part.receipts
    keys = (
        "receipt_f1 receipt_f1_mean receipt_precision receipt_recall receipts perfect_receipts missing_visits"
        " false_visits overcharge_minor undercharge_minor overcharge_minor_per_receipt undercharge_minor_per_receipt"
        " review_share unreviewed_error"
    )
    if counts is None:
        return dict.fromkeys(keys.split())
    right = counts.true_positive
    return {
        "receipt_f1": receipt_f1(counts),
        "receipt_f1_mean": ratio(sum(part.receipt_f1s), len(part.receipt_f1s)),
        "receipt_precision": ratio(right, right + counts.false_positive),
        "receipt_recall": ratio(right, right + counts.false_negative),
        "receipts": counts.receipts,
        "perfect_receipts": ratio(counts.perfect, counts.receipts),
        "missing_visits": counts.missing_visits,
        "false_visits": counts.false_visits,
        "overcharge_minor": counts.overcharge_minor,
        "undercharge_minor": counts.undercharge_minor,
        "overcharge_minor_per_receipt": ratio(counts.overcharge_minor, counts.receipts),
        "undercharge_minor_per_receipt": ratio(counts.undercharge_minor, counts.receipts),
        "review_share": ratio(counts.reviewed, counts.predicted),
        "unreviewed_error": ratio(counts.unreviewed_wrong, counts.predicted - counts.reviewed),
    }


def _interaction_values(counts: InteractionCounts | None) -> dict[str, Value]:
    known = counts or InteractionCounts()
    values = _kind_values("pick", known.pick) | _kind_values("put_back", known.put_back)
    values |= {
        "attribution_accuracy": ratio(known.attributed_right, known.attributed),
        "sku_accuracy": ratio(known.named_right, known.named),
        "interaction_time_error_s": ratio(known.time_error_s, known.timed),
    }
    return values if counts is not None else dict.fromkeys(values)


def _kind_values(kind: str, counts: KindCounts) -> dict[str, Value]:
    return {
        f"{kind}_precision": ratio(counts.matched, counts.predicted),
        f"{kind}_recall": ratio(counts.matched, counts.true),
        f"{kind}s": counts.true,
    }


def _tracking_values(name: str, part: TrackingScore | None) -> dict[str, Value]:
    return {
        f"{name}_hota": None if part is None else part.hota,
        f"{name}_idf1": None if part is None else part.idf1,
        f"{name}_mota": None if part is None else part.mota,
        f"{name}_identity_switches": None if part is None else part.identity_switches,
    }


def _receipt_times(seconds: Sequence[float]) -> dict[str, Value]:
    median, p95 = (None, None) if not seconds else (float(np.median(seconds)), float(np.percentile(seconds, 95)))
    return {"seconds_to_receipt_median": median, "seconds_to_receipt_p95": p95}


def _rounded(value: Value) -> Value:
    return round(value, DECIMALS) if isinstance(value, float) else value


def _rounded_all(cameras: Mapping[str, Mapping[str, Value]]) -> dict[str, dict[str, Value]]:
    return {camera: {key: _rounded(value) for key, value in values.items()} for camera, values in cameras.items()}


def named(scores: Sequence[RecordingScore]) -> dict[str, RecordingScore]:
    """Return ``scores`` by name; a name that comes again, or is "total", gets ``#2``, ``#3``."""
    seen = {"total": 1}
    result = {}
    for part in scores:
        seen[part.name] = seen.get(part.name, 0) + 1
        result[part.name if seen[part.name] == 1 else f"{part.name} #{seen[part.name]}"] = part
    return result


def evaluation_document(scores: Sequence[RecordingScore]) -> dict[str, object]:
    """Return what `tillfree evaluate --json` writes: the pooled scores, and each recording's by its name."""
    return {
        "version": 1,
        "total": document(total(scores)),
        "recordings": {name: document(part) for name, part in named(scores).items()},
    }
