"""What billing of a thousand stores at their busiest asks of one billing service.

    python benchmarks/thousand_stores.py --json FILE

runs the real ``tillfree billing serve`` on a PostgreSQL of its own with full durability, and the stores' load from another
process, all on the same two cores. Visits begin at random, each store's by itself and so all together, at ``--stores``
times ``--visits-per-hour``; each is opened at its gate (which holds money), has its cart told ``--drafts`` times as it
grows, and is finished (which captures). Every answer is checked, amounts too. Calls count from when they were planned.

peak_visits_per_s     what the stores ask for
p50_ms, p99_ms        of single calls at that rate, the median of the rounds
utilisation           processor time of the service's process at that rate, over one core's
reached_visits_per_s  what eight clients get done, each one visit after the other, with as many calls a visit
headroom              that over the peak
p99_ms_at             p99 at multiples of the peak, one round each: where it bends

A visit's calls follow each other after ``--gap-s``, not over minutes: the calls a second are the same, and a run need not
last hours. Visits an hour are an assumption, not a measurement.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent), *(place for place in sys.path if Path(place).resolve() != HERE)]
# a file beside this one is named billing, as the package is

from benchmarks.billing_load.databases import opened  # noqa: E402
from benchmarks.billing_load.load import Found, Load, run_load  # noqa: E402
from benchmarks.billing_load.processes import ServerError, ServiceProcess, free_port  # noqa: E402
from benchmarks.billing_load.shop import write_prices  # noqa: E402
from billing.access import Access, Scope  # noqa: E402
from billing.store import BillingStore  # noqa: E402

CLIENTS = 8
WARM_UP_S = 3.0
MULTIPLES = (2, 4, 8)


@dataclass(frozen=True, slots=True)
class Assumed:
    """What is assumed of the stores."""

    stores: int
    visits_per_hour: float
    drafts: int
    gap_s: float

    @property
    def peak_visits_per_s(self) -> float:
        """Visits that begin each second, in all stores together."""
        return self.stores * self.visits_per_hour / 3_600


@dataclass(frozen=True, slots=True)
class Measured:
    """A load's outcome, and the service's processor seconds meanwhile, warm-up and all."""

    found: Found
    cpu_s: float
    load: Load

    @property
    def utilisation(self) -> float:
        """The service's share of one core."""
        return self.cpu_s / (self.load.seconds + self.load.warm_up_s)


class Service:
    """A billing service that runs, with the keys of a gate and of a store's engine."""

    def __init__(
        self, process: ServiceProcess, gate_key: str, vision_key: str, assumed: Assumed, seconds: float
    ) -> None:
        self._process, self._assumed = process, assumed
        self._load = Load(
            process.port,
            gate_key,
            vision_key,
            "",
            0,
            seconds,
            WARM_UP_S,
            drafts=assumed.drafts,
            gap_s=assumed.gap_s,
        )

    def at_rate(self, visits_per_s: float) -> Measured:
        """Let visits begin at a rate."""
        return self._run(replace(self._load, visits_per_s=visits_per_s))

    def at_most(self) -> Measured:
        """Let eight clients make one visit after the other."""
        return self._run(replace(self._load, clients=CLIENTS))

    def _run(self, load: Load) -> Measured:
        run = uuid.uuid4().hex[:8]
        asked = replace(load, prefix=f"v{run}", seed=int(run, 16))
        before_s = self._process.cpu_s()
        found = run_load(asked)
        return Measured(found, self._process.cpu_s() - before_s, asked)


@contextmanager
def serving(place: Path, assumed: Assumed, seconds: float) -> Iterator[Service]:
    """Run PostgreSQL and the service. Raises ServerError where one of them does not start."""
    with opened("postgresql", place, place) as databases:
        database = databases.fresh("stores")
        store = BillingStore(database)
        gate, vision = (
            Access(store).add_client(str(scope), frozenset({scope}), 1) for scope in (Scope.GATE, Scope.VISION)
        )
        store.close()
        prices = write_prices(place / "prices.yaml")
        process = ServiceProcess(database, prices, place / "sandbox.jsonl", place / "service.log", free_port())
        process.start()
        try:
            yield Service(process, gate, vision, assumed, seconds)
        finally:
            process.stop()


def measure(service: Service, assumed: Assumed, rounds: int) -> dict[str, Any]:
    """Return the document that ``--json`` writes."""
    peak = assumed.peak_visits_per_s
    paced = [service.at_rate(peak) for _ in range(rounds)]
    reached = statistics.median(service.at_most().found.visits_per_s for _ in range(rounds))
    bends = {each: service.at_rate(peak * each).found.p_ms(0.99) for each in MULTIPLES if peak * each < 0.9 * reached}
    return {
        "stores": assumed.stores,
        "visits_per_hour_and_store": assumed.visits_per_hour,
        "calls_per_visit": assumed.drafts + 2,
        "peak_visits_per_s": peak,
        "p50_ms": statistics.median(each.found.p_ms(0.5) for each in paced),
        "p99_ms": statistics.median(each.found.p_ms(0.99) for each in paced),
        "utilisation": statistics.median(each.utilisation for each in paced),
        "reached_visits_per_s": reached,
        "headroom": reached / peak,
        "p99_ms_at": bends,
        "rounds": {"p99_ms": [each.found.p_ms(0.99) for each in paced]},
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.platform(),
    }


def table(found: dict[str, Any]) -> str:
    """Return the table of docs/scaling.md."""
    lines = ["| what | measured |", "|---|---|"]
    for name in ("peak_visits_per_s", "p50_ms", "p99_ms", "utilisation", "reached_visits_per_s", "headroom"):
        lines.append(f"| `{name}` | {found[name]:.3g} |")
    return "\n".join(
        [*lines, *(f"| `p99_ms` at {each} times the peak | {ms:.3g} |" for each, ms in found["p99_ms_at"].items())]
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--stores", type=int, default=1_000)
    parser.add_argument("--visits-per-hour", type=float, default=30.0, help="of one store at its busiest; assumed")
    parser.add_argument("--drafts", type=int, default=4, help="changes of a cart that billing is told of; assumed")
    parser.add_argument("--gap-s", type=float, default=0.5, help="between a visit's calls")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def main() -> None:
    """Measure, write and print."""
    given = _arguments()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # and so all processes that are started from here
    assumed = Assumed(given.stores, given.visits_per_hour, given.drafts, given.gap_s)
    with TemporaryDirectory(prefix="tillfree-stores-") as name:
        place = Path(name)
        place.chmod(0o755)  # PostgreSQL runs as a user of its own
        try:
            with serving(place, assumed, given.seconds) as service:
                found = measure(service, assumed, given.rounds)
        except ServerError as error:
            sys.exit(f"error: {error}")
    given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(table(found))


if __name__ == "__main__":
    main()
