"""The scores: examples worked out by hand, and what must hold for any run."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from recordings.errors import RecordingError
from recordings.files import LoadedRecording, LoadedTruth
from recordings.model import GateScan, RecordedCamera, Recording, TrueInteraction, TrueLine, TrueVisit, Truth
from recordings.tables import BoxTable, FloorTable
from store_layout.model import Camera, Gate, Gondola, Product, Shelf, Slot, Store, TaxClass
from tillfree.evaluation.interactions import TimedInteraction, match_interactions
from tillfree.evaluation.outcome import (
    FloorRows,
    PredictedInteraction,
    PredictedLine,
    PredictedVisit,
    RunOutcome,
    TrackRows,
)
from tillfree.evaluation.scores import check_scans, document, evaluation_document, score, total

START = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.UTC)
SKUS = ("tea", "jam", "oil", "rye")
PRICES = {"tea": 250, "jam": 340, "oil": 990, "rye": 120}
REQUIRED_KEYS = {
    "receipt_f1",
    "perfect_receipts",
    "receipts",
    "pick_precision",
    "pick_recall",
    "put_back_precision",
    "put_back_recall",
    "attribution_accuracy",
    "sku_accuracy",
    "floor_hota",
    "floor_idf1",
    "overcharge_minor",
    "undercharge_minor",
    "review_share",
    "seconds_to_receipt_p95",
}


def make_loaded() -> LoadedRecording:
    recording = Recording(
        version=1, name="shop", started_at=START, cameras=(RecordedCamera(id="cam_a", video="a.mp4"),)
    )
    camera = Camera(
        id="cam_a", resolution_px=(640, 360), fps=10, position_m=(0, 0, 2), look_at_m=(1, 1, 0), focal_px=400.0
    )
    slots = tuple(Slot(id=sku, sku=sku, from_m=k * 0.2, to_m=k * 0.2 + 0.2) for k, sku in enumerate(SKUS))
    shelves = tuple(Shelf(id=name, height_m=0.5, clearance_m=0.3, slots=slots) for name in ("s1", "s2"))
    store = Store(
        version=1,
        name="Shop",
        currency="EUR",
        tax_classes={"standard": TaxClass(rate_percent=20)},  # type: ignore[arg-type]
        floor_m=((0, 0), (5, 0), (5, 5), (0, 5)),
        gates=(Gate(id="door", line_m=((1, 2), (1, 1))),),
        cameras=(camera,),
        gondolas=(
            Gondola(
                id="g1", front_left_m=(2, 4), facing_deg=270, width_m=1, depth_m=0.4, height_m=1.5, shelves=shelves
            ),
        ),
        products=tuple(Product(sku=sku, name=sku, price_minor=PRICES[sku]) for sku in SKUS),
    )
    place = Path("nowhere")
    return LoadedRecording(recording, store, place / "recording.yaml", place / "l.yaml", (), {"cam_a": place / "a.mp4"})


LOADED = make_loaded()
START_NS = LOADED.recording.started_at_ns


def ns(at_s: float) -> int:
    return START_NS + round(at_s * 1e9)


def visit(name: str, at_s: float, left_s: float | None = None, **receipt: int) -> TrueVisit:
    lines = tuple(TrueLine(sku=sku, quantity=quantity) for sku, quantity in receipt.items())
    return TrueVisit(id=name, token=f"card-{name}", scanned_at_s=at_s, left_at_s=left_s, receipt=lines)


def guess(
    name: str, at_s: float, reviewed: bool = False, final_s: float | None = None, **receipt: int
) -> PredictedVisit:
    lines = tuple(PredictedLine(sku, quantity) for sku, quantity in receipt.items())
    final_ns = None if final_s is None else ns(final_s)
    return PredictedVisit(f"run-{name}", f"card-{name}", ns(at_s), lines, reviewed, None, final_ns)


def done(kind: str, shelf: str, from_s: float, to_s: float, sku: str | None, who: str | None) -> TrueInteraction:
    return TrueInteraction.model_validate(
        {"kind": kind, "shelf": shelf, "from_s": from_s, "to_s": to_s, "sku": sku, "visit": who}
    )


def on_slot(slot: str) -> TrueInteraction:
    return done("pick", "g1/s1", 1, 2, None, None).model_copy(update={"slot": slot})


def saw(kind: str, shelf: str, from_s: float, to_s: float, sku: str | None, who: str | None) -> PredictedInteraction:
    assert kind in ("pick", "put_back")
    visit_id = None if who is None else f"run-{who}"
    name = f"{kind}-{shelf}-{from_s}-{sku}"
    return PredictedInteraction(name, kind, shelf, None, ns(from_s), ns(to_s), sku, visit_id)  # type: ignore[arg-type]


def outcome(**parts: object) -> RunOutcome:
    return RunOutcome(START_NS, ns(60), **parts)  # type: ignore[arg-type]


def truth(**parts: object) -> LoadedTruth:
    return LoadedTruth(Truth(version=1, **parts))  # type: ignore[arg-type]


def scores_of(run: RunOutcome, true: LoadedTruth) -> dict[str, object]:
    return dict(document(score(run, LOADED, true)))


def test_receipts_by_hand() -> None:
    true = truth(visits=(visit("a", 1, tea=2, jam=1), visit("b", 2, oil=1), visit("c", 3)))
    run = outcome(visits=(guess("a", 1, tea=1, jam=1, rye=1), guess("b", 2, True, oil=1), guess("x", 3, tea=1)))
    got = scores_of(run, true)
    # a: right tea and jam, a rye too many, a tea too few; b: right; c: never opened; x: nobody's tea
    assert got["receipt_f1"] == pytest.approx(2 * 3 / (2 * 3 + 2 + 1), abs=1e-6)
    assert got["receipt_precision"] == pytest.approx(3 / 5, abs=1e-6)
    assert got["receipt_recall"] == pytest.approx(3 / 4, abs=1e-6)
    assert (got["receipts"], got["missing_visits"], got["false_visits"]) == (4, 1, 1)
    assert got["perfect_receipts"] == pytest.approx(1 / 4)
    assert got["undercharge_minor"] == 250 - 120
    assert got["overcharge_minor"] == 250
    assert got["review_share"] == pytest.approx(1 / 3, abs=1e-6)
    assert got["unreviewed_error"] == pytest.approx(1.0)


def test_an_empty_receipt_can_be_perfect_and_has_no_f1() -> None:
    got = scores_of(outcome(visits=(guess("a", 1),)), truth(visits=(visit("a", 1),)))
    assert got["perfect_receipts"] == 1
    assert got["receipt_f1"] is None


def test_a_visit_is_matched_by_its_scan_not_by_its_order() -> None:
    true = truth(visits=(visit("a", 1, tea=1), visit("a2", 30, jam=1)))
    second = dataclasses.replace(guess("z", 30, jam=1), token="card-a2")
    assert scores_of(outcome(visits=(second, guess("a", 1, tea=1))), true)["receipt_f1"] == 1
    late = guess("a", 1.6, tea=1)
    assert scores_of(outcome(visits=(second, late)), true)["false_visits"] == 1


def test_interactions_by_hand() -> None:
    true = truth(
        visits=(visit("a", 1), visit("b", 2)),
        interactions=(
            done("pick", "g1/s1", 10, 11, "tea", "a"),
            done("pick", "g1/s1", 12.5, 13, "jam", "b"),
            done("put_back", "g1/s1", 20, 21, "tea", "a"),
            done("pick", "g1/s2", 30, 31, "oil", None),
        ),
    )
    run = outcome(
        visits=(guess("a", 1), guess("b", 2)),
        interactions=(
            saw("pick", "g1/s1", 11.8, 12, "tea", "b"),  # 0.8 s after the first, 0.5 s before the second
            saw("pick", "g1/s1", 9, 9.5, "tea", "b"),  # 0.5 s before the first
            saw("put_back", "g1/s1", 22, 22.5, "tea", "a"),  # exactly 1 s late: no match
            saw("pick", "g1/s1", 30, 31, "oil", "a"),  # on the wrong shelf
        ),
    )
    got = scores_of(run, true)
    assert (got["pick_precision"], got["pick_recall"]) == (
        pytest.approx(2 / 3, abs=1e-6),
        pytest.approx(2 / 3, abs=1e-6),
    )
    assert (got["put_back_precision"], got["put_back_recall"]) == (0, 0)
    # matched: (10-11 tea a) with (9-9.5 tea b), (12.5-13 jam b) with (11.8-12 tea b)
    assert got["attribution_accuracy"] == pytest.approx(1 / 2)
    assert got["sku_accuracy"] == pytest.approx(1 / 2)
    assert got["interaction_time_error_s"] == pytest.approx(((10.5 - 9.25) + (12.75 - 11.9)) / 2)


def test_most_matches_come_before_the_nearest() -> None:
    true = truth(interactions=(done("pick", "g1/s1", 10, 10, None, None), done("pick", "g1/s1", 11, 11, None, None)))
    # the first prediction is nearest to the first truth, but only it can take the second
    run = outcome(
        interactions=(saw("pick", "g1/s1", 10.1, 10.1, None, None), saw("pick", "g1/s1", 9.2, 9.2, None, None))
    )
    assert scores_of(run, true)["pick_recall"] == 1


def test_attribution_needs_two_shoppers() -> None:
    true = truth(visits=(visit("a", 1),), interactions=(done("pick", "g1/s1", 10, 11, "tea", "a"),))
    run = outcome(visits=(guess("a", 1),), interactions=(saw("pick", "g1/s1", 10, 11, "tea", "a"),))
    assert scores_of(run, true)["attribution_accuracy"] is None


def test_what_a_truth_does_not_hold_is_null() -> None:
    run = outcome(visits=(guess("a", 1, tea=1),), interactions=(saw("pick", "g1/s1", 10, 11, "tea", "a"),))
    got = scores_of(run, truth(receipts_known=False, interactions_known=False))
    assert set(got) >= REQUIRED_KEYS
    assert {key for key in REQUIRED_KEYS if got[key] is not None} == set()


def test_seconds_to_receipt_count_from_the_true_exit() -> None:
    visits = tuple(visit(f"v{k}", k, left_s=10.0) for k in range(4))
    guesses = tuple(guess(f"v{k}", k, final_s=10 + wait) for k, wait in enumerate((1, 2, 3, 10)))
    got = scores_of(outcome(visits=guesses), truth(visits=visits))
    assert got["seconds_to_receipt_median"] == pytest.approx(2.5)
    assert got["seconds_to_receipt_p95"] == pytest.approx(3 + 7 * 0.85)


def floor_truth(paths: dict[int, np.ndarray[tuple[int, int], np.dtype[np.float64]]]) -> LoadedTruth:
    frames = np.concatenate([np.arange(1, len(path) + 1) for path in paths.values()])
    ids = np.concatenate([np.full(len(path), person) for person, path in paths.items()])
    table = FloorTable(frames, ids, np.concatenate(list(paths.values())))
    return LoadedTruth(Truth(version=1, floor_fps=10, visits=(visit("a", 1), visit("b", 2))), floor=table)


def floor_run(paths: dict[int, np.ndarray[tuple[int, int], np.dtype[np.float64]]]) -> FloorRows:
    at_ns = np.concatenate([ns(0) + np.arange(len(path)) * 100_000_000 for path in paths.values()])
    ids = np.concatenate([np.full(len(path), person) for person, path in paths.items()])
    return FloorRows(at_ns, ids, np.concatenate(list(paths.values())), np.unique(at_ns))


def line(y_m: float, n: int = 20) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.column_stack((np.linspace(0, 2, n), np.full(n, y_m)))


def test_floor_tracks_by_hand() -> None:
    true = floor_truth({1: line(0), 2: line(4)})
    perfect = scores_of(outcome(floor=floor_run({7: line(0), 9: line(4)})), true)
    assert (perfect["floor_hota"], perfect["floor_idf1"], perfect["floor_identity_switches"]) == (1, 1, 0)
    crossed = {7: np.vstack((line(0)[:10], line(4)[10:])), 9: np.vstack((line(4)[:10], line(0)[10:]))}
    swapped = scores_of(outcome(floor=floor_run(crossed)), true)
    assert swapped["floor_identity_switches"] == 2
    assert swapped["floor_identity_switches_per_visit"] == 1
    assert swapped["floor_idf1"] == pytest.approx(0.5)
    # 0.4 m off: similar by 0.6, so 12 of the 19 thresholds 0.05..0.95 match all, the rest nothing
    shifted = scores_of(outcome(floor=floor_run({7: line(0.4), 9: line(3.6)})), true)
    assert shifted["floor_hota"] == pytest.approx(12 / 19, abs=1e-6)


def test_floor_truth_is_interpolated_to_the_instants_of_the_run() -> None:
    true = floor_truth({1: line(0)})
    at_ns = ns(0) + np.arange(19) * 100_000_000 + 50_000_000
    middles = (line(0)[:-1] + line(0)[1:]) / 2
    got = scores_of(outcome(floor=FloorRows(at_ns, np.full(19, 3), middles, at_ns)), true)
    assert got["floor_hota"] == 1


def test_boxes_per_camera() -> None:
    boxes = np.array([[10.0, 10, 40, 80], [12, 10, 40, 80]])
    table = BoxTable(np.array([1, 2]), np.array([5, 5]), boxes, np.ones(2))
    xyxy = np.hstack((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]))
    true = LoadedTruth(Truth(version=1), {"cam_a": table})
    rows = TrackRows(np.array([0, 1]), np.array([3, 3]), xyxy)
    got = scores_of(outcome(tracks={"cam_a": rows}), true)
    assert (got["box_hota"], got["box_idf1"], got["box_mota"]) == (1, 1, 1)
    assert got["cameras"] == {"cam_a": {"box_hota": 1.0, "box_idf1": 1.0, "box_mota": 1.0, "box_identity_switches": 0}}
    lost = scores_of(outcome(tracks={"cam_a": TrackRows(np.array([0]), np.array([3]), xyxy[:1])}), true)
    assert lost["box_mota"] == 0.5
    assert scores_of(outcome(), true)["box_hota"] is None


def test_totals_pool_counts_and_keep_the_mean_beside() -> None:
    big = score(outcome(visits=(guess("a", 1, tea=9),)), LOADED, truth(visits=(visit("a", 1, tea=9),)))
    small = score(outcome(visits=(guess("a", 1, jam=1),)), LOADED, truth(visits=(visit("a", 1, tea=1),)))
    unknown = score(outcome(), LOADED, truth(receipts_known=False))
    got = document(total([big, small, unknown]))
    assert got["receipt_f1"] == pytest.approx(18 / 20)
    assert got["receipt_f1_mean"] == pytest.approx(0.5)
    assert (got["recordings"], got["receipts"], got["overcharge_minor"]) == (3, 2, 90)


def test_the_document_names_every_recording_and_is_json() -> None:
    part = score(outcome(visits=(guess("a", 1, tea=9),)), LOADED, truth(visits=(visit("a", 1, tea=9),)))
    whole = json.loads(json.dumps(evaluation_document([part, part])))
    assert set(whole["recordings"]) == {"shop", "shop #2"}
    assert set(whole["total"]) >= REQUIRED_KEYS
    assert whole["total"]["recordings"] == 2


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"visits": (visit("a", 1, gin=1),)}, r"visits\[0\]\.receipt\[0\]\.sku: there is no product 'gin'"),
        ({"interactions": (done("pick", "g9/s1", 1, 2, None, None),)}, r"interactions\[0\]\.shelf"),
        ({"interactions": (done("pick", "g1/s1", 1, 2, "gin", None),)}, r"interactions\[0\]\.sku"),
        ({"interactions": (on_slot("g1/s2/tea"),)}, r"interactions\[0\]\.slot: there is no slot 'g1/s2/tea'"),
    ],
)
def test_a_truth_that_does_not_fit_the_store(parts: dict[str, object], words: str) -> None:
    with pytest.raises(RecordingError, match=words):
        score(outcome(), LOADED, truth(**parts))


def test_a_true_visit_needs_its_gate_scan() -> None:
    loaded = dataclasses.replace(LOADED, scans=(GateScan(gate="door", at_s=1.4, token="card-a"),))
    check_scans(loaded, truth(visits=(visit("a", 1),)))
    for wrong in (visit("a", 2), visit("b", 1.4)):
        with pytest.raises(RecordingError, match=r"visits\[1\]: there is no gate scan of"):
            check_scans(loaded, truth(visits=(visit("a", 1), wrong.model_copy(update={"id": "c"}))))


receipts = st.dictionaries(st.sampled_from(SKUS), st.integers(1, 4))
visit_names = st.lists(st.sampled_from("abcd"), min_size=2, max_size=4, unique=True)


@st.composite
def true_runs(draw: st.DrawFn) -> tuple[LoadedTruth, RunOutcome]:
    """A truth and the run that is right about all of it."""
    names = draw(visit_names)
    bought = {name: draw(receipts) for name in names}
    events = draw(
        st.lists(
            st.tuples(
                st.sampled_from(("pick", "put_back")),
                st.sampled_from(("g1/s1", "g1/s2")),
                st.floats(5, 50),
                st.floats(0, 2),
                st.sampled_from(SKUS),
                st.sampled_from(names),
            ),
            max_size=8,
        )
    )
    events = [
        (kind, shelf, round(at, 3), round(at + length, 3), sku, who) for kind, shelf, at, length, sku, who in events
    ]
    true = truth(
        visits=tuple(visit(name, k + 1, **bought[name]) for k, name in enumerate(names)),
        interactions=tuple(done(*event) for event in events),
    )
    run = outcome(
        visits=tuple(guess(name, k + 1, **bought[name]) for k, name in enumerate(names)),
        interactions=tuple(saw(*event) for event in events),
    )
    return true, run


@given(true_runs())
@settings(max_examples=60, deadline=None)
def test_a_perfect_run_scores_one_wherever_there_is_a_score(pair: tuple[LoadedTruth, RunOutcome]) -> None:
    true, run = pair
    got = scores_of(run, true)
    for key in (
        "receipt_f1",
        "perfect_receipts",
        "pick_precision",
        "pick_recall",
        "put_back_precision",
        "put_back_recall",
    ):
        assert got[key] in (1, None)
    assert (got["overcharge_minor"], got["undercharge_minor"], got["unreviewed_error"]) == (0, 0, 0)


@given(true_runs(), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_other_persons_change_attribution_alone(pair: tuple[LoadedTruth, RunOutcome], turn: int) -> None:
    true, run = pair
    ids = [visit.visit_id for visit in run.visits]
    others = {name: ids[(k + turn) % len(ids)] for k, name in enumerate(ids)}
    swapped = tuple(dataclasses.replace(part, visit_id=others[part.visit_id or ""]) for part in run.interactions)
    before, after = scores_of(run, true), scores_of(dataclasses.replace(run, interactions=swapped), true)
    changed = {key for key in before if before[key] != after[key]}
    assert changed <= {"attribution_accuracy"}
    moments = [(part.kind, part.shelf_id, part.opened_at_ns + part.closed_at_ns) for part in run.interactions]
    # two at the very same moment may be matched either way
    if moments and turn % len(ids) and len(set(moments)) == len(moments):
        assert changed == {"attribution_accuracy"}


@given(st.lists(true_runs(), min_size=1, max_size=4), st.data())
@settings(max_examples=40, deadline=None)
def test_pooled_f1_lies_between_the_recordings(
    pairs: list[tuple[LoadedTruth, RunOutcome]], data: st.DataObject
) -> None:
    parts = []
    for true, run in pairs:
        wrong = data.draw(receipts)
        first = dataclasses.replace(run.visits[0], lines=tuple(PredictedLine(s, q) for s, q in wrong.items()))
        parts.append(score(dataclasses.replace(run, visits=(first, *run.visits[1:])), LOADED, true))
    f1s = [f1 for part in parts for f1 in part.receipt_f1s]
    pooled = document(total(parts))["receipt_f1"]
    if f1s:
        assert isinstance(pooled, float)
        assert min(f1s) - 1e-6 <= pooled <= max(f1s) + 1e-6
    assert document(total(list(reversed(parts))))["receipt_f1"] == pooled


moments = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20), st.sampled_from(("g1/s1", "g1/s2"))), max_size=9)


@given(moments, moments)
@settings(max_examples=80, deadline=None)
def test_no_matching_of_interactions_is_larger(true: list[Any], seen: list[Any]) -> None:
    a, b = (
        [TimedInteraction("pick", shelf, at * 10**8, (at + length) * 10**8) for at, length, shelf in events]
        for events in (true, seen)
    )
    pairs = match_interactions(a, b)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    fits = [
        [x.shelf_id == y.shelf_id and max(x.from_ns, y.from_ns) - min(x.to_ns, y.to_ns) < 10**9 for y in b] for x in a
    ]
    assert all(fits[i][j] for i, j in pairs)
    if a and b:
        best = maximum_bipartite_matching(csr_matrix(np.array(fits, dtype=bool)))
        assert len(pairs) == int((best >= 0).sum())
    else:
        assert pairs == ()
