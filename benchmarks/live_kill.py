"""What a running store loses when it is killed, again and again.

    python benchmarks/live_kill.py --kills 100 --json FILE

starts ``tillfree run`` on a recording that is played in a loop as if it were live, with embedded billing, and ends it with
SIGKILL after a random time; the recording goes on meanwhile. After the last kill it runs once more to the recording's end,
which closes all visits. Then the log, the gates' journal, billing's books and the gateway's own list are held against
each other. Ends with 1 where anything is lost, doubled or changed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.live_store import RECORDING, Store, compared_books
from checkout.types import CartEvent, ReceiptFinalised, ReviewOpened, VisitOpened

LAST_RUN_S = 300.0


@dataclass
class Found:
    """What came of it; ``wrong`` is empty where nothing was lost, doubled or changed."""

    kills: int = 0
    visits: int = 0
    charges: int = 0
    visits_over_a_kill: int = 0
    carts_over_a_kill: int = 0
    unseen_reviews: int = 0
    rejoined: int = 0
    cut_lines: int = 0
    wrong: list[str] = field(default_factory=list)


def killed_run(store: Store, kills: int, seed: int, longest_s: float) -> Found:
    """Kill the store so many times, let it end, and return what is found."""
    lot, found = random.Random(seed), Found()
    marks: list[int] = []
    for _ in range(kills):
        before = store.log()
        process = store.start("--loop")
        try:
            process.wait(lot.uniform(1.0, longest_s))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        else:
            found.wrong.append(f"the store ended by itself: {store.said()}")
            return found
        found.kills += 1
        _check_kept(before, store.log(), found)
        marks.append(store.log().count(b"\n"))
    last = store.start()
    if last.wait(LAST_RUN_S) != 0:
        found.wrong.append(f"the last run ended with {last.returncode}: {store.said()}")
        return found
    books = compared_books(store)
    found.visits, found.charges = books.visits, books.charges
    found.wrong += books.wrong
    _count_kills(books.events, marks, found)
    return found


def _check_kept(before: bytes, after: bytes, found: Found) -> None:
    """What was in the log stays as it was, but for a last line that was cut."""
    whole = before[: before.rfind(b"\n") + 1]
    found.cut_lines += len(whole) != len(before)
    if not after.startswith(whole):
        found.wrong.append("a line of the log changed or went away")


def _count_kills(events: list[object], marks: list[int], found: Found) -> None:
    """Count what went on over kills; ``marks`` are how many lines the log had at each."""
    opened: dict[str, int] = {}
    carts: dict[str, list[int]] = {}
    for number, event in enumerate(events):
        if isinstance(event, VisitOpened):
            opened[event.visit_id] = number
        elif isinstance(event, CartEvent) and event.visit_id is not None:
            carts.setdefault(event.visit_id, []).append(number)
        elif isinstance(event, ReceiptFinalised):
            found.visits_over_a_kill += any(opened[event.visit_id] < mark <= number for mark in marks)
    found.carts_over_a_kill = sum(any(min(at) < mark <= max(at) for mark in marks) for at in carts.values())
    kinds = Counter(type(event).__name__ for event in events)
    found.rejoined = kinds["PersonMerged"]
    found.unseen_reviews = sum(isinstance(e, ReviewOpened) and e.reason == "unseen_shelves" for e in events)


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest-s", type=float, default=25.0, help="s that a process lives at most")
    parser.add_argument("--recording", type=Path, default=RECORDING)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    began_s = time.monotonic()  # noqa: TID251 - a benchmark
    with TemporaryDirectory(prefix="tillfree-kill-") as place:
        found = killed_run(Store(Path(place), given.recording), given.kills, given.seed, given.longest_s)
    result = {**asdict(found), "seed": given.seed, "seconds": round(time.monotonic() - began_s, 1)}  # noqa: TID251
    print(json.dumps(result, indent=1))
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
