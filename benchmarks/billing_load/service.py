"""Visits through the service layer without HTTP: prices, holds, captures, ledger, events, idempotency keys, audit log."""

from __future__ import annotations

import hashlib
import itertools
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import BaseModel

from benchmarks.billing_load.shop import cart, total_minor
from billing.edge import ChargeModel, DraftModel, VisitModel
from billing.gateway import SandboxGateway
from billing.inbox import Answer, Inbox, Incoming
from billing.pricefile import read_price_file
from billing.service import BillingService
from billing.store import BillingStore
from billing.types import ChargeState, ItemCount, OpenVisit
from tillfree.system import system_clock

WARM_UP = 20


def service_visits_per_s(database: Path | str, prices: Path, prefix: str, seconds: float, lines: int) -> float:
    """Return visits per second that ``lines`` threads make, each one visit after the other; each is checked."""
    store = BillingStore(database)
    service, inbox = BillingService(read_price_file(prices), store, SandboxGateway()), Inbox(store)
    numbers, lock, done = itertools.count(), threading.Lock(), 0
    for _ in range(WARM_UP):
        _visit(service, inbox, f"{prefix}-{next(numbers):07d}")
    begin_s = time.perf_counter()

    def work() -> None:
        nonlocal done
        while time.perf_counter() < begin_s + seconds:
            _visit(service, inbox, f"{prefix}-{next(numbers):07d}")
            with lock:
                done += 1

    with ThreadPoolExecutor(lines) as pool:
        for each in [pool.submit(work) for _ in range(lines)]:
            each.result()
    rate = done / (time.perf_counter() - begin_s)
    store.close()
    return rate


def _visit(service: BillingService, inbox: Inbox, visit_id: str) -> None:
    taken = cart(random.Random(visit_id))
    items = tuple(ItemCount(sku, quantity) for sku, quantity in taken.items())
    token, at_ns = f"card-{visit_id}", system_clock()
    opened = OpenVisit(visit_id, token, at_ns)

    def do(name: str, operation: Callable[[BillingService], BaseModel]) -> None:
        digest = hashlib.sha256(f"{name} {visit_id}".encode()).hexdigest()
        path = f"/v1/visits/{visit_id}/{name}"
        incoming = Incoming("bench", f"{name}-{visit_id}", digest, f"POST {name}", path, at_ns)
        inbox.handle(
            incoming, lambda store, _: Answer(200, operation(service.on(store)).model_dump_json()), looks_first=False
        )

    def finish(on: BillingService) -> BaseModel:
        charge = on.finish(visit_id, items, at_ns)
        assert (charge.state, charge.paid.minor) == (ChargeState.CAPTURED, total_minor(taken)), charge
        return ChargeModel.of(charge)

    do("open", lambda on: VisitModel.of(opened, on.open_visit(opened).refused))
    do("draft", lambda on: DraftModel.of(*on.put_draft(visit_id, items, at_ns)))
    do("finish", finish)
