"""Any order of what shoppers, tills, operators, banks and crashes may do to visits, held against simple bookkeeping.

Hypothesis draws what is done next, what the gateway makes of each request, where the process dies, and what another
process does while an answer is on its way. ``Agreed`` is what the people involved would say that they agreed to.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from itertools import count as numbers
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.exc import IntegrityError

from benchmarks.billing_faults import REFUSALS, CrashError, DyingGateway, DyingStore, events_wrong
from billing import debts, refunding
from billing.db.books import Books
from billing.errors import DisputeError, KeyConflict, RefundError
from billing.gateway import Behaviour, GatewayAnswer, GatewayRequest, SandboxGateway
from billing.ledger import SHOPPER
from billing.money import Money
from billing.policy import BillingPolicy
from billing.pricebook import Price, PriceBook
from billing.promotions import NForM
from billing.service import BillingService
from billing.standing import Standing, standing
from billing.types import (
    CASH,
    STAFF,
    Charge,
    ChargeState,
    CorrectionRequest,
    DisputeKind,
    DisputeRequest,
    DisputeState,
    ItemCount,
    JoinVisit,
    OpenVisit,
    Payment,
    PaymentAction,
    PaymentState,
    Receipt,
    ReceiptInput,
    RefundReason,
    RefundRequest,
    RefundState,
    VisitKind,
)

HOUR_NS = 3_600 * 10**9
SMALLEST_MINOR = 50
MOST_VISITS = 3
PRICES = {"sweet": 3, "cola": 149, "wine": 1_799, "juice": 101}
TOKENS = {VisitKind.CASH: CASH, VisitKind.STAFF: STAFF}
POLICY = BillingPolicy(
    hold_minor=1_000,
    debt_retry_hours=(1.0,),
    write_off_days=1.0,
    confirm_hours=2.0,
    trust_up_to_minor=150,
    trusted_per_month=1,
)
SETTLED = (ChargeState.CAPTURED, ChargeState.DECLINED, ChargeState.VOID, ChargeState.WAIVED)


def price_book() -> PriceBook:
    """Return four products; of three juices two are free, so that units cost less the more there are."""
    prices = [
        Price(sku, sku.title(), Money(minor, "EUR"), f"class-{sku}", Decimal("19"), True)
        for sku, minor in PRICES.items()
    ]
    return PriceBook.of("EUR", prices, [NForM(promotion_id="juice", name="3 for 1", skus=("juice",), take=3, pay=1)])


def cost_minor(sku: str, count: int) -> int:
    """Return what so many of one product cost."""
    return PRICES[sku] * (count - 2 * (count // 3) if sku == "juice" else count)


@dataclass(frozen=True)
class Luck:
    """What goes wrong in one step: the gateway's behaviour by request, the boundary at which the process dies, who
    overtakes at which request, and whether whoever asked asks again at once.
    """

    script: tuple[Behaviour, ...] = ()
    dies_at: int | None = None
    overtaken_at: int | None = None
    overtaken_by: str = "round"
    asks_again: bool = True


@dataclass
class Breaks:
    """Carries out the luck of one step."""

    luck: Luck = field(default_factory=Luck)
    elsewhere: Callable[[str, str], object] = lambda _key, _by: None
    _script: Iterator[Behaviour] = field(default_factory=lambda: iter(()))
    _boundaries: int = 0
    _requests: int = 0
    _is_elsewhere: bool = False

    def begin(self, luck: Luck) -> None:
        self.luck, self._script, self._boundaries, self._requests = luck, iter(luck.script), 0, 0

    def behaviours(self) -> Iterator[Behaviour]:
        while True:
            yield next(self._script, "ok")

    def crash(self) -> None:
        if self.luck.dies_at is not None and not self._is_elsewhere:
            self._boundaries += 1
            if self._boundaries > self.luck.dies_at:
                raise CrashError

    def locked(self) -> None:
        """Leave locks to the simulated days: nothing was done yet."""

    def unheard(self) -> bool:
        """Leave it to what is sent: a question without an answer changes nothing."""
        return False

    def meanwhile(self, key: str) -> None:
        if self._is_elsewhere or self.luck.overtaken_at is None:
            return
        self._requests += 1
        if self._requests > self.luck.overtaken_at:
            self._is_elsewhere = True
            try:
                self.elsewhere(key, self.luck.overtaken_by)
            finally:
                self._is_elsewhere = False


@dataclass
class Agreed:
    """One visit's simple books: what was asked, what the receipt came to be, and what of it went back."""

    kind: VisitKind
    token: str
    final_ns: int = 0
    carts: list[Counter[str]] = field(default_factory=list)
    corrections: dict[str, Counter[str]] = field(default_factory=dict)
    refunds: dict[str, Counter[str]] = field(default_factory=dict)
    disputes: dict[str, Counter[str]] = field(default_factory=dict)
    cart: Counter[str] | None = None
    first: Receipt | None = None
    corrected: list[str] = field(default_factory=list)
    refunded: dict[str, int] = field(default_factory=dict)
    returned: Counter[str] = field(default_factory=Counter)
    returned_minor: Counter[str] = field(default_factory=Counter)

    @property
    def total_minor(self) -> int:
        return sum(cost_minor(sku, count) for sku, count in (self.cart or {}).items())

    @property
    def left(self) -> Counter[str]:
        return (self.cart or Counter()) - self.returned

    def part(self, some: dict[str, int] | str) -> Counter[str]:
        """Return what is given back: one unit, half of each product, or what was drawn, which may never have been bought."""
        left = self.left
        if some == "one":
            return Counter(dict.fromkeys(sorted(left)[:1], 1))
        if some == "half":
            return +Counter({sku: count - count // 2 for sku, count in left.items()})
        return Counter({} if isinstance(some, str) else some)

    def give_back(self, key: str) -> None:
        """Count a refund: each product's price less what the units kept cost, never less than nothing."""
        assert self.cart is not None
        back = 0
        for sku, count in (self.refunds[key] or self.left).items():
            self.returned[sku] += count
            paid, kept = cost_minor(sku, self.cart[sku]), self.cart[sku] - self.returned[sku]
            before = self.returned_minor[sku]
            self.returned_minor[sku] = max(before, paid - _half_up(Fraction(paid * kept, self.cart[sku])))
            back += self.returned_minor[sku] - before
        self.refunded[key] = back


def _half_up(minor: Fraction) -> int:
    return int(minor + Fraction(1, 2))


BEHAVIOURS: tuple[Behaviour, ...] = (
    *("ok", "ok", "ok", "ok"),
    *("decline", "decline", "needs_shopper", "timeout", "lost_answer", "duplicate"),
)
LUCK = st.builds(
    Luck,
    script=st.lists(st.sampled_from(BEHAVIOURS), max_size=4).map(tuple),
    dies_at=st.sampled_from([None, None, None, 0, 1, 2, 3, 4, 5, 6, 8]),
    overtaken_at=st.sampled_from([None, None, 0, 1, 2]),
    overtaken_by=st.sampled_from(["news", "round", "debts", "end of waiting"]),
    asks_again=st.sampled_from([True, True, False]),
)
KINDS = st.sampled_from([*[VisitKind.SHOPPER] * 5, VisitKind.CASH, VisitKind.CASH, VisitKind.STAFF])
SOME = st.dictionaries(st.sampled_from(sorted(PRICES)), st.integers(1, 5), min_size=1, max_size=2)
PARTS = st.sampled_from(["one", "one", "half", "all"]) | SOME
CARTS = st.dictionaries(st.sampled_from(sorted(PRICES)), st.integers(1, 5), max_size=3)
WAITS = st.sampled_from([0.5, 1, 3, 9, 30])
TURNS = st.integers(0, 1)


def has_visit(machine: BillingMachine) -> bool:
    return bool(machine.agreed)


def has_receipt(machine: BillingMachine) -> bool:
    return any(agreed.cart is not None for agreed in machine.agreed.values())


class BillingMachine(RuleBasedStateMachine):
    """Up to a few visits on one database, and whoever has to do with them."""

    def __init__(self, store: DyingStore) -> None:
        """``store`` is empty."""
        super().__init__()
        self.breaks = store.breaks = Breaks(elsewhere=self._elsewhere)
        self.store = store
        self.sandbox = SandboxGateway(
            script=self.breaks.behaviours(),
            declined_tokens=["card-1"],
            hold_ns=6 * HOUR_NS,
            smallest_minor=SMALLEST_MINOR,
        )
        self.gateway = DyingGateway(self.sandbox, self.breaks)
        self.now_ns = 1_000 * HOUR_NS
        self.agreed: dict[str, Agreed] = {}
        self.settled: dict[str, Charge] = {}
        self.unfinished: list[Callable[[], object]] = []
        self._start()

    def _start(self) -> None:
        self.service = BillingService(price_book(), self.store, self.gateway, POLICY)

    def teardown(self) -> None:
        """Let everybody ask again and all settle; then nothing may be left open."""
        self._settle()

    # At the gate and in the store.

    @initialize(cart=SOME | st.just({"sweet": 4}), kind=KINDS, card=TURNS, luck=LUCK, leaving=LUCK)
    def begin(self, cart: dict[str, int], kind: VisitKind, card: int, luck: Luck, leaving: Luck) -> None:
        """One visit has ended when all else begins."""
        self.open(kind=kind, party=1, card=card, luck=luck)
        self.leave(turn=0, cart=cart, luck=leaving)

    @precondition(lambda self: len(self.agreed) < MOST_VISITS)
    @rule(kind=KINDS, party=st.integers(1, 3), card=TURNS, luck=LUCK)
    def open(self, kind: VisitKind, party: int, card: int, luck: Luck) -> None:
        visit_id = f"v{len(self.agreed)}"
        token = TOKENS.get(kind, f"card-{card}")
        self.agreed[visit_id] = Agreed(kind, token)
        opened = OpenVisit(visit_id, token, self.now_ns, kind, party, shopper_id=f"shopper-{card}")
        self._do(luck, lambda: self.service.open_visit(opened))

    @precondition(has_visit)
    @rule(turn=TURNS, scan=TURNS, luck=LUCK)
    def join(self, turn: int, scan: int, luck: Luck) -> None:
        visit_id = self._visit(turn, has_receipt=False)
        given = JoinVisit(visit_id, f"scan-{scan}", self.agreed[visit_id].token, self.now_ns)
        self._do(luck, lambda: self.service.join_visit(given))

    @precondition(has_visit)
    @rule(turn=TURNS, cart=CARTS, seen=st.none() | st.integers(0, 2), luck=LUCK)
    def draft(self, turn: int, cart: dict[str, int], seen: int | None, luck: Luck) -> None:
        visit_id = self._visit(turn, has_receipt=False)
        self._do(luck, lambda: self.service.put_draft(visit_id, items(cart), self.now_ns, seen))

    @precondition(has_visit)
    @rule(turn=TURNS, cart=CARTS, luck=LUCK)
    def leave(self, turn: int, cart: dict[str, int], luck: Luck) -> None:
        """The same cart again, or another one, which must be refused where the first was charged."""
        visit_id = self._visit(turn, has_receipt=False)
        agreed = self.agreed[visit_id]
        counts = Counter[str]() if agreed.kind is VisitKind.STAFF else Counter(cart)
        is_other = agreed.cart is not None and agreed.carts[0] != counts
        given = ReceiptInput(visit_id, agreed.token, agreed.final_ns or self.now_ns, items(cart))
        agreed.final_ns = given.final_at_ns
        if agreed.cart is None:
            agreed.carts.append(counts)
        try:
            self._do(luck, lambda: self.service.finalise(given), (KeyConflict,) if is_other else ())
        except KeyConflict:
            assert is_other
        else:
            assert not is_other or luck.dies_at is not None
        self._agree()

    # Paying.

    @precondition(has_receipt)
    @rule(turn=TURNS, card=TURNS, luck=LUCK)
    def pay_by_card(self, turn: int, card: int, luck: Luck) -> None:
        visit_id = self._visit(turn, has_receipt=True)
        self._do(luck, lambda: self.service.charge_again(visit_id, f"card-{card}", self.now_ns))

    @precondition(has_receipt)
    @rule(turn=TURNS, key=TURNS, luck=LUCK)
    def pay_cash(self, turn: int, key: int, luck: Luck) -> None:
        visit_id = self._visit(turn, has_receipt=True)
        self._do(luck, lambda: self.service.pay_cash(visit_id, f"{visit_id}-in{key}", "till", self.now_ns))

    @precondition(has_receipt)
    @rule(turn=TURNS, key=TURNS, which=st.integers(0, 3), luck=LUCK)
    def pay_out(self, turn: int, key: int, which: int, luck: Luck) -> None:
        visit_id = self._visit(turn, has_receipt=True)
        refunds = list(self.agreed[visit_id].refunded)
        if refunds:
            refund, out = refunds[which % len(refunds)], f"{refunds[which % len(refunds)]}-out{key}"
            self._do(luck, lambda: self.service.pay_out(refund, out, "till", self.now_ns))

    @rule(turn=st.integers(0, 5))
    def authenticate(self, turn: int) -> None:
        """A shopper answers one of the bank's questions."""
        waiting = [each for each in self.sandbox.listing() if each.state is PaymentState.NEEDS_SHOPPER]
        if waiting:
            self.sandbox.authenticate(waiting[turn % len(waiting)].key)

    # What comes afterwards.

    @precondition(has_receipt)
    @rule(turn=TURNS, more=SOME, key=TURNS, luck=LUCK)
    def correct(self, turn: int, more: dict[str, int], key: int, luck: Luck) -> None:
        visit_id = self._visit(turn, has_receipt=True)
        agreed, name = self.agreed[visit_id], f"{visit_id}-c{key}"
        counts = agreed.corrections.setdefault(name, Counter(more))
        asked = CorrectionRequest(name, visit_id, items(counts), "op", self.now_ns)
        self._do(luck, lambda: self.service.correct(asked))

    @precondition(has_receipt)
    @rule(turn=TURNS, some=PARTS, key=st.integers(0, 5), luck=LUCK)
    def refund(self, turn: int, some: dict[str, int] | str, key: int, luck: Luck) -> None:
        visit_id = self._visit(turn, has_receipt=True)
        agreed, name = self.agreed[visit_id], f"{visit_id}-r{key}"
        is_known, counts = name in agreed.refunded, agreed.refunds.setdefault(name, agreed.part(some))
        has_too_few = not (counts <= agreed.left and agreed.left)
        asked = RefundRequest(name, visit_id, RefundReason.RETURNED, self.now_ns, items(counts))
        try:
            self._do(luck, lambda: self.service.refund(asked), (RefundError,))
        except RefundError:
            assert has_too_few
            assert not is_known

    @precondition(has_receipt)
    @rule(turn=TURNS, some=PARTS, key=st.integers(0, 2), luck=LUCK)
    def contest(self, turn: int, some: dict[str, int] | str, key: int, luck: Luck) -> None:
        visit_id = self._visit(turn, has_receipt=True)
        agreed, name = self.agreed[visit_id], f"{visit_id}-d{key}"
        counts = agreed.disputes.setdefault(name, agreed.part(some))
        agreed.refunds.setdefault(f"dispute:{name}", counts)
        asked = DisputeRequest(
            name, visit_id, DisputeKind.CONTEST, items(counts), "not mine", self.now_ns, agreed.token
        )
        has_too_few = not (counts and counts <= agreed.left)
        try:
            self._do(luck, lambda: self.service.contest(asked), (DisputeError,))
        except DisputeError:
            assert has_too_few
        else:
            assert luck.dies_at is not None or self.service.disputes.get(name)

    @precondition(has_receipt)
    @rule(turn=TURNS, key=TURNS, is_upheld=st.booleans(), luck=LUCK)
    def decide(self, turn: int, key: int, is_upheld: bool, luck: Luck) -> None:
        visit_id = self._visit(turn, has_receipt=True)
        said = DisputeState.UPHELD if is_upheld else DisputeState.REJECTED
        self._do(luck, lambda: self.service.decide(f"{visit_id}-d{key}", said, "op", "seen", self.now_ns))

    # What goes on by itself.

    @rule(hours=WAITS)
    def wait(self, hours: float) -> None:
        self.now_ns += int(hours * HOUR_NS)

    @rule(luck=LUCK)
    def resolve(self, luck: Luck) -> None:
        self._do(luck, lambda: self.service.resolve_unknown(self.now_ns))

    @rule(hours=WAITS, luck=LUCK)
    def collect(self, hours: float, luck: Luck) -> None:
        self.wait(hours=hours)
        self._do(luck, lambda: self.service.collect_debts(self.now_ns))

    @rule(hours=WAITS, luck=LUCK)
    def give_up(self, hours: float, luck: Luck) -> None:
        self.wait(hours=hours)
        self._do(luck, lambda: self.service.give_up_waiting(self.now_ns))

    @rule(turn=st.integers(0, 11), luck=LUCK)
    def hear_news(self, turn: int, luck: Luck) -> None:
        keys = ["of somebody else's", *(each.key for each in self.sandbox.listing())]
        self._do(luck, lambda: self.service.heard_of(keys[turn % len(keys)], self.now_ns))

    @rule(luck=LUCK)
    def ask_again(self, luck: Luck) -> None:
        """Whoever did not hear asks again, later."""
        if self.unfinished:
            step = self.unfinished.pop(0)
            self._do(luck, step, (RefundError, DisputeError, KeyConflict), quiet=True)

    def _visit(self, turn: int, *, has_receipt: bool) -> str:
        """Return the visit whose turn it is, of those that are there, or of those with a receipt."""
        there = [name for name, agreed in self.agreed.items() if agreed.cart is not None or not has_receipt]
        return there[turn % len(there)]

    def _elsewhere(self, key: str, by: str) -> None:
        """Another process does its round while this one waits for the gateway's answer."""
        if by == "news":
            self.service.heard_of(key, self.now_ns)
        elif by == "debts":
            self.service.collect_debts(self.now_ns)
        elif by == "end of waiting":
            self.service.give_up_waiting(self.now_ns)
        else:
            self.service.resolve_unknown(self.now_ns)

    def _do(
        self,
        luck: Luck,
        step: Callable[[], object],
        errors: tuple[type[Exception], ...] = (),
        *,
        quiet: bool = False,
    ) -> None:
        """Take a step. Of what billing may refuse, only ``errors`` are the caller's to judge."""
        self.breaks.begin(luck)
        try:
            step()
        except CrashError:
            self.store.close()
            self._start()
            self.breaks.begin(Luck())
            if luck.asks_again:
                self._do(Luck(), step, errors, quiet=quiet)
            else:
                self.unfinished.append(step)
        except (*REFUSALS, *errors) as refusal:
            if isinstance(refusal, errors) and not quiet:
                raise
        finally:
            self.breaks.begin(Luck())
            self._agree()

    def _agree(self) -> None:
        """Note what was agreed to by what stands: all of it must have been asked for, and cost what it costs."""
        with self.store.reading() as books:
            for visit_id, agreed in self.agreed.items():
                first = books.first_receipt(visit_id)
                if first is not None and agreed.cart is None:
                    agreed.first, agreed.cart = first, units(first)
                    agreed.carts = [cart for cart in agreed.carts if cart == agreed.cart][:1]
                    assert agreed.carts
                for key, counts in agreed.corrections.items():
                    if key not in agreed.corrected and books.correction(key) is not None:
                        assert agreed.cart is not None
                        agreed.corrected.append(key)
                        agreed.cart += counts
                for refund in books.refunds(visit_id):
                    if refund.key not in agreed.refunded:
                        agreed.give_back(refund.key)
                    assert refund.amount.minor == agreed.refunded[refund.key] >= 0

    # What must hold after each step.

    @invariant()
    def receipts_stand(self) -> None:
        with self.store.reading() as books:
            for visit_id, agreed in self.agreed.items():
                assert books.first_receipt(visit_id) == agreed.first
                last = books.receipt(visit_id)
                if last is not None:
                    assert (last.total.minor, units(last)) == (agreed.total_minor, agreed.cart)

    @invariant()
    def settled_charges_stay(self) -> None:
        for visit_id in self.agreed:
            for charge in self.service.charges(visit_id):
                assert self.settled.get(charge.key, charge) == charge
                if charge.state in SETTLED:
                    self.settled[charge.key] = charge

    @invariant()
    def nobody_pays_too_much(self) -> None:
        for visit_id, agreed in self.agreed.items():
            taken, back = self._moved(visit_id)
            counted = sum(move for move in self._cash(visit_id) if move > 0)
            assert taken + counted <= agreed.total_minor
            assert 0 <= back <= taken

    @invariant()
    def the_ledger_is_right(self) -> None:
        with self.store.reading() as books:
            assert sum(books.balances().values()) == 0
            accounts = Counter[tuple[str, str]]()
            for posting in books.postings():
                assert sum(entry.amount.minor for entry in posting.entries) == 0
                for entry in posting.entries:
                    accounts[posting.visit_id, entry.account] += entry.amount.minor
            for visit_id, agreed in self.agreed.items():
                self._is_booked(books, visit_id, agreed, accounts)
            assert events_wrong(books) == 0

    def _is_booked(self, books: Books, visit_id: str, agreed: Agreed, accounts: Counter[tuple[str, str]]) -> None:
        """Hold one visit's accounts against the gateway's list, the till and what was agreed to."""
        payments = books.payments(visit_id)
        open_keys = {each.key for each in payments if each.state in (PaymentState.UNKNOWN, PaymentState.NEEDS_SHOPPER)}
        taken, back = self._moved(visit_id, besides=open_keys)
        till = sum(self._cash(visit_id))
        forgiven = accounts[visit_id, "written_off"]
        receivable = accounts[visit_id, SHOPPER]
        assert accounts[visit_id, "clearing:gateway"] == taken - back
        assert accounts[visit_id, "cash:till"] == till >= 0
        assert forgiven >= 0
        assert receivable == agreed.total_minor - sum(agreed.refunded.values()) - taken + back - till - forgiven
        receipt = books.receipt(visit_id)
        if receipt is not None:
            under_way = sum(
                each.amount.minor
                for each in payments
                if each.action is PaymentAction.REFUND and each.state is PaymentState.UNKNOWN
            )
            assert standing(books, receipt).owed.minor == receivable + under_way

    def _moved(self, visit_id: str, besides: set[str] | None = None) -> tuple[int, int]:
        """Return what the gateway took and gave back for a visit, by its own list."""
        taken = back = 0
        for answer in self.sandbox.listing():
            is_ours = re.search(r"v\d+", answer.key.replace("dispute", "")).group() == visit_id  # type: ignore[union-attr]
            if is_ours and answer.state is PaymentState.DONE and answer.key not in (besides or ()):
                taken += answer.amount.minor if answer.action in (PaymentAction.CAPTURE, PaymentAction.CHARGE) else 0
                back += answer.amount.minor if answer.action is PaymentAction.REFUND else 0
        return taken, back

    def _cash(self, visit_id: str) -> list[int]:
        with self.store.reading() as books:
            return [move.amount.minor for move in books.cash(visit_id)]

    # What must hold in the end.

    def _settle(self) -> None:
        while self.unfinished:
            self.ask_again(luck=Luck())
        for _ in range(2):
            self._do(Luck(), lambda: self.service.resolve_unknown(self.now_ns))
        assert self.service.reconcile() == ()
        released = {each.of for each in self.gateway.asked.values() if self.sandbox.find(each.key)}
        for answer in self.sandbox.listing():
            is_held = answer.action is PaymentAction.HOLD and answer.state is PaymentState.DONE
            visit_id = answer.key.partition(":")[0]
            if is_held and self.service.charges(visit_id):
                charges = self.service.charges(visit_id)
                assert answer.reference in released or charges[-1].state is ChargeState.NEEDS_SHOPPER
        for visit_id, agreed in self.agreed.items():
            if agreed.cart is not None:
                self._is_settled(visit_id, agreed)

    def _is_settled(self, visit_id: str, agreed: Agreed) -> None:
        """Hold that a visit paid what is due, or that it is known why not."""
        charges, refunds = self.service.charges(visit_id), self.service.refunds(visit_id)
        taken, back = self._moved(visit_id)
        due = agreed.total_minor - sum(agreed.refunded.values())
        owed = self.service.owed(visit_id).minor
        is_owed = any(refund.state is RefundState.OWED for refund in refunds)
        assert all(charge.state is not ChargeState.UNKNOWN for charge in charges)
        assert all(refund.state is not RefundState.UNKNOWN for refund in refunds)
        assert is_owed or taken - back + sum(self._cash(visit_id)) <= due
        assert is_owed or owed >= 0
        if owed > 0:
            assert charges[-1].state in (ChargeState.DECLINED, ChargeState.NEEDS_SHOPPER)


def items(counts: dict[str, int]) -> tuple[ItemCount, ...]:
    return tuple(ItemCount(sku, count) for sku, count in counts.items())


def units(receipt: Receipt) -> Counter[str]:
    return Counter({line.sku: line.quantity for line in receipt.lines})


def run(template: Path, examples: int, steps: int, *, until_found: bool = False) -> None:
    """Let Hypothesis draw so many runs, the same ones each time; a failing one is made short, or raised as it is."""
    phases = (Phase.generate,) if until_found else (Phase.generate, Phase.shrink)
    drawn = settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=True,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=phases,
    )
    with TemporaryDirectory(prefix="tillfree-machine-") as place:
        store = DyingStore(Path(shutil.copyfile(template, Path(place) / "billing.sqlite")), Breaks())

        def machine() -> BillingMachine:
            store.close()
            shutil.copyfile(template, Path(place) / "billing.sqlite")
            return BillingMachine(store)

        run_state_machine_as_test(machine, settings=drawn)  # type: ignore[no-untyped-call]
        store.close()


QUICK = {"examples": 35, "steps": 20}


def test_whatever_happens_the_books_are_right(migrated_sqlite: Path) -> None:
    run(migrated_sqlite, **QUICK)


@pytest.mark.slow
def test_whatever_happens_for_longer_the_books_are_right(migrated_sqlite: Path) -> None:
    run(migrated_sqlite, examples=1_500, steps=40)


def books_answers_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    settle = Books.settle_payment

    def careless(self: Books, payment: Payment) -> bool:
        settle(self, payment)
        return True

    monkeypatch.setattr(Books, "settle_payment", careless)


def forgets_refunds(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(books: Books, receipt: Receipt, payments: tuple[Payment, ...] | None = None) -> Standing:
        return replace(standing(books, receipt, payments), kept=receipt.total)

    for module in (debts, refunding):
        monkeypatch.setattr(module, "standing", careless)


def forgives_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(self: Books, visit_id: str, account: str) -> int:
        waived = [each for each in self.charges(visit_id) if each.state is ChargeState.WAIVED]
        return sum(each.amount.minor - each.paid.minor for each in waived)

    monkeypatch.setattr(Books, "balance", careless)


def asks_with_new_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    send, names = DyingGateway.send, numbers()

    def careless(self: DyingGateway, request: GatewayRequest) -> GatewayAnswer:
        fresh = replace(request, key=f"{request.key}~{next(names)}")
        return replace(send(self, fresh), key=request.key)

    monkeypatch.setattr(DyingGateway, "send", careless)


@pytest.mark.parametrize("sabotage", [books_answers_twice, forgets_refunds, forgives_once_more, asks_with_new_keys])
def test_what_is_broken_is_found(
    migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch, sabotage: Callable[[pytest.MonkeyPatch], None]
) -> None:
    sabotage(monkeypatch)
    with pytest.raises((AssertionError, IntegrityError)):
        run(migrated_sqlite, **QUICK, until_found=True)
