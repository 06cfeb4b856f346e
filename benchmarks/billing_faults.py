"""Days of visits through the real billing code while everything breaks: nobody is charged twice, nothing is lost.

    python benchmarks/billing_faults.py --visits 10000 --crashes 1000 --seed 1 --json faults.json

Shoppers, groups, staff and people who pay at the till come, change their minds, leave, authenticate late, bring things
back, contest, are charged for what was forgotten, owe and pay or never pay. One thread, one fake clock, one seeded
generator: the same seed gives the same days, byte for byte. The process dies between any two writes and before or after
any request to the gateway, and starts again on the same database; the gateway times out, loses answers, gets requests
twice, declines, asks for authentication, and tells its news late, out of order and several times; another process
overtakes the one that waits for an answer; the clock jumps; the database is locked. Whoever asked asks again. At the end
faults stop, what is unknown is resolved, and the books are held, visit by visit, against the gateway's own, against what
was asked for and against the events that were told.

Not simulated here: threads (tests/billing has them), a real ``kill -9``, the delivery of events over HTTP.
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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from rich.progress import Progress
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from billing.db.books import Books
from billing.errors import (
    ChargeStateError,
    CorrectionError,
    DisputeError,
    GatewayTimeout,
    RefundError,
    UnknownVisit,
    VersionConflict,
)
from billing.gateway import Behaviour, GatewayAnswer, GatewayRequest, SandboxGateway
from billing.money import Money
from billing.policy import BillingPolicy
from billing.pricebook import Price, PriceBook
from billing.service import BillingService
from billing.standing import standing
from billing.store import BillingStore
from billing.types import (
    CASH,
    STAFF,
    Charge,
    ChargeState,
    CorrectionRequest,
    DisputeKind,
    DisputeRequest,
    DisputeState,
    Evidence,
    ItemCount,
    JoinVisit,
    OpenVisit,
    PaymentAction,
    PaymentState,
    ReceiptInput,
    Refund,
    RefundReason,
    RefundRequest,
    RefundState,
    VisitKind,
)

S = 10**9
HOUR_S = 3_600
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
SECONDS_A_VISIT = 20
DAYS_AFTER = 4
"""Days after the last visit: longer than ``POLICY`` has debts asked for."""
POLICY = BillingPolicy(
    hold_minor=2_000,
    debt_retry_hours=(1.0, 3.0, 8.0),
    write_off_days=1.0,
    confirm_hours=2.0,
    trust_up_to_minor=300,
    trusted_per_month=1,
)
VISIT = re.compile(r"visit-\d{6}")
BOUNDARIES_PER_VISIT = 28
"""Places a visit at which the process may die, about: measured once, only sets how the crashes are spread."""
REFUSALS = (ChargeStateError, CorrectionError, DisputeError, RefundError, UnknownVisit, VersionConflict)
"""What billing may say to people who ask too early, too late or for too much: they give up. Never a key conflict."""


class CrashError(BaseException):
    """The process dies here: no handler of the code under test may catch it."""


class Breaks(Protocol):
    """Decides what breaks next."""

    def crash(self) -> None:
        """Raise CrashError, or not."""
        ...

    def locked(self) -> None:
        """Raise OperationalError as a locked database does, or not."""
        ...

    def unheard(self) -> bool:
        """Tell whether a question about a request finds no gateway."""
        ...

    def meanwhile(self, key: str) -> None:
        """Let another process do what it likes while the answer to the request ``key`` is on its way."""
        ...


@dataclass
class Faults:
    """Decides by one generator what breaks next. Nothing breaks once ``on`` is off."""

    rng: random.Random
    crash_share: float
    crashes_left: int
    crashes: int = 0
    locks: int = 0
    overtaken: int = 0
    on: bool = True
    elsewhere: Callable[[str], object] | None = None
    _is_elsewhere: bool = False

    def crash(self) -> None:
        """Die, sometimes. The other process lives on."""
        may = self.on and self.crashes_left > 0 and not self._is_elsewhere
        if may and self.rng.random() < self.crash_share:
            self.crashes_left -= 1
            self.crashes += 1
            raise CrashError

    def locked(self) -> None:
        """Find the database locked, sometimes."""
        if self.on and not self._is_elsewhere and self.rng.random() < 0.003:
            self.locks += 1
            raise OperationalError("BEGIN IMMEDIATE", None, sqlite3.OperationalError("database is locked"))

    def unheard(self) -> bool:
        """Time out, sometimes."""
        return self.on and self.rng.random() < 0.05

    def meanwhile(self, key: str) -> None:
        """Let another process overtake, sometimes; nobody overtakes that one."""
        if self.on and self.elsewhere is not None and not self._is_elsewhere and self.rng.random() < 0.02:
            self.overtaken += 1
            self._is_elsewhere = True
            try:
                self.elsewhere(key)
            finally:
                self._is_elsewhere = False

    def behaviours(self) -> Iterator[Behaviour]:
        """Yield what the gateway does with each request."""
        while True:
            yield self.rng.choices(list(BEHAVIOURS), list(BEHAVIOURS.values()))[0] if self.on else "ok"


class DyingStore(BillingStore):
    """A database whose process may die before a transaction is kept, or just after.

    What SQLite has written survives that process without waiting for the disk, so it is not waited for. ``close`` cuts
    all connections as death does; the next use opens new ones.
    """

    def __init__(self, path: Path, breaks: Breaks) -> None:
        super().__init__(path)
        self.close()
        for engine in (self._engine, self._writing):
            event.listen(engine, "connect", _do_not_wait)
        self.breaks = breaks

    @contextmanager
    def transaction(self, visit_id: str | None = None) -> Iterator[Books]:
        """Read and write as one, or find the database locked, or die."""
        self.breaks.locked()
        with super().transaction(visit_id) as books:
            yield books
            self.breaks.crash()
        self.breaks.crash()


def _do_not_wait(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF").close()


class DyingGateway:
    """A gateway whose asker may die before it asks, or before it hears the answer.

    ``asked`` is what arrived, ``news`` is called with the key of each request that came to stand otherwise.
    """

    def __init__(self, inner: SandboxGateway, breaks: Breaks, news: Callable[[str], object] = lambda _: None) -> None:
        self.inner, self._breaks, self._news = inner, breaks, news
        self.asked: dict[str, GatewayRequest] = {}
        self._of_visit: dict[str, list[str]] = {}

    def send(self, request: GatewayRequest) -> GatewayAnswer:
        """Die before, or after the gateway has done it."""
        self._breaks.crash()
        with self._watched(request.key):
            self._note(request)
            answer = self.inner.send(request)
        self._breaks.meanwhile(request.key)
        self._breaks.crash()
        return answer

    def asked_of(self, visit_id: str) -> tuple[str, ...]:
        """Return the keys of what was asked for a visit, but for refunds, in order."""
        return tuple(self._of_visit.get(visit_id, ()))

    def find(self, key: str) -> GatewayAnswer | None:
        """Time out, sometimes."""
        if self._breaks.unheard():
            raise GatewayTimeout(key)
        return self.inner.find(key)

    def cancel(self, key: str) -> GatewayAnswer:
        """Die before, or after the gateway has given it up."""
        self._breaks.crash()
        with self._watched(key):
            answer = self.inner.cancel(key)
        self._breaks.meanwhile(key)
        self._breaks.crash()
        return answer

    def authenticate(self, key: str) -> None:
        """Let the shopper answer the bank."""
        with self._watched(key):
            self.inner.authenticate(key)

    def smallest(self, currency: str) -> Money:
        """See ``Gateway.smallest``."""
        return self.inner.smallest(currency)

    def listing(self) -> tuple[GatewayAnswer, ...]:
        """See ``Gateway.listing``."""
        return self.inner.listing()

    def _note(self, request: GatewayRequest) -> None:
        if request.key not in self.asked:
            self.asked[request.key] = request
            self._of_visit.setdefault(request.key.partition(":")[0], []).append(request.key)

    @contextmanager
    def _watched(self, key: str) -> Iterator[None]:
        before = self.inner.find(key)
        try:
            yield
        finally:
            if self.inner.find(key) != before:
                self._news(key)


@dataclass
class Visit:
    """What one shopper does, whatever billing makes of it; amounts by the simulator's own arithmetic, tax held in prices.

    ``later`` is what they agreed to pay after the receipt, ``back`` what they were promised, ``till`` what the cashier
    counted, each by the asker's key.
    """

    visit_id: str
    token: str
    kind: VisitKind
    party_size: int
    items: tuple[ItemCount, ...]
    later: dict[str, int] = field(default_factory=dict)
    back: dict[str, int] = field(default_factory=dict)
    till: dict[str, int] = field(default_factory=dict)

    @property
    def total_minor(self) -> int:
        """Return the final receipt with the charges agreed to later."""
        return (0 if self.kind is VisitKind.STAFF else worth_minor(self.items)) + sum(self.later.values())

    @property
    def due_minor(self) -> int:
        """Return what is to be paid after what went back."""
        return self.total_minor - sum(self.back.values())


def _card(k: int) -> str:
    return f"card-{k:06d}"


def worth_minor(items: Iterable[ItemCount]) -> int:
    """Return what ``items`` cost."""
    return sum(PRICES[item.sku] * item.quantity for item in items)


class Day:
    """Visits, faults, and the process that is started again whenever it dies."""

    def __init__(self, path: Path, visits: int, crashes: int, seed: int) -> None:
        self.rng = random.Random(seed)
        share = min(0.5, 1.6 * crashes / (visits * BOUNDARIES_PER_VISIT))
        self.faults = Faults(random.Random(self.rng.random()), share, crashes, elsewhere=self._other_process)
        sandbox = SandboxGateway(
            script=self.faults.behaviours(),
            declined_tokens=[_card(k) for k in range(0, visits, 20)],
            hold_ns=HOUR_S * S,
            smallest_minor=SMALLEST_MINOR,
        )
        self.gateway = DyingGateway(sandbox, self.faults, self._tell)
        self._book = price_book()
        self._now_ns = self._jump_ns = 0
        self.news = 0
        self._queue: list[tuple[int, int, Callable[[int], object]]] = []
        self._count = 0
        self.visits = [self._visit(k) for k in range(visits)]
        self.store = DyingStore(path, self.faults)
        self.service = self._start()

    def run(self, progress: Callable[[float], None]) -> None:
        """Live through all visits, then let everything settle without faults."""
        for k, visit in enumerate(self.visits):
            self._plan(visit, k * SECONDS_A_VISIT * S)
        horizon_ns = (len(self.visits) * SECONDS_A_VISIT + DAYS_AFTER * 24 * HOUR_S) * S
        self._plan_rounds(horizon_ns)
        planned = self._count
        done = 0
        while self._queue:
            self._now_ns, _, step = heapq.heappop(self._queue)
            self._try(self._now_ns, step)
            done += 1
            progress(min(1.0, done / planned))
        self.faults.on = False
        for _ in range(2):
            self.service.resolve_unknown(horizon_ns)

    def _visit(self, k: int) -> Visit:
        kind = self.rng.choices(list(VisitKind), [84, 10, 6])[0]
        card = _card(self.rng.randrange(max(4, 4 * k // 5 + 1)))
        token = {VisitKind.CASH: CASH, VisitKind.STAFF: STAFF}.get(kind, card)
        items = tuple(ItemCount(sku, self.rng.randint(1, 4)) for sku in PRICES if self.rng.random() < 0.35)
        return Visit(f"visit-{k:06d}", token, kind, self.rng.choice([1, 1, 1, 2, 3]), items)

    # What is to happen: the plan of one visit.

    def _plan(self, visit: Visit, at_ns: int) -> None:
        leave_ns = at_ns + self.rng.randint(60, 5_000) * S
        self._plan_entry(visit, at_ns, leave_ns)
        self._plan_exit(visit, leave_ns)
        self._plan_payment(visit, leave_ns)
        if visit.items:
            self._plan_correction(visit, leave_ns)
            self._plan_refunds(visit, leave_ns)
            self._plan_dispute(visit, leave_ns)

    def _plan_entry(self, visit: Visit, at_ns: int, leave_ns: int) -> None:
        shopper = visit.token if visit.kind is VisitKind.SHOPPER else None
        opened = OpenVisit(visit.visit_id, visit.token, at_ns, visit.kind, visit.party_size, shopper)
        for again in range(self._times(0.05)):
            self._push(at_ns + again * S, lambda now_ns: self.service.open_visit(replace(opened, at_ns=now_ns)))
        for n in range(self.rng.choice([0, 0, 0, 1, 2])):
            scan = JoinVisit(visit.visit_id, f"scan-{n}", visit.token, 0)
            for _ in range(self._times(0.2)):
                self._push(
                    at_ns + self.rng.randint(1, 3_000) * S,
                    lambda now_ns, scan=scan: self.service.join_visit(replace(scan, at_ns=now_ns)),
                )
        for n in range(self.rng.choice([0, 0, 1, 2])):
            some, version = self._some(visit.items), self.rng.choice([None, None, n])
            self._push(
                self.rng.randint(at_ns // S, leave_ns // S + 60) * S,
                lambda now_ns, cart=some, seen=version: self.service.put_draft(visit.visit_id, cart, now_ns, seen),
            )

    def _plan_exit(self, visit: Visit, leave_ns: int) -> None:
        final = ReceiptInput(visit.visit_id, visit.token, leave_ns, visit.items)
        for again in range(self._times(0.2)):
            self._push(leave_ns + again * S, lambda _: self.service.finalise(final))
        for after_s in (-300, 0, 300, 4_000, 20_000) if self.rng.random() < 0.7 else ():
            self._push(leave_ns + after_s * S, lambda _: self._authenticate(visit))

    def _plan_payment(self, visit: Visit, leave_ns: int) -> None:
        if self.rng.random() < 0.3:
            self._push(leave_ns + 900 * S, lambda now_ns: self._pay_again(visit, now_ns))
        for n in range(2 if self.rng.random() < (0.85 if visit.kind is VisitKind.CASH else 0.1) else 0):
            at_ns = leave_ns + (600, 40_000)[n] * S
            for again in range(self._times(0.3)):
                self._push(
                    at_ns + again * S, lambda now_ns, key=f"{visit.visit_id}-in{n}": self._pay(visit, key, now_ns)
                )

    def _plan_correction(self, visit: Visit, leave_ns: int) -> None:
        for n in range(self.rng.choice([0, 0, 0, 0, 0, 0, 1, 2])):
            more = self._some(visit.items) or visit.items
            asked = CorrectionRequest(f"{visit.visit_id}-c{n}", visit.visit_id, more, "op-1", 0)
            for _ in range(self._times(0.4)):
                at_ns = leave_ns + self.rng.randint(300, 20_000) * S
                self._push(at_ns, lambda now_ns, asked=asked: self._correct(visit, replace(asked, at_ns=now_ns)))

    def _plan_refunds(self, visit: Visit, leave_ns: int) -> None:
        for n in range(self.rng.choice([0, 0, 0, 1, 2])):
            key, some = f"{visit.visit_id}-r{n}", self._some(visit.items)
            asked = RefundRequest(key, visit.visit_id, RefundReason.RETURNED, 0, some)
            for after_s in (1_200 + 60 * n, 1_320 + 60 * n, 50_000):  # each is asked for three times
                self._push(
                    leave_ns + after_s * S,
                    lambda now_ns, asked=asked: self._refund(visit, replace(asked, at_ns=now_ns)),
                )
            self._plan_pay_out(visit, key, leave_ns)

    def _plan_dispute(self, visit: Visit, leave_ns: int) -> None:
        some = self._some(visit.items)
        if not some or self.rng.random() < 0.7:
            return
        shopper = visit.token if visit.kind is VisitKind.SHOPPER else None
        kind, dispute_id = self.rng.choice(list(DisputeKind)), f"{visit.visit_id}-d"
        asked = DisputeRequest(dispute_id, visit.visit_id, kind, some, "not mine", 0, shopper)
        opens_ns = leave_ns + self.rng.randint(60, 10_000) * S
        for again in range(self._times(0.3)):
            self._push(opens_ns + again * S, lambda now_ns: self._contest(visit, replace(asked, at_ns=now_ns)))
        clip = Evidence(
            f"{dispute_id}-e", dispute_id, "exit", "video/mp4", "0" * 64, "clips/exit.mp4", "op-1", opens_ns
        )
        self._push(opens_ns + 120 * S, lambda _: self.service.attach(clip))
        for n in range(self.rng.choice([0, 1, 2, 3])):  # the second and third may think otherwise
            said = self.rng.choice([DisputeState.UPHELD, DisputeState.REJECTED])
            decides_ns = opens_ns + self.rng.randint(10, 90_000) * S
            self._push(decides_ns, lambda now_ns, said=said, by=f"op-{n}": self._decide(visit, asked, said, by, now_ns))
        self._plan_pay_out(visit, f"dispute:{dispute_id}", leave_ns)

    def _plan_pay_out(self, visit: Visit, refund_key: str, leave_ns: int) -> None:
        """The shopper comes to the till for what was paid there."""
        for n, after_s in enumerate((2_000, 60_000, 100_000)):
            key = f"{refund_key}-out{n // 2}"
            self._push(leave_ns + after_s * S, lambda now_ns, key=key: self._pay_out(visit, refund_key, key, now_ns))

    def _plan_rounds(self, horizon_ns: int) -> None:
        """What runs by itself: often while the store is open, seldom afterwards."""
        open_s, end_s = len(self.visits) * SECONDS_A_VISIT + 5_000, horizon_ns // S
        for at_s in (*range(0, open_s, 600), *range(open_s, end_s, HOUR_S)):
            self._push(at_s * S, lambda now_ns: self.service.resolve_unknown(now_ns))
        for at_s in (*range(0, open_s, 1_800), *range(open_s, end_s, 2 * HOUR_S)):
            self._push(at_s * S, lambda now_ns: self.service.give_up_waiting(now_ns))
            self._push(at_s * S, lambda now_ns: self.service.collect_debts(now_ns))

    def _times(self, again: float) -> int:
        """Return how often somebody presses the button."""
        return 2 if self.rng.random() < again else 1

    def _some(self, items: tuple[ItemCount, ...]) -> tuple[ItemCount, ...]:
        return tuple(
            ItemCount(each.sku, self.rng.randint(1, each.quantity)) for each in items if self.rng.random() < 0.5
        )

    # What people do when the time comes, and what they note of it.

    def _authenticate(self, visit: Visit) -> None:
        """Answer one of the bank's questions: which, the shopper cannot tell."""
        asked = [key for key in self.gateway.asked_of(visit.visit_id) if self._is_waiting(key)]
        if asked:
            self.gateway.authenticate(self.rng.choice(asked))

    def _is_waiting(self, key: str) -> bool:
        answer = self.gateway.inner.find(key)
        return answer is not None and answer.state is PaymentState.NEEDS_SHOPPER

    def _pay_again(self, visit: Visit, at_ns: int) -> None:
        charges = self.service.charges(visit.visit_id)
        if charges and charges[-1].state is ChargeState.DECLINED:
            token = visit.token if self.rng.random() < 0.5 else f"{visit.token}-second"
            self.service.charge_again(visit.visit_id, token, at_ns)

    def _pay(self, visit: Visit, key: str, at_ns: int) -> None:
        visit.till[key] = self.service.pay_cash(visit.visit_id, key, "till-1", at_ns).paid.minor

    def _pay_out(self, visit: Visit, refund_key: str, key: str, at_ns: int) -> None:
        self.service.pay_out(refund_key, key, "till-1", at_ns)
        with self.store.reading() as books:
            (visit.till[key],) = (move.amount.minor for move in books.cash(visit.visit_id) if move.key == key)

    def _correct(self, visit: Visit, asked: CorrectionRequest) -> None:
        self.service.correct(asked)
        visit.later[asked.correction_id] = worth_minor(asked.items)

    def _refund(self, visit: Visit, asked: RefundRequest) -> None:
        refund = self.service.refund(asked)
        visit.back[refund.key] = worth_minor(refund.items)

    def _contest(self, visit: Visit, asked: DisputeRequest) -> None:
        dispute = self.service.contest(asked)
        if dispute.refund_key is not None:
            visit.back[dispute.refund_key] = worth_minor(asked.items)

    def _decide(self, visit: Visit, asked: DisputeRequest, said: DisputeState, by: str, at_ns: int) -> None:
        dispute = self.service.decide(asked.dispute_id, said, by, "seen", at_ns)
        if dispute.refund_key is not None:
            visit.back[dispute.refund_key] = worth_minor(asked.items)

    # How it happens: time, news, death and the next process.

    def _push(self, at_ns: int, step: Callable[[int], object]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (max(at_ns, 0), self._count, step))

    def _tell(self, key: str) -> None:
        """Send the gateway's news: not at all, or up to three times, after any time."""
        if not self.faults.on:
            return
        for _ in range(self.faults.rng.choice([0, 1, 1, 2, 3])):
            self.news += 1
            late_s = self.faults.rng.choice([1, 5, 600, 7_200])
            at_ns = self._now_ns + self.faults.rng.randint(0, late_s * S)
            self._push(at_ns, lambda now_ns: self.service.heard_of(key, now_ns))

    def _other_process(self, key: str) -> None:
        """News overtakes the answer that it is about, or the regular round does."""
        if self.faults.rng.random() < 0.9:
            self.service.heard_of(key, self._now_ns)
        else:
            self.service.resolve_unknown(self._now_ns)

    def _try(self, at_ns: int, step: Callable[[int], object]) -> None:
        if self.rng.random() < 0.01:
            self._jump_ns = self.rng.choice([0, -3_600 * S, 2 * 3_600 * S])
        try:
            step(max(at_ns + self._jump_ns, 0))
        except REFUSALS:
            return
        except CrashError:
            self.store.close()
            self.service = self._start()
            self._push(at_ns + self.rng.randint(1, 120) * S, step)
        except OperationalError:
            self._push(at_ns + S, step)

    def _start(self) -> BillingService:
        return BillingService(self._book, self.store, self.gateway, POLICY)


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
    """What the gateway did and what our books say, by visit, in minor units."""

    taken: Counter[str] = field(default_factory=Counter)
    back: Counter[str] = field(default_factory=Counter)
    unwilling: set[str] = field(default_factory=set)
    owing: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    accounts: Counter[tuple[str, str]] = field(default_factory=Counter)
    charges: dict[str, list[Charge]] = field(default_factory=dict)
    refunds: dict[str, list[Refund]] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    owed: dict[str, int] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)


def both_sides(day: Day) -> Sides:
    """Count up the gateway's list and our books."""
    sides = Sides()
    for answer in day.gateway.listing():
        _count_answer(sides, answer)
    released = {
        request.of
        for request in day.gateway.asked.values()
        if request.action in (PaymentAction.CAPTURE, PaymentAction.VOID) and day.gateway.inner.find(request.key)
    }
    holds = [answer for answer in day.gateway.listing() if answer.action is PaymentAction.HOLD]
    sides.held = {each.key for each in holds if each.state is PaymentState.DONE and each.reference not in released}
    with day.store.reading() as books:
        for posting in books.postings():
            for entry in posting.entries:
                sides.accounts[posting.visit_id, entry.account] += entry.amount.minor
        for visit in day.visits:
            receipt = books.receipt(visit.visit_id)
            if receipt is not None:
                sides.totals[visit.visit_id] = receipt.total.minor
                sides.owed[visit.visit_id] = standing(books, receipt).owed.minor
            sides.charges[visit.visit_id] = list(books.charges(visit.visit_id))
            sides.refunds[visit.visit_id] = list(books.refunds(visit.visit_id))
            sides.given_up.update(each.charge_key for each in books.write_offs(visit.visit_id))
    return sides


def _count_answer(sides: Sides, answer: GatewayAnswer) -> None:
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


def judge(day: Day) -> dict[str, int | str]:
    """Hold the books against the gateway's own, against what was asked for, and against the events."""
    sides, balances = both_sides(day), day.service.balances()
    clearing = balances.get(("clearing:gateway", "EUR"), 0)
    with day.store.reading() as books:
        wrong_events = events_wrong(books)
        events = Counter(str(topic) for (topic,) in books.connection.execute(text("SELECT topic FROM events")))
    return {
        "visits": len(day.visits),
        "crashes": day.faults.crashes,
        "locked": day.faults.locks,
        "overtaken": day.faults.overtaken,
        "news": day.news,
        **{topic.replace(".", "_"): events[topic] for topic in sorted(events)},
        "double_charged": sum(_is_double(visit, sides) for visit in day.visits),
        "unpaid_unexplained": sum(not _is_explained(visit, sides) for visit in day.visits),
        "refund_over_capture": sum(sides.back[visit.visit_id] > sides.taken[visit.visit_id] for visit in day.visits),
        "refunds_wrong": sum(not _is_as_promised(visit, sides) for visit in day.visits),
        "ledger_sum_minor": sum(abs(total) for total in _by_currency(balances).values()),
        "ledger_wrong": sum(not _is_booked(visit, sides) for visit in day.visits),
        "owed_wrong": sum(
            minor != sides.accounts[visit_id, "receivable:shopper"] for visit_id, minor in sides.owed.items()
        ),
        "holds_forgotten": len(sides.held),
        "clearing_difference_minor": clearing - sum(sides.taken.values()) + sum(sides.back.values()),
        "gateway_differences": len(day.service.reconcile()),
        "events_wrong": wrong_events,
        "digest": _digest(day.store),
    }


def _is_double(visit: Visit, sides: Sides) -> bool:
    """Tell whether card and till took more than the final receipt and what was agreed to later. Voids take nothing."""
    counted = sum(minor for minor in visit.till.values() if minor > 0)
    return sides.taken[visit.visit_id] + counted > visit.total_minor


def _paid_minor(visit: Visit, sides: Sides) -> int:
    return sides.taken[visit.visit_id] - sides.back[visit.visit_id] + sum(visit.till.values())


def _is_explained(visit: Visit, sides: Sides) -> bool:
    """Tell whether a visit paid what is due, or else somebody said no, or it is too little to take."""
    visit_id, charges = visit.visit_id, sides.charges[visit.visit_id]
    if sides.totals.get(visit_id) != visit.total_minor or not charges:
        return False
    last, states = charges[-1], Counter(charge.state for charge in charges)
    forgiven_minor = sides.accounts[visit_id, "written_off"]
    short_minor = visit.due_minor - _paid_minor(visit, sides) - forgiven_minor
    is_refused = visit_id in sides.unwilling or last.token == CASH
    is_given_up = any(charge.key in sides.given_up for charge in charges)
    if forgiven_minor > SMALLEST_MINOR * states[ChargeState.WAIVED] and not (is_refused and is_given_up):
        return False
    if states[ChargeState.UNKNOWN]:
        return False
    if short_minor > 0:
        is_debt = last.state is ChargeState.DECLINED and last.key not in sides.given_up
        return is_refused and (is_debt or last.state is ChargeState.NEEDS_SHOPPER)
    is_owed = any(refund.state is RefundState.OWED for refund in sides.refunds[visit_id])
    return short_minor == 0 or (is_owed and (visit_id in sides.owing or any(visit.till.values())))


def _is_as_promised(visit: Visit, sides: Sides) -> bool:
    """Tell whether the refunds are those that people were promised, of the amounts that they expect."""
    return {each.key: each.amount.minor for each in sides.refunds[visit.visit_id]} == visit.back


def _is_booked(visit: Visit, sides: Sides) -> bool:
    """Tell whether the ledger says of a visit what it owes and what is in the till."""
    forgiven_minor = sides.accounts[visit.visit_id, "written_off"]
    owed_minor = visit.due_minor - _paid_minor(visit, sides) - forgiven_minor
    till_minor = sides.accounts[visit.visit_id, "cash:till"]
    is_owed = sides.accounts[visit.visit_id, "receivable:shopper"] == owed_minor
    return is_owed and till_minor == sum(visit.till.values()) and forgiven_minor >= 0


_CHARGE_EVENTS = {
    "captured": "charge.paid",
    "void": "charge.paid",
    "waived": "charge.paid",
    "declined": "charge.failed",
    "needs_shopper": "charge.waiting",
}
_REFUND_EVENTS = {"done": "refund.done", "owed": "refund.owed"}
_INTERIM = ("charge.waiting", "refund.owed")
"""What may have been told before it came otherwise, and more than once."""

_FACTS = {
    "SELECT visit_id FROM visits": lambda row: [("visit.opened", row.visit_id)],
    "SELECT visit_id, version FROM drafts": lambda row: [
        ("visit.draft", f"{row.visit_id}:{version + 1}") for version in range(row.version)
    ],
    "SELECT visit_id FROM receipts": lambda row: [("receipt.final", row.visit_id)],
    "SELECT key FROM corrections": lambda row: [("receipt.corrected", row.key)],
    "SELECT key, state, paid_minor FROM charges WHERE state != 'unknown'": lambda row: [
        (_CHARGE_EVENTS[row.state], f"{row.key}:{row.state}:{row.paid_minor}")
    ],
    "SELECT charge_key FROM write_offs": lambda row: [("charge.written_off", row.charge_key)],
    "SELECT key FROM refunds": lambda row: [("refund.agreed", row.key)],
    "SELECT key, state FROM refunds WHERE state != 'unknown'": lambda row: [(_REFUND_EVENTS[row.state], row.key)],
    "SELECT dispute_id FROM disputes WHERE decided_by IS NULL OR decided_by != 'policy'": lambda row: [
        ("review.needed", row.dispute_id)
    ],
    "SELECT dispute_id, state FROM disputes WHERE state != 'open'": lambda row: [
        ("review.decided", f"{row.dispute_id}:{row.state}")
    ],
}
"""What the database says has happened, and the events that tell it: topic, and what it is about."""


def events_wrong(books: Books) -> int:
    """Count the events that are missing, or told once too often, or about what is not so."""
    facts = Counter(
        fact for query, told in _FACTS.items() for row in books.connection.execute(text(query)) for fact in told(row)
    )
    told = Counter(
        (topic, _about(topic, json.loads(body)))
        for topic, body in books.connection.execute(text("SELECT topic, body FROM events ORDER BY event_id"))
    )
    missing, extra = facts - told, told - facts
    return missing.total() + sum(count for (topic, _), count in extra.items() if topic not in _INTERIM)


def _about(topic: str, body: dict[str, Any]) -> str:
    match topic:
        case "visit.draft":
            return f"{body['visit_id']}:{body['version']}"
        case "receipt.corrected":
            return str(body["correction_id"])
        case "charge.paid" | "charge.failed" | "charge.waiting":
            return f"{body['key']}:{body['state']}:{body['paid_minor']}"
        case "review.needed":
            return str(body["dispute_id"])
        case "review.decided":
            return f"{body['dispute_id']}:{body['state']}"
        case _:
            return str(body["visit_id"] if topic in ("visit.opened", "receipt.final") else body["key"])


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
    "refunds_wrong",
    "ledger_sum_minor",
    "ledger_wrong",
    "owed_wrong",
    "holds_forgotten",
    "clearing_difference_minor",
    "gateway_differences",
    "events_wrong",
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
    report = json.dumps(found, indent=2)
    print(report)
    if asked.json:
        asked.json.write_text(report + "\n", encoding="utf-8")
    wrong = [name for name in WRONG if found[name] != 0]
    if any(run != found for run in runs):
        wrong.append("a second run of the same seed differs")
    if found["crashes"] != asked.crashes:
        wrong.append(f"only {found['crashes']} crashes came about")
    print("all invariants hold" if not wrong else f"WRONG: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
