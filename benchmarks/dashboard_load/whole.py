"""What the dashboard costs, and how quick it is.

    python benchmarks/dashboard.py --json FILE [--part pipeline|pages|answers] [--rounds 7] [--frames 600] [--visits 10000] [--answers 5]

has three parts, of which ``--part`` takes one and may be given again:

- *pipeline* (``speed.py``): ``pipeline_share_kept`` is what is left of the pipeline's rate while three clients read the same streams as
  the live page does, at least 0.90; ``tiles_encoded_per_shown`` is 1 where each picture is encoded once for all.
- *pages* (``pages_speed.py``): ``pages_ms`` is the server's time of each page where so many visits are kept, at most 300 ms.
- *answers* (``answers.py``): ``answer_to_receipt`` is from the key that answers a review to the receipt that waited for it, under 1 s.

``wrong`` names the limits that were missed; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.dashboard_load import answers, pages_speed, speed

PARTS = ("pipeline", "pages", "answers")


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", choices=PARTS, help="this part alone; may be given again")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of the pipeline's part")
    parser.add_argument("--frames", type=int, default=600, help="frames of each measurement of the pipeline")
    parser.add_argument("--visits", type=int, default=10_000, help="visits that are kept for the pages' part")
    parser.add_argument("--asks", type=int, default=20, help="how often each page is asked for")
    parser.add_argument("--answers", type=int, default=5, help="receipts that wait for an answer")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    document: dict[str, object] = {}
    wrong: list[str] = []
    for part in given.part or PARTS:
        if part == "pipeline":
            found = speed.measure(given.rounds, given.frames)
            wrong += speed.judged(found)
        elif part == "pages":
            found = pages_speed.measure(given.visits, given.asks)
            wrong += pages_speed.judged(found)
        else:
            found = answers.measure(given.answers)
            wrong += answers.judged(found)
        document |= found
        if given.json:  # after each part: a later one may fail
            given.json.write_text(json.dumps(document | {"wrong": wrong}, indent=1) + "\n", encoding="utf-8")
    for line in wrong:
        print(line)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
