"""Days of visits through the real billing code while everything breaks: nobody is charged twice, nothing is lost.

    python benchmarks/billing_faults.py --visits 10000 --crashes 1000 --seed 1 --json faults.json

One thread, one fake clock, one seeded generator: the same seed gives the same day, byte for byte. The process dies
between any two writes and before or after any request to the gateway, and starts again on the same database; the
gateway times out, loses answers, gets requests twice, declines, asks for authentication; the clock jumps; the database
is locked. Whoever asked asks again. At the end faults stop, what is unknown is resolved, and the books are held,
visit by visit, against the gateway's own and against what was asked for.

Not simulated here: threads (tests/billing has them), a real ``kill -9``, webhooks.
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import json
import random
import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.progress import Progress
from sqlalchemy.exc import OperationalError

from billing.db.books import Books
from billing.errors import ChargeStateError, GatewayTimeout, RefundError
from billing.gateway import Behaviour, GatewayAnswer, GatewayRequest, SandboxGateway
from billing.money import Money
from billing.policy import BillingPolicy
from billing.pricebook import Price, PriceBook
from billing.service import BillingService
from billing.store import BillingStore
from billing.types import (
    ChargeState,
    ItemCount,
    OpenVisit,
    PaymentAction,
    PaymentState,
    ReceiptInput,
    RefundReason,
    RefundRequest,
)

S = 10**9
PRICES = {"sweet": 3, "bread": 289, "cola": 149, "wine": 1_799, "leaflet": 0}
BEHAVIOURS: dict[Behaviour, float] = {
    "ok": 0.78,
    "decline": 0.05,
    "needs_shopper": 0.02,
    "timeout": 0.06,
    "lost_answer": 0.05,
    "duplicate": 0.04,
}
SMALLEST_MINOR = 50
VISIT = re.compile(r"visit-\d{6}")
BOUNDARIES_PER_VISIT = 20
"""Places a visit at which the process may die, about: measured once, only sets how the crashes are spread."""


class CrashError(BaseException):
    """The process dies here: no handler of the code under test may catch it."""


@dataclass
class Faults:
    """Decides by one generator what breaks next. Nothing breaks once ``on`` is off."""

    rng: random.Random
    crash_share: float
    crashes_left: int
    crashes: int = 0
    locks: int = 0
    on: bool = True

    def crash(self) -> None:
        """Die, sometimes."""
        if self.on and self.crashes_left > 0 and self.rng.random() < self.crash_share:
            self.crashes_left -= 1
            self.crashes += 1
            raise CrashError

    def locked(self) -> None:
        """Find the database locked, sometimes."""
        if self.on and self.rng.random() < 0.003:
            self.locks += 1
            raise OperationalError("BEGIN IMMEDIATE", None, sqlite3.OperationalError("database is locked"))

    def behaviours(self) -> Iterator[Behaviour]:
        """Yield what the gateway does with each request."""
        while True:
            yield self.rng.choices(list(BEHAVIOURS), list(BEHAVIOURS.values()))[0] if self.on else "ok"


class DyingStore(BillingStore):
    """A database whose process may die before a transaction is kept, or just after."""

    def __init__(self, path: Path, faults: Faults) -> None:
        super().__init__(path)
        self._faults = faults

    @contextmanager
    def transaction(self, visit_id: str | None = None) -> Iterator[Books]:
        """Read and write as one, or find the database locked, or die."""
        self._faults.locked()
        with super().transaction(visit_id) as books:
            yield books
            self._faults.crash()
        self._faults.crash()


class DyingGateway:
    """A gateway whose asker may die before it asks, or before it hears the answer."""

    def __init__(self, inner: SandboxGateway, faults: Faults) -> None:
        self.inner, self._faults = inner, faults

    def send(self, request: GatewayRequest) -> GatewayAnswer:
        """Die before, or after the gateway has done it."""
        self._faults.crash()
        answer = self.inner.send(request)
        self._faults.crash()
        return answer

    def find(self, key: str) -> GatewayAnswer | None:
        """Time out, sometimes."""
        if self._faults.on and self._faults.rng.random() < 0.05:
            raise GatewayTimeout(key)
        return self.inner.find(key)

    def cancel(self, key: str) -> GatewayAnswer:
        """Die before, or after the gateway has given it up."""
        self._faults.crash()
        answer = self.inner.cancel(key)
        self._faults.crash()
        return answer

    def smallest(self, currency: str) -> Money:
        """See ``Gateway.smallest``."""
        return self.inner.smallest(currency)

    def listing(self) -> tuple[GatewayAnswer, ...]:
        """See ``Gateway.listing``."""
        return self.inner.listing()


@dataclass
class Visit:
    """What one shopper does, whatever billing makes of it."""

    visit_id: str
    token: str
    items: dict[str, int]
    refunds: list[RefundRequest] = field(default_factory=list)

    @property
    def total_minor(self) -> int:
        """What it costs, by the simulator's own arithmetic: prices hold their tax."""
        return sum(PRICES[sku] * count for sku, count in self.items.items())


class Day:
    """Visits, faults, and the process that is started again whenever it dies."""

    def __init__(self, path: Path, visits: int, crashes: int, seed: int) -> None:
        self.rng = random.Random(seed)
        share = min(0.5, 1.3 * crashes / (visits * BOUNDARIES_PER_VISIT))
        self.faults = Faults(random.Random(self.rng.random()), share, crashes)
        self.gateway = SandboxGateway(script=self.faults.behaviours(), hold_ns=3_600 * S, smallest_minor=SMALLEST_MINOR)
        self._path = path
        self._jump_ns = 0
        self._queue: list[tuple[int, int, Callable[[int], object]]] = []
        self._count = 0
        self.visits = [self._visit(k) for k in range(visits)]
        self.store, self.service = self._start()

    def run(self, progress: Callable[[float], None]) -> None:
        """Live through all visits, then let everything settle without faults."""
        for k, visit in enumerate(self.visits):
            self._plan(visit, k * 20 * S)
        horizon_ns = len(self.visits) * 20 * S
        for at_s in range(0, horizon_ns // S, 600):
            self._push(at_s * S, lambda at_ns: self.service.resolve_unknown(at_ns))
        while self._queue:
            at_ns, _, step = heapq.heappop(self._queue)
            self._try(at_ns, step)
            progress(at_ns / horizon_ns)
        self.faults.on = False
        for _ in range(2):
            self.service.resolve_unknown(self._queue_end_ns())

    def _queue_end_ns(self) -> int:
        return len(self.visits) * 20 * S + 30 * 86_400 * S

    def _visit(self, k: int) -> Visit:
        items = {sku: self.rng.randint(1, 4) for sku in PRICES if self.rng.random() < 0.35}
        visit = Visit(f"visit-{k:06d}", f"card-{self.rng.randrange(max(4, 4 * k // 5 + 1)):06d}", items)
        for n in range(self.rng.choice([0, 0, 0, 1, 2]) if items else 0):
            some = {sku: self.rng.randint(1, count) for sku, count in items.items() if self.rng.random() < 0.5}
            counts = tuple(ItemCount(sku, count) for sku, count in some.items())
            visit.refunds.append(
                RefundRequest(f"{visit.visit_id}-r{n}", visit.visit_id, RefundReason.RETURNED, 0, counts)
            )
        return visit

    def _plan(self, visit: Visit, at_ns: int) -> None:
        items = tuple(ItemCount(sku, count) for sku, count in visit.items.items())
        leave_ns = at_ns + self.rng.randint(60, 5_000) * S
        final = ReceiptInput(visit.visit_id, visit.token, leave_ns, items)
        self._push(at_ns, lambda now_ns: self.service.open_visit(OpenVisit(visit.visit_id, visit.token, now_ns)))
        for again in range(2 if self.rng.random() < 0.2 else 1):
            self._push(leave_ns + again * S, lambda _: self.service.finalise(final))
        for again in range(3 if self.rng.random() < 0.7 else 0):
            self._push(leave_ns + (again - 1) * 300 * S, lambda _: self._authenticate(visit))
        if self.rng.random() < 0.5:
            self._push(leave_ns + 900 * S, lambda now_ns: self._pay_again(visit, now_ns))
        for n, refund in enumerate([*visit.refunds, *visit.refunds]):  # each is asked for twice
            self._push(leave_ns + (1_200 + 60 * n) * S, lambda now_ns, asked=refund: self._refund(asked, now_ns))

    def _authenticate(self, visit: Visit) -> None:
        """Answer one of the bank's questions: which, the shopper cannot tell."""
        keys = [f"{visit.visit_id}:{part}" for part in ("hold", "1:charge", "2:charge", "3:charge")]
        asked = [
            key for key in keys if (answer := self.gateway.find(key)) and answer.state is PaymentState.NEEDS_SHOPPER
        ]
        if asked:
            self.gateway.authenticate(self.rng.choice(asked))

    def _pay_again(self, visit: Visit, at_ns: int) -> None:
        charges = self.service.charges(visit.visit_id)
        if charges and charges[-1].state is ChargeState.DECLINED:
            try:
                token = visit.token if self.rng.random() < 0.5 else f"{visit.token}-second"
                self.service.charge_again(visit.visit_id, token, at_ns)
            except ChargeStateError:
                return  # all of it was given back meanwhile

    def _refund(self, asked: RefundRequest, at_ns: int) -> None:
        try:
            self.service.refund(RefundRequest(asked.refund_id, asked.visit_id, asked.reason, at_ns, asked.items))
        except (RefundError, ChargeStateError):
            return  # given back before, or not settled yet: the shopper gives up

    def _push(self, at_ns: int, step: Callable[[int], object]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (at_ns, self._count, step))

    def _try(self, at_ns: int, step: Callable[[int], object]) -> None:
        if self.rng.random() < 0.01:
            self._jump_ns = self.rng.choice([0, -3_600 * S, 2 * 3_600 * S])
        try:
            step(max(at_ns + self._jump_ns, 0))
        except CrashError:
            self.store.close()
            self.store, self.service = self._start()
            self._push(at_ns + self.rng.randint(1, 120) * S, step)
        except OperationalError:
            self._push(at_ns + S, step)

    def _start(self) -> tuple[BillingStore, BillingService]:
        store = DyingStore(self._path, self.faults)
        return store, BillingService(
            price_book(), store, DyingGateway(self.gateway, self.faults), BillingPolicy(hold_minor=2_000)
        )


def price_book() -> PriceBook:
    """Return five products at 19 % or 7 %, tax held in the price."""
    rates = {"bread": ("reduced", "7")}
    prices = []
    for sku, minor in PRICES.items():
        tax_class, rate = rates.get(sku, ("standard", "19"))
        prices.append(Price(sku, sku.title(), Money(minor, "EUR"), tax_class, Decimal(rate), True))
    return PriceBook.of("EUR", prices)


@dataclass
class Sides:
    """What the gateway did and what our ledger says, by visit, in minor units."""

    taken: Counter[str] = field(default_factory=Counter)
    back: Counter[str] = field(default_factory=Counter)
    unwilling: set[str] = field(default_factory=set)
    owing: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    receivable: Counter[str] = field(default_factory=Counter)
    written_off: Counter[str] = field(default_factory=Counter)


def both_sides(day: Day) -> Sides:
    """Count up the gateway's list and our ledger."""
    sides = Sides()
    released: set[str] = set()
    for answer in day.gateway.listing():
        found = VISIT.search(answer.key)
        assert found is not None
        visit_id, is_done = found.group(), answer.state is PaymentState.DONE
        match answer.action:
            case PaymentAction.CAPTURE | PaymentAction.CHARGE:
                sides.taken[visit_id] += answer.amount.minor if is_done else 0
                sides.unwilling |= set() if is_done or answer.action is PaymentAction.CAPTURE else {visit_id}
            case PaymentAction.REFUND:
                sides.back[visit_id] += answer.amount.minor if is_done else 0
                sides.owing |= set() if is_done else {visit_id}
            case PaymentAction.HOLD:
                sides.held |= {visit_id} if is_done else set()
        released |= {visit_id} if answer.action in (PaymentAction.CAPTURE, PaymentAction.VOID) else set()
    sides.held -= released
    with day.store.transaction() as books:
        for posting in books.postings():
            for entry in posting.entries:
                if entry.account == "receivable:shopper":
                    sides.receivable[posting.visit_id] += entry.amount.minor
                if entry.account == "written_off":
                    sides.written_off[posting.visit_id] += entry.amount.minor
    return sides


def judge(day: Day) -> dict[str, int | str]:
    """Hold the books against the gateway's own and against what was asked for."""
    sides, balances = both_sides(day), day.service.balances()
    clearing = balances.get(("clearing:gateway", "EUR"), 0)
    return {
        "visits": len(day.visits),
        "crashes": day.faults.crashes,
        "locked": day.faults.locks,
        "double_charged": sum(sides.taken[visit.visit_id] > visit.total_minor for visit in day.visits),
        "unpaid_unexplained": sum(not _is_explained(day, visit, sides) for visit in day.visits),
        "refund_over_capture": sum(sides.back[visit.visit_id] > sides.taken[visit.visit_id] for visit in day.visits),
        "ledger_sum_minor": sum(abs(total) for total in _by_currency(balances).values()),
        "ledger_wrong": sum(not _is_booked(day, visit, sides) for visit in day.visits),
        "holds_forgotten": len(sides.held),
        "clearing_difference_minor": clearing - sum(sides.taken.values()) + sum(sides.back.values()),
        "gateway_differences": len(day.service.reconcile()),
        "digest": _digest(day.store),
    }


def _due_minor(day: Day, visit: Visit) -> int:
    return visit.total_minor - sum(refund.amount.minor for refund in day.service.refunds(visit.visit_id))


def _is_explained(day: Day, visit: Visit, sides: Sides) -> bool:
    """Tell whether a visit paid its receipt less its refunds, or else the gateway itself said no, or it is too little."""
    receipt, charges = day.service.receipt(visit.visit_id), day.service.charges(visit.visit_id)
    if receipt is None or receipt.total.minor != visit.total_minor or not charges:
        return False
    short_minor = _due_minor(day, visit) - sides.taken[visit.visit_id] + sides.back[visit.visit_id]
    state = charges[-1].state
    if short_minor > 0 and state is ChargeState.WAIVED:
        return short_minor < SMALLEST_MINOR
    if short_minor > 0:
        return state in (ChargeState.DECLINED, ChargeState.NEEDS_SHOPPER) and visit.visit_id in sides.unwilling
    return state is not ChargeState.UNKNOWN and (short_minor == 0 or visit.visit_id in sides.owing)


def _is_booked(day: Day, visit: Visit, sides: Sides) -> bool:
    """Tell whether the ledger says of a visit what it owes: its receipt less refunds, payments and waivers.

    After a waiver that is nothing.
    """
    written_off, charges = sides.written_off[visit.visit_id], day.service.charges(visit.visit_id)
    if charges and charges[-1].state is ChargeState.WAIVED and sides.receivable[visit.visit_id] > 0:
        return False
    paid = sides.taken[visit.visit_id] - sides.back[visit.visit_id]
    owes = sides.receivable[visit.visit_id] == _due_minor(day, visit) - paid - written_off
    return owes and 0 <= written_off < SMALLEST_MINOR


def _by_currency(balances: dict[tuple[str, str], int]) -> Counter[str]:
    sums = Counter[str]()
    for (_, currency), minor in balances.items():
        sums[currency] += minor
    return sums


def _digest(store: BillingStore) -> str:
    """Return the SHA-256 of all that the database holds, table by table."""
    digest = hashlib.sha256()
    for line in store.dump():
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def simulate(
    visits: int, crashes: int, seed: int, progress: Callable[[float], None] = lambda _: None
) -> dict[str, int | str]:
    """Return the findings of one seed."""
    with TemporaryDirectory(prefix="tillfree-faults-") as place:
        day = Day(Path(place) / "billing.sqlite", visits, crashes, seed)
        day.run(progress)
        found = judge(day)
        day.store.close()
    return found


WRONG = (
    "double_charged",
    "unpaid_unexplained",
    "refund_over_capture",
    "ledger_sum_minor",
    "ledger_wrong",
    "holds_forgotten",
    "clearing_difference_minor",
    "gateway_differences",
)
"""Findings that must be 0."""


def main() -> int:
    """Run one seed twice; exit with 1 where a finding is not 0 or the two runs differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, default=10_000)
    parser.add_argument("--crashes", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--once", action="store_true", help="leave out the second run of the same seed")
    asked = parser.parse_args()
    runs = []
    with Progress() as bar:
        for name in ("first run",) if asked.once else ("first run", "again, must be identical"):
            task = bar.add_task(name, total=1.0)
            runs.append(
                simulate(asked.visits, asked.crashes, asked.seed, lambda done, t=task: bar.update(t, completed=done))
            )
            bar.update(task, completed=1.0)
    found = runs[0]
    text = json.dumps(found, indent=2)
    print(text)
    if asked.json:
        asked.json.write_text(text + "\n", encoding="utf-8")
    wrong = [name for name in WRONG if found[name] != 0]
    if any(run != found for run in runs):
        wrong.append("a second run of the same seed differs")
    if found["crashes"] != asked.crashes:
        wrong.append(f"only {found['crashes']} crashes came about")
    print("all invariants hold" if not wrong else f"WRONG: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
