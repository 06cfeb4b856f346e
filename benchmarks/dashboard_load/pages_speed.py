"""How long the server takes for each page where 10,000 visits are kept.

Part ``pages`` of ``whole.py``. It makes visits that nobody made, writes them to a projection and to a book of stock as the event log would,
and asks for every page as a manager who sees all, in this process. ``pages_ms`` has the median and the longest of the rounds by page: the time
from a request to its whole answer, without a network; the median is at most 300 ms. The live page is measured without its pictures, which are not
made for it (see part ``pipeline``). ``projection_s`` is how long the projection takes to be made anew.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from fastapi.testclient import TestClient

from benchmarks.dashboard_load.whole_desk import RECORDING, URL, whole_desk
from dashboard.app import create_app
from dashboard.web import SESSION_COOKIE
from tillfree.live.tokens import token_name
from tillfree.system import steady_clock

MOST_MS = 300.0


def pages_of(client: TestClient, names: Mapping[str, str], visits: int) -> dict[str, str]:
    """Return the addresses that are asked for, by what they are."""
    middle = client.get("/v1/desk/visits", params={"limit": 1}).json()
    for _ in range(min(10, visits // 1_000)):
        middle = client.get("/v1/desk/visits", params={"limit": 500, "before": middle["older"]}).json()
    product = sorted(names.values())[0]
    return {
        "live": "/live",
        "reviews": "/reviews",
        "one review": "/reviews/review-000001",
        "visits": "/visits",
        "visits, half-way back": f"/visits?before={middle['older']}",
        "visits with a product": f"/visits?product={product}",
        "visits of an amount": "/visits?least=15&most=16",
        "visits in a state": "/visits?state=unpaid",
        "no visit": "/visits?shopper=nobody&least=99999",
        "visits of a shopper": f"/visits?shopper={token_name('card-7')}",
        "one visit": f"/visits/visit-s{visits // 2}",
        "stock": "/stock",
        "what to bring": "/stock/proposals",
        "sales": "/stock/sales?days=28",
        "one slot": "/stock/slots/drinks/low/s1",
        "recordings": "/recordings",
        "one recording": f"/recordings/{RECORDING}",
        "health": "/health",
        "people": "/people",
        "one person": "/people/anna",
        "audit": "/audit",
        "audit of one person": "/audit?person=operator-3",
        "settings": "/settings",
        "my account": "/me",
    }


def measure(visits: int, rounds: int) -> dict[str, object]:
    """Return the times."""
    with tempfile.TemporaryDirectory() as made, ExitStack() as stack:
        whole = whole_desk(Path(made), visits, stack)
        app = create_app(whole.desk)
        client = stack.enter_context(TestClient(app, base_url=URL, cookies={SESSION_COOKIE: whole.session}))
        times = {name: timed(client, path, rounds) for name, path in pages_of(client, whole.names, visits).items()}
    most = max(each["median"] for each in times.values())
    return {"visits": visits, "projection_s": whole.projection_s, "pages_ms": times, "pages_ms_most": most}


def timed(client: TestClient, path: str, rounds: int) -> dict[str, float]:
    """Return how long a page takes."""
    clock, found = steady_clock(), list[float]()
    for _ in range(rounds):
        begun_ns = clock()
        answer = client.get(path)
        found.append((clock() - begun_ns) / 1e6)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code}")
    return {"median": statistics.median(found), "longest": max(found)}


def judged(found: dict[str, object]) -> list[str]:
    """Return which limits are missed."""
    times = found["pages_ms"]
    assert isinstance(times, dict)
    for name, each in times.items():
        print(f"{name}: median {each['median']:.0f} ms, longest {each['longest']:.0f} ms (at most {MOST_MS:.0f})")
    slow = {name: each["median"] for name, each in times.items() if each["median"] > MOST_MS}
    return [f"{name}: {median:.0f} ms, to be at most {MOST_MS:.0f}" for name, median in slow.items()]
