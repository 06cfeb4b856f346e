"""From the exit to the final receipt, and from a picture to the cart, in a store that runs.

    python benchmarks/live_latency.py --json FILE

plays a recording of four cameras in a loop as if it were live, motion gate on, with embedded billing, evidence and health, as a
process of its own. First it looks for the highest rate that is *sustained*: in a whole round of the recording, after a first one,
the queues drop no frame and none comes late for its instant. Then it measures at that rate for ``--minutes``, and at the next lower one
where frames are dropped or late in that longer time.

Times are the store's clock's: at ``--speed 2`` all clocks run twice as fast, so waiting that is a matter of policy (such as
``final_delay_s``) stays as long in them, and computing takes twice as long. The log is read as it grows, every few milliseconds; an event's time of
writing is that at which its line was read.

- *exit to receipt*: from the exit that vision told (the last ``VisitClosed``) to the line ``ReceiptFinalised``, of visits that closed
  by an exit and without a review. ``true_exit_to_receipt`` is from the exit that the truth knows, of all visits without a review, however
  they were closed: it holds exits that vision saw late or not at all.
- *capture to cart*: from the capture of a picture to when all that follows from it is in the carts, as the store itself counts it for each
  picture (``/metrics``); ``capture_to_log`` is the same seen from outside, of crossings of gates, which are told at once.
- *hand to cart*: from the hand's leaving the shelf to the line of the cart. It holds how long a slot has to be in view and still.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import Request, urlopen

import numpy as np

from benchmarks.live_store import RECORDING, Store
from billing.access import Access, Scope
from billing.store import BillingStore
from recordings.files import load_recording
from recordings.truth import load_truth
from tillfree.live.books import DATABASE
from tillfree.live.recorded import length_ns
from tillfree.system import scaled_clock, system_clock

S = 1_000_000_000
POLL_S = 0.004
RECEIPT_P50_S, RECEIPT_P95_S, CART_S = 3.0, 10.0, 1.5
SPEEDS = (1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0, 3.5, 4.0)
COUNTER = re.compile(r'tillfree_node_camera_(dropped|taken|spared)_total\{camera="([^"]+)"\} ([0-9.e+]+)')
BUCKET = re.compile(r'tillfree_node_capture_to_cart_seconds_bucket\{camera="([^"]+)",le="([^"]+)"\} ([0-9.e+]+)')
LATE = re.compile(r", (\d+) late, ")


@dataclass(frozen=True, slots=True)
class Counts:
    """What a store counts, of all cameras. ``buckets`` is by upper bound in s, added up."""

    taken: int
    dropped: int
    spared: int
    late: int
    buckets: Mapping[float, int]

    def since(self, before: Counts) -> Counts:
        """Return what came since then."""
        buckets = {bound: count - before.buckets.get(bound, 0) for bound, count in self.buckets.items()}
        return Counts(
            self.taken - before.taken,
            self.dropped - before.dropped,
            self.spared - before.spared,
            self.late - before.late,
            buckets,
        )


@dataclass(slots=True)
class Written:
    """An event of the log and when its line was read, by the store's clock (Unix ns)."""

    at_ns: int
    event: dict[str, Any]


@dataclass(slots=True)
class Run:
    """A store that plays the recording at ``speed``, watched from outside."""

    store: Store
    speed: float
    key: str
    written: list[Written] = field(default_factory=list)
    _offset: int = 0
    _rest: bytes = b""

    def clock(self) -> Callable[[], int]:
        """Return the store's own clock, of which it keeps a note once its first picture is due."""
        note = self.store.data / "as-live.json"
        while not note.exists():
            time.sleep(0.05)  # noqa: TID251 - a benchmark
        told = json.loads(note.read_text(encoding="utf-8"))
        return scaled_clock(told["speed"], told["system_ns"], told["clock_ns"])

    def watch(self, clock: Callable[[], int], until_ns: int, process: subprocess.Popen[str]) -> None:
        """Read the log as it grows. Raises RuntimeError where the store ends meanwhile."""
        while clock() < until_ns:
            self.read(clock)
            if process.poll() is not None:
                raise RuntimeError(f"the store ended by itself: {self.store.said()}")
            time.sleep(POLL_S)  # noqa: TID251

    def read(self, clock: Callable[[], int]) -> None:
        """Read what is new in the log."""
        path = self.store.data / "events" / "events-000000000000.jsonl"
        if not path.exists() or path.stat().st_size == self._offset:
            return
        with path.open("rb") as stream:
            stream.seek(self._offset)
            data = stream.read()
        now_ns = clock()
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.written += [Written(now_ns, json.loads(line)) for line in lines]

    def counts(self) -> Counts:
        """Ask the store for its counts."""
        asked = Request(f"http://127.0.0.1:{self.store.port}/metrics", headers={"Authorization": f"Bearer {self.key}"})
        with urlopen(asked, timeout=10) as answer:
            text = answer.read().decode()
        kinds: Counter[str] = Counter()
        for kind, _, value in COUNTER.findall(text):
            kinds[kind] += round(float(value))
        buckets: Counter[float] = Counter()
        for _, bound, value in BUCKET.findall(text):
            buckets[float(bound)] += round(float(value))
        late = LATE.findall(self.store.said(50))
        return Counts(kinds["taken"], kinds["dropped"], kinds["spared"], int(late[-1]) if late else 0, dict(buckets))


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run gave: its counts in the measured rounds, and all that was written."""

    speed: float
    begin_ns: int
    end_ns: int
    start_ns: int
    counts: Counts
    written: list[Written]

    @property
    def is_sustained(self) -> bool:
        """Whether no frame was dropped, and none came late."""
        return self.counts.taken > 0 and self.counts.dropped == self.counts.late == 0


def measured(recording: Path, speed: float, rounds: int, round_ns: int) -> Measured:
    """Run a store for a first round and ``rounds`` more, of which the counts are."""
    with TemporaryDirectory(prefix="tillfree-latency-") as place:
        store = Store(Path(place), recording)
        store.data.mkdir()
        with closing(BillingStore(store.data / DATABASE)) as books:
            key = Access(books).add_client("benchmark", frozenset({Scope.OPERATOR}), system_clock())
        run = Run(store, speed, key)
        process = store.start("--loop", "--speed", str(speed))
        try:
            clock = run.clock()
            start_ns = json.loads((store.data / "as-live.json").read_text(encoding="utf-8"))["start_ns"]
            run.watch(clock, start_ns + round_ns, process)
            before, begin_ns = run.counts(), clock()
            run.watch(clock, start_ns + (1 + rounds) * round_ns, process)
            counts, end_ns = run.counts().since(before), clock()
            run.watch(clock, end_ns + 5 * S, process)  # receipts of the last exits
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            finally:
                process.kill()
        return Measured(speed, begin_ns, end_ns, start_ns, counts, run.written)


def highest(recording: Path, speeds: tuple[float, ...], round_ns: int) -> Iterator[Measured]:
    """Yield a run at each speed, up to the first that is not sustained twice."""
    for speed in speeds:
        found = measured(recording, speed, 1, round_ns)
        yield found
        if not found.is_sustained:
            again = measured(recording, speed, 1, round_ns)
            yield again
            if not again.is_sustained:
                return


def exits(found: Measured) -> tuple[list[float], Counter[str]]:
    """Return s from each exit to its receipt, of visits without a review, and how all visits closed."""
    closed: dict[str, tuple[int, str]] = {}
    waits: list[float] = []
    how: Counter[str] = Counter()
    for each in found.written:
        event = each.event
        if event["event"] == "VisitClosed":
            closed[event["visit_id"]] = (event["at_ns"], event["reason"])
        elif event["event"] == "ReceiptFinalised" and each.at_ns >= found.begin_ns:
            at_ns, reason = closed[event["visit_id"]]
            how[reason + (", reviewed" if event["reviewed"] else "")] += 1
            if reason == "exit" and not event["reviewed"]:
                waits.append((each.at_ns - at_ns) / S)
    return waits, how


@dataclass(slots=True)
class TrueExits:
    """s from each true exit to its receipt: of visits without a review and of those with one; and how many had no receipt yet."""

    plain: list[float] = field(default_factory=list)
    reviewed: list[float] = field(default_factory=list)
    without: int = 0


def true_exits(written: list[Written], stays_s: Mapping[str, float], begin_ns: int, end_ns: int) -> TrueExits:
    """Follow the visits whose true exit was in the measured time, but for its last 30 s."""
    final = {each.event["visit_id"]: each for each in written if each.event["event"] == "ReceiptFinalised"}
    found = TrueExits()
    for each in written:
        if each.event["event"] != "VisitOpened":
            continue
        left_ns = each.event["at_ns"] + round(stays_s[each.event["token"]] * S)
        if not begin_ns <= left_ns < end_ns - 30 * S:
            continue
        receipt = final.get(each.event["visit_id"])
        if receipt is None:
            found.without += 1
        else:
            (found.reviewed if receipt.event["reviewed"] else found.plain).append((receipt.at_ns - left_ns) / S)
    return found


def lags(found: Measured, kind: str, of: Callable[[dict[str, Any]], int]) -> list[float]:
    """Return s from what ``of`` says of each event of a kind until its line was there."""
    return [
        (each.at_ns - of(each.event)) / S
        for each in found.written
        if each.event["event"] == kind and each.at_ns >= found.begin_ns
    ]


def spread(values: list[float]) -> dict[str, float | int | None]:
    """Return how many there are, the middle one, the slow end and the slowest, s."""
    if not values:
        return {"n": 0, "p50_s": None, "p95_s": None, "max_s": None}
    p50, p95 = (round(float(each), 3) for each in np.quantile(values, (0.5, 0.95)))
    return {"n": len(values), "p50_s": p50, "p95_s": p95, "max_s": round(max(values), 3)}


def share_within(buckets: Mapping[float, int], bound_s: float) -> float | None:
    """Return which share of a histogram is up to one of its bounds."""
    total = buckets.get(float("inf"), 0)
    return round(buckets.get(bound_s, 0) / total, 5) if total else None


def bound_of(buckets: Mapping[float, int], share: float) -> float | None:
    """Return the least bound of a histogram under which that share lies; None where only the last, without end, does."""
    total = buckets.get(float("inf"), 0)
    bounds = [bound for bound in sorted(buckets) if total and buckets[bound] >= share * total]
    return bounds[0] if bounds and bounds[0] != float("inf") else None


def report(found: Measured, stays_s: Mapping[str, float], cameras: int) -> dict[str, Any]:
    """Put together what a run says."""
    waits, how = exits(found)
    truly = true_exits(found.written, stays_s, found.begin_ns, found.end_ns)
    seconds = (found.end_ns - found.begin_ns) / S / found.speed
    buckets = found.counts.buckets
    return {
        "speed": found.speed,
        "cameras": cameras,
        "frames_per_s": round((found.counts.taken + found.counts.dropped) / seconds, 1),
        "seconds": round(seconds, 1),
        "frames": found.counts.taken,
        "dropped": found.counts.dropped,
        "late": found.counts.late,
        "spared_by_motion_gate": found.counts.spared,
        "sustained": found.is_sustained,
        "closed_by": dict(sorted(how.items())),
        "exit_to_receipt": spread(waits),
        "true_exit_to_receipt": spread(truly.plain),
        "true_exit_to_receipt_reviewed": spread(truly.reviewed),
        "true_exit_without_receipt": truly.without,
        "capture_to_cart": {
            "p50_below_s": bound_of(buckets, 0.5),
            "p95_below_s": bound_of(buckets, 0.95),
            "share_below_1.5_s": share_within(buckets, CART_S),
        },
        "capture_to_log": spread(lags(found, "GateCrossing", lambda event: event["at_ns"])),
        "hand_to_cart": spread(
            [
                lag
                for lag in lags(found, "Interaction", lambda event: event["closed_at_ns"] if event["change"] else 0)
                if lag < 1e6
            ]
        ),
    }


def judged(said: Mapping[str, Any]) -> list[str]:
    """Return which limits are missed."""
    receipt, cart = said["exit_to_receipt"], said["capture_to_cart"]
    wrong = []
    if not receipt["n"]:
        return ["nobody left"]
    if receipt["p50_s"] >= RECEIPT_P50_S:
        wrong.append(f"exit to receipt: median {receipt['p50_s']} s, to be under {RECEIPT_P50_S:g} s")
    if receipt["p95_s"] >= RECEIPT_P95_S:
        wrong.append(f"exit to receipt: 95th percentile {receipt['p95_s']} s, to be under {RECEIPT_P95_S:g} s")
    if cart["p95_below_s"] is None or cart["p95_below_s"] > CART_S:
        wrong.append(f"capture to cart: 95th percentile not under {CART_S:g} s")
    return wrong if said["sustained"] else [*wrong, "frames were dropped or late"]


def _told(found: Measured) -> dict[str, float]:
    seconds = (found.end_ns - found.begin_ns) / S / found.speed
    counts = found.counts
    return {"speed": found.speed, "seconds": round(seconds, 1), "dropped": counts.dropped, "late": counts.late}


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--recording", type=Path, default=RECORDING)
    parser.add_argument("--speed", type=float, help="measure at this speed, and look for none")
    parser.add_argument("--minutes", type=float, default=5.0, help="minutes that are measured, at the least a round")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    loaded, truth = load_recording(given.recording), load_truth(given.recording)
    if truth is None:
        parser.error("the recording needs truth, which says when people left")
    round_ns = length_ns(loaded)
    stays_s = {
        each.token: each.left_at_s - each.scanned_at_s for each in truth.truth.visits if each.left_at_s is not None
    }
    tried: list[Measured] = []
    speeds = [given.speed]
    if given.speed is None:
        for found in highest(given.recording, SPEEDS, round_ns):
            tried.append(found)
            print(json.dumps(_told(found)), file=sys.stderr)
        speeds = sorted({found.speed for found in tried if found.is_sustained}, reverse=True) or [SPEEDS[0]]
    for speed in speeds:
        rounds = max(1, round(given.minutes * 60 * speed * S / round_ns))
        found = measured(given.recording, speed, rounds, round_ns)
        if found.is_sustained:
            break
        tried.append(found)
    said = report(found, stays_s, len(loaded.paths))
    result = {**said, "tried": [_told(each) for each in tried], "wrong": judged(said)}
    text = json.dumps(result, indent=1) + "\n"
    print(text, end="")
    if given.json is not None:
        given.json.write_text(text, encoding="utf-8")
    return 1 if result["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
