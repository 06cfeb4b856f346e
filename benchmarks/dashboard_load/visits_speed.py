"""How long the visits' pages take where 10,000 visits are kept.

    python benchmarks/dashboard.py --pages [--visits 10000] [--rounds 20] [--json FILE]

makes visits that nobody made, writes them to a projection as the event log would, and asks for pages of the search and for one visit,
in this process, as a manager who sees all. ``pages_ms`` has the median and the longest of the rounds by page: the time from a request to
its whole answer, without a network (at most 300 ms). ``projection_s`` is how long the projection takes to be made anew.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC
from itertools import islice
from pathlib import Path

from fastapi.testclient import TestClient

from benchmarks.dashboard_load.visit_events import events_of, many
from billing.access import Access
from billing.store import BillingStore
from dashboard.app import create_app
from dashboard.desk import Desk
from dashboard.live.hub import Hub
from dashboard.roles import SCOPES, Role
from dashboard.visits.desk import VisitDesk
from dashboard.visits.notes import Notes
from dashboard.visits.projection import Projection
from dashboard.web import SESSION_COOKIE
from store_layout.files import load_store
from store_layout.geometry import StoreGeometry
from tillfree.live.tokens import token_name
from tillfree.system import steady_clock, system_clock

REPO = Path(__file__).resolve().parent.parent.parent
LAYOUT = REPO / "sample_videos/store/layout.yaml"
MOST_MS = 300.0
PASSWORD = "a sentence for a benchmark"
URL = "http://127.0.0.1:8500"
_BATCH = 500
_NS = 1_000_000_000


def filled(folder: Path, geometry: StoreGeometry, visits: int) -> tuple[Projection, float]:
    """Return a projection of so many visits, and the seconds that it took to write."""
    told = many(visits, geometry, system_clock())
    numbered = enumerate(event for each in told for event in events_of(each, geometry))
    projection, clock = Projection(folder / "dashboard.sqlite", token_name), steady_clock()
    begun_ns = clock()
    while batch := list(islice(numbered, _BATCH)):
        projection.take(batch)
    return projection, (clock() - begun_ns) / _NS


def pages_of(client: TestClient, names: Mapping[str, str], visits: int) -> dict[str, str]:
    """Return the addresses that are asked for, by what they are."""
    middle = client.get("/v1/desk/visits", params={"limit": 1}).json()
    for _ in range(10):
        middle = client.get("/v1/desk/visits", params={"limit": 500, "before": middle["older"]}).json()
    product = sorted(names.values())[0]
    return {
        "latest": "/visits",
        "half-way back": f"/visits?before={middle['older']}",
        "product": f"/visits?product={product}",
        "amount": "/visits?least=15&most=16",
        "state": "/visits?state=unpaid",
        "nothing found": "/visits?shopper=nobody&least=99999",
        "shopper": f"/visits?shopper={token_name('card-7')}",
        "one visit": f"/visits/visit-s{visits // 2}",
    }


def measure(visits: int, rounds: int) -> dict[str, object]:
    """Return the times."""
    geometry = StoreGeometry(load_store(LAYOUT))
    names = {product.sku: product.name for product in geometry.store.products}
    with tempfile.TemporaryDirectory() as made, ExitStack() as stack:
        folder = Path(made)
        projection, took_s = filled(folder, geometry, visits)
        stack.callback(projection.close)
        notes, store, hub = Notes(folder / "notes.sqlite"), BillingStore(folder / "operators.sqlite"), Hub()
        for each in (notes, store, hub):
            stack.callback(each.close)
        access = Access(store)
        access.add_operator("anna", PASSWORD, SCOPES[Role.MANAGER], system_clock())
        session, _ = access.sign_in("anna", PASSWORD, system_clock())
        pages = VisitDesk(projection, notes, names, geometry.store.currency, UTC)
        desk = Desk(geometry.store.name, URL, access, geometry, hub, system_clock, visits=pages)
        client = stack.enter_context(TestClient(create_app(desk), base_url=URL, cookies={SESSION_COOKIE: session}))
        times = {name: timed(client, path, rounds) for name, path in pages_of(client, names, visits).items()}
    return {"visits": visits, "projection_s": took_s, "pages_ms": times}


def timed(client: TestClient, path: str, rounds: int) -> dict[str, float]:
    """Return how long a page takes."""
    clock, found = steady_clock(), list[float]()
    for _ in range(rounds):
        begun_ns = clock()
        answer = client.get(path)
        found.append((clock() - begun_ns) / 1e6)
        answer.raise_for_status()
    return {"median": statistics.median(found), "longest": max(found)}


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--visits", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    document = measure(given.visits, given.rounds)
    if given.json:
        given.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    times = document["pages_ms"]
    assert isinstance(times, dict)
    print(f"{given.visits} visits written in {document['projection_s']:.1f} s")
    for name, each in times.items():
        print(f"{name}: median {each['median']:.0f} ms, longest {each['longest']:.0f} ms (at most {MOST_MS:.0f})")
    return int(max(each["median"] for each in times.values()) > MOST_MS)


if __name__ == "__main__":
    sys.exit(main())
