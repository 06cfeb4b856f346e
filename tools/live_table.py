"""Turn what the benchmarks of a store that runs say into the table of docs/results.md: ``tools/live_table.py FILE...``.

The files are the JSON of benchmarks/live_kill.py, soak.py and live_latency.py, in any order.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = tuple[str, str, str]


def rows(said: dict[str, Any]) -> Iterator[Row]:
    """Yield what, figure and limit for one file. Raises ValueError where it is of none of the three."""
    if "kills" in said:
        yield from _kills(said)
    elif "growth" in said:
        yield from _soak(said)
    elif "exit_to_receipt" in said:
        yield from _latency(said)
    else:
        raise ValueError("is of none of the benchmarks of a store that runs")


def _kills(said: dict[str, Any]) -> Iterator[Row]:
    yield "kills; visits, charges", f"{said['kills']}; {said['visits']}, {said['charges']}", "–"
    over = f"{said['visits_over_a_kill']}, {said['carts_over_a_kill']}"
    yield "visits that went on over a kill, carts that changed before and after one", over, "–"
    yield "people known again, reviews of what nobody saw", f"{said['rejoined']}, {said['unseen_reviews']}", "–"
    yield "kills: lost, doubled or changed", str(len(said["wrong"])), "0"


def _soak(said: dict[str, Any]) -> Iterator[Row]:
    yield "soak: minutes; cores used", f"{said['minutes']:g}; {said['cores_used']:g}", "–"
    counts = (said["visits"], said["receipts"], said["charges"])
    yield "soak: visits, receipts, charges", ", ".join(str(each) for each in counts), "equal"
    limits = {"rss": ("resident memory, MiB", "under 5 %"), "anonymous": ("anonymous memory, MiB", "under 5 %")}
    for name, (what, limit) in {**limits, "fds": ("open files", "none"), "threads": ("threads", "none")}.items():
        found = said["growth"][name]
        figure = "–" if found is None else f"{found['first']:g} to {found['last']:g}: {found['share']:+.1%}"
        yield f"soak: {what}, ten minutes after the start to the end", figure, limit
    yield "soak: anything wrong", str(len(said["wrong"])), "0"


def _latency(said: dict[str, Any]) -> Iterator[Row]:
    rate = f"{said['frames_per_s']:g} of {said['cameras']}, speed {said['speed']:g}"
    yield "latency: pictures a second, of cameras", rate, "–"
    yield (
        "latency: seconds; pictures, dropped",
        f"{said['seconds']:g}; {said['frames']}, {said['dropped']}",
        "0 dropped",
    )
    receipt = said["exit_to_receipt"]
    yield f"exit to final receipt, {receipt['n']} visits: median, s", _s(receipt["p50_s"]), "under 3"
    yield "the same: 95th percentile, s", _s(receipt["p95_s"]), "under 10"
    truly = said["true_exit_to_receipt"]
    figure = f"{_s(truly['p50_s'])}, {_s(truly['p95_s'])}; {said['true_exit_without_receipt']}"
    yield f"from the exit of the truth, {truly['n']} visits: median, 95th percentile, s; without a receipt", figure, "–"
    cart = said["capture_to_cart"]
    yield "capture to cart: share of pictures under 1.5 s", str(cart["share_below_1.5_s"]), "at least 0.95"
    yield "capture to cart: 95th percentile, at most, s", _s(cart["p95_below_s"]), "under 1.5"
    hand = said["hand_to_cart"]
    yield (
        "a hand that has left the shelf to the cart: median, 95th percentile, s",
        f"{_s(hand['p50_s'])}, {_s(hand['p95_s'])}",
        "–",
    )


def _s(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def main() -> None:
    """Print the table of the files named on the command line."""
    sys.stdout.write("| | figure | must be |\n|---|---|---|\n")
    for name in sys.argv[1:]:
        for row in rows(json.loads(Path(name).read_text(encoding="utf-8"))):
            sys.stdout.write(f"| {' | '.join(row)} |\n")


if __name__ == "__main__":
    main()
