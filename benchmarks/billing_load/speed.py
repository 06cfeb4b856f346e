"""Billing's speed on SQLite and on PostgreSQL, both with full durability, everything on the same two cores.

    python benchmarks/billing.py --json FILE --cache FOLDER

A visit is three calls over HTTP to a real ``tillfree billing serve``: open (which holds money), draft, finish (which
captures), each with a machine's key and an idempotency key of its own; every answer is checked, amounts too.

visits_per_second         eight clients, each one visit after the other; 10,000 visits are stored
over_bare_insert          that, over what the driver alone writes: the same rows in the same number of commits
service_over_bare_insert  the same for the service without HTTP, with idempotency keys and audit log
p99_ms                    of single calls at half that load, each counted from when it was planned
slowdown_at_1m            visits per second with 10,000 stored visits over those with a million

Each is the worse of the two databases, and for each database the median of several rounds, in which all are measured
in turn; those of the databases are beside. Ratios are made within a round. The bare insert (billing_load/bare.py) leaves
out what is only read or changed. SQLite has one writer, so bare insert and service have one thread there; on PostgreSQL
they have eight connections, as the load has. Stored visits (billing_load/bulk.py) are copies of real ones; a million take
4 GB on SQLite and 8 on PostgreSQL, and five minutes each, and ``--cache`` keeps them. Nothing else may run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.billing_load.bare import bare_visits_per_s
from benchmarks.billing_load.databases import Databases, opened, traced
from benchmarks.billing_load.load import Found, Load, run_load
from benchmarks.billing_load.processes import ServerError, ServiceProcess, free_port
from benchmarks.billing_load.service import service_visits_per_s
from benchmarks.billing_load.shop import write_prices
from billing.access import Access, Scope
from billing.store import BillingStore

KINDS = ("sqlite", "postgresql")
CLIENTS = 8
WARM_UP_S = 2.0
AIMS = {
    "visits_per_second": "at least 60",
    "over_bare_insert": "at least 0.10",
    "service_over_bare_insert": "at least 0.35",
    "p99_ms": "under 100",
    "slowdown_at_1m": "at most 1.2",
}
HIGH_IS_BAD = {"p99_ms", "slowdown_at_1m"}


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how often, and on how many stored visits: few, and many."""

    seconds: float
    rounds: int
    few: int
    many: int
    place: Path
    prices: Path


@dataclass
class Side:
    """One kind of database, and what was measured on it, a number a round."""

    databases: Databases
    few: Path | str
    many: Path | str
    bare: list[float] = field(default_factory=list)
    service: list[float] = field(default_factory=list)
    http_few: list[Found] = field(default_factory=list)
    http_many: list[Found] = field(default_factory=list)
    paced: list[Found] = field(default_factory=list)
    paced_per_s: float = 0.0

    def document(self) -> dict[str, Any]:
        """Return the medians, and the rounds that they are of."""
        few, many = ([found.visits_per_s for found in side] for side in (self.http_few, self.http_many))
        return {
            "visits_per_second": statistics.median(few),
            "over_bare_insert": _ratio(few, self.bare),
            "service_over_bare_insert": _ratio(self.service, self.bare),
            "p99_ms": statistics.median(found.p_ms(0.99) for found in self.paced),
            "slowdown_at_1m": _ratio(few, many),
            "bare_insert_per_second": statistics.median(self.bare),
            "service_per_second": statistics.median(self.service),
            "load_at_p99_per_second": self.paced_per_s,
            "call_p50_ms": {"few": _medians(self.http_few), "many": _medians(self.http_many)},
            "rounds": {"bare": self.bare, "service": self.service, "http_few": few, "http_many": many}
            | {"p99_ms": [found.p_ms(0.99) for found in self.paced]},
        }


def _ratio(upper: list[float], lower: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(upper, lower, strict=True))


def _medians(rounds: list[Found]) -> dict[str, float]:
    """Return each call's median time in milliseconds with eight clients."""
    return {name: statistics.median(found.p_ms(0.5, name) for found in rounds) for name in rounds[0].call_s}


@contextlib.contextmanager
def served(plan: Plan, database: Path | str) -> Iterator[Load]:
    """Serve a database with keys of its own, and yield a load that goes there."""
    run = uuid.uuid4().hex[:8]
    store = BillingStore(database)
    gate, vision = (
        Access(store).add_client(f"{scope}-{run}", frozenset({scope}), 1) for scope in (Scope.GATE, Scope.VISION)
    )
    store.close()
    service = ServiceProcess(
        database, plan.prices, plan.place / f"{run}.jsonl", plan.place / "service.log", free_port()
    )
    service.start()
    try:
        yield Load(service.port, gate, vision, f"v{run}", int(run, 16), plan.seconds, WARM_UP_S)
    finally:
        service.stop()


def through_http(plan: Plan, database: Path | str, *, clients: int = 0, visits_per_s: float = 0.0) -> Found:
    """Put load on a database's service, as fast as it goes or at a rate."""
    with served(plan, database) as load:
        return run_load(
            Load(
                load.port,
                load.gate_key,
                load.vision_key,
                load.prefix,
                load.seed,
                load.seconds,
                load.warm_up_s,
                clients,
                visits_per_s,
            )
        )


def one_round(plan: Plan, side: Side) -> None:
    """Measure everything once, one after the other."""
    make, templates, prefix = side.databases, traced(), uuid.uuid4().hex[:8]
    side.bare.append(bare_visits_per_s(make.fresh("bare"), templates, prefix, plan.seconds, make.lines))
    side.service.append(service_visits_per_s(make.fresh("service"), plan.prices, prefix, plan.seconds, make.lines))
    side.http_few.append(through_http(plan, side.few, clients=CLIENTS))
    side.http_many.append(through_http(plan, side.many, clients=CLIENTS))
    print(
        f"{make.kind}: bare {side.bare[-1]:.0f}, service {side.service[-1]:.0f}, HTTP {side.http_few[-1].visits_per_s:.0f}"
        f" with {plan.few} visits stored, {side.http_many[-1].visits_per_s:.0f} with {plan.many}, a second",
        flush=True,
    )


def paced_round(plan: Plan, side: Side) -> None:
    """Measure how long calls take at half of what was reached."""
    side.paced_per_s = statistics.median(found.visits_per_s for found in side.http_few) / 2
    side.paced.append(through_http(plan, side.few, visits_per_s=side.paced_per_s))
    print(
        f"{side.databases.kind}: p99 {side.paced[-1].p_ms(0.99):.1f} ms at {side.paced_per_s:.1f} visits a second",
        flush=True,
    )


def stored(databases: Databases, count: int) -> Path | str:
    """Return a database with ``count`` visits; show how far it is while it is made."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task(f"{databases.kind}: visits stored", total=count)
        return databases.stored(count, lambda done: bar.update(task, completed=done))


def measure(plan: Plan, kinds: tuple[str, ...], kept: Path) -> dict[str, Any]:
    """Return the document that ``--json`` writes."""
    with contextlib.ExitStack() as stack:
        makers = [stack.enter_context(opened(kind, plan.place, kept)) for kind in kinds]
        sides = [Side(make, stored(make, plan.few), stored(make, plan.many)) for make in makers]
        for step in (one_round, paced_round):
            for _ in range(plan.rounds):
                for side in sides:
                    step(plan, side)
    found: dict[str, Any] = {side.databases.kind: side.document() for side in sides}
    worst = {
        name: (max if name in HIGH_IS_BAD else min)(document[name] for document in found.values()) for name in AIMS
    }
    return {**worst, **found, "stored": [plan.few, plan.many], "seconds": plan.seconds, "machine": platform.platform()}


def table(found: dict[str, Any]) -> str:
    """Return the table of docs/results.md."""
    kinds = [kind for kind in KINDS if kind in found]
    lines = [f"| | {' | '.join(kinds)} | worse of them | must be |", "|---" * (len(kinds) + 3) + "|"]
    for name, aim in AIMS.items():
        figures = [f"{found[kind][name]:.3g}" for kind in kinds]
        lines.append(f"| `{name}` | {' | '.join(figures)} | {found[name]:.3g} | {aim} |")
    for name in ("bare_insert_per_second", "service_per_second"):
        lines.append(f"| `{name}` | {' | '.join(f'{found[kind][name]:.3g}' for kind in kinds)} | – | – |")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--database", choices=(*KINDS, "both"), default="both")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stored", default="10000,1000000", help="stored visits: few, and many")
    parser.add_argument("--cache", type=Path, help="keeps databases with many visits for the next run")
    parser.add_argument("--quick", action="store_true", help="one short round on few visits: does it run at all?")
    return parser.parse_args()


def main() -> None:
    """Measure, write and print."""
    given = _arguments()
    few, many = (int(each) for each in (given.stored if not given.quick else "500,2000").split(","))
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # and so all processes that are started from here
    kinds = KINDS if given.database == "both" else (given.database,)
    with TemporaryDirectory(prefix="tillfree-speed-") as name:
        place = Path(name)
        place.chmod(0o755)  # PostgreSQL runs as a user of its own
        kept = given.cache.resolve() if given.cache else place
        kept.mkdir(parents=True, exist_ok=True)
        seconds, rounds = (1.5, 1) if given.quick else (given.seconds, given.rounds)
        plan = Plan(seconds, rounds, few, many, place, write_prices(place / "prices.yaml"))
        try:
            found = measure(plan, kinds, kept)
        except ServerError as error:
            sys.exit(f"error: {error} (--database sqlite leaves PostgreSQL out)")
    given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(table(found))
