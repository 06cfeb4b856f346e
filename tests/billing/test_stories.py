"""Whatever happens to a visit, in whatever order and however the gateway behaves, its books are right after each step."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from billing.charging import OPEN
from billing.errors import BillingError
from billing.gateway import Behaviour
from billing.pricebook import PriceBook
from billing.store import BillingStore
from billing.types import CASH, ChargeState, DisputeKind, DisputeRequest, DisputeState, RefundState
from tests.billing.till import DAY_NS, HOUR_NS, Till, counted, make_till

BEHAVIOURS: tuple[Behaviour, ...] = get_args(Behaviour)
CARTS = st.dictionaries(st.sampled_from(["cola", "bread", "sweet", "paper", "water", "juice"]), st.integers(1, 4))
STEPS = st.sampled_from(
    [
        "join",
        "correct",
        "refund",
        "refund",
        "same refund",
        "charge again",
        "other card",
        "put on the till",
        "pay cash",
        "pay out",
        "contest",
        "uphold",
        "reject",
        "collect",
        "much later",
        "give up",
        "authenticate",
        "resolve",
        "resolve",
        "leave again",
    ]
)
STORIES = st.lists(st.tuples(STEPS, CARTS, st.integers(1, 3)), max_size=14)


class Story:
    """One visit, told step by step; what billing refuses to do leaves everything as it was."""

    def __init__(self, shop: Till, cart: dict[str, int], troubles: Iterator[Behaviour]) -> None:
        self.shop, self.cart, self.troubles, self.at_ns = shop, cart, troubles, 0

    def tell(self, steps: list[tuple[str, dict[str, int], int]]) -> None:
        self.shop.open(at_ns=0)
        self.shop.join("scan-0", at_ns=1)
        self.shop.leave(at_ns=2, **self.cart)
        self.shop.check()
        for step, items, number in steps:
            self.at_ns += HOUR_NS
            try:
                self.do(step, items, number)
            except BillingError as refusal:
                event(f"{step}: {type(refusal).__name__}")
            else:
                event(step)
            self.shop.check()

    def do(self, step: str, items: dict[str, int], number: int) -> None:  # noqa: C901 - a list of steps
        shop, service, at_ns = self.shop, self.shop.service, self.at_ns
        match step:
            case "join":
                shop.join(f"scan-{number}", at_ns=at_ns)
            case "leave again":
                shop.leave(at_ns=2, **self.cart)
            case "correct":
                shop.correct(f"c-{at_ns}", at_ns=at_ns, **items)
            case "refund":
                some = {sku: 1 for sku in items if sku in self.cart} if number > 1 else {}
                shop.refund(f"r-{at_ns}", at_ns=at_ns, **some)
            case "same refund":
                self.refund_again()
            case "charge again" | "other card" | "put on the till":
                tokens = {"charge again": shop.token, "other card": f"card-{number + 1}", "put on the till": CASH}
                service.charge_again("visit-1", tokens[step], at_ns)
            case "pay cash":
                service.pay_cash("visit-1", f"in-{at_ns}", "ada", at_ns)
            case "pay out":
                for refund in service.refunds("visit-1")[:1]:
                    service.pay_out(refund.key, f"out-{at_ns}", "ada", at_ns)
            case "contest":
                contested = counted(dict(list(items.items())[:1]))
                service.contest(
                    DisputeRequest(f"d-{number}", "visit-1", DisputeKind.CONTEST, contested, "", at_ns, "ann")
                )
            case "uphold" | "reject":
                state = DisputeState.UPHELD if step == "uphold" else DisputeState.REJECTED
                service.decide(f"d-{number}", state, "ada", "", at_ns)
            case "collect":
                service.collect_debts(at_ns)
            case "much later":
                self.at_ns += 200 * DAY_NS
                service.collect_debts(self.at_ns)
            case "give up":
                self.at_ns += 72 * HOUR_NS
                service.give_up_waiting(self.at_ns)
            case "authenticate":
                self.authenticate()
            case _:
                service.resolve_unknown(at_ns)

    def authenticate(self) -> None:
        for payment in self.shop.service.payments("visit-1"):
            if self.shop.gateway.find(payment.key) is not None and payment.of is None:
                self.shop.gateway.authenticate(payment.key)

    def refund_again(self) -> None:
        for refund in self.shop.service.refunds("visit-1"):
            self.shop.refund(refund.key, **{item.sku: item.quantity for item in refund.items})

    def end(self) -> None:
        """Let the gateway be well again, and all of it settle."""
        deque(self.troubles, maxlen=0)
        self.authenticate()
        for _ in range(2):
            self.at_ns += 100 * HOUR_NS
            self.shop.service.resolve_unknown(self.at_ns)
            self.shop.service.give_up_waiting(self.at_ns)
        with suppress(BillingError):
            self.shop.service.pay_cash("visit-1", "in-last", "ada", self.at_ns)
        for refund in self.shop.service.refunds("visit-1"):
            with suppress(BillingError):  # it may have been asked for without its items, and is then another
                self.shop.service.pay_out(refund.key, f"out-{refund.key}", "ada", self.at_ns)


def stores(template: Path) -> Iterator[BillingStore]:
    with TemporaryDirectory(prefix="tillfree-story-") as place:
        file = shutil.copyfile(template, Path(place) / "billing.sqlite")
        with closing(BillingStore(file)) as store:
            yield store


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    script=st.lists(st.sampled_from((*BEHAVIOURS, "ok", "ok", "ok")), max_size=14),
    token=st.sampled_from(["card-1", "card-1", CASH]),
    hold_minor=st.sampled_from([0, 150, 700]),
    hold_ns=st.sampled_from([1, 30 * DAY_NS]),
    smallest_minor=st.sampled_from([1, 50]),
    trust_up_to_minor=st.sampled_from([0, 300]),
    cart=CARTS,
    steps=STORIES,
)
def test_the_books_are_right_after_each_step(
    book: PriceBook,
    migrated_sqlite: Path,
    script: list[Behaviour],
    token: str,
    hold_minor: int,
    hold_ns: int,
    smallest_minor: int,
    trust_up_to_minor: int,
    cart: dict[str, int],
    steps: list[tuple[str, dict[str, int], int]],
) -> None:
    behaviours = iter(script)
    for store in stores(migrated_sqlite):
        shop = make_till(
            book,
            store,
            behaviours,
            token,
            smallest_minor,
            hold_ns,
            hold_minor=hold_minor,
            trust_up_to_minor=trust_up_to_minor,
        )
        story = Story(shop, cart, behaviours)
        story.tell(steps)
        story.end()
        shop.check()
        last = shop.service.charges("visit-1")[-1]
        assert last.state not in OPEN or shop.owed() > 0
        assert shop.owed() <= 0 or last.state is ChargeState.DECLINED or last.token == CASH
        if shop.owed() < 0:
            assert RefundState.OWED in {refund.state for refund in shop.service.refunds("visit-1")}
