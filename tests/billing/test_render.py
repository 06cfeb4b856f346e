from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from billing.money import Money
from billing.pricebook import Deposit, Price, PriceBook
from billing.promotions import MemberPrice, NForM
from billing.receipt import make_receipt
from billing.render import render_html, render_text
from billing.types import CASH, Charge, ChargeState, ItemCount, Receipt, ReceiptInput


def evening_receipt() -> Receipt:
    cola = Price("cola", "Cola", Money(149, "EUR"), "standard", Decimal(19), True, deposit=Deposit(Money(25, "EUR")))
    wine = Price("wine", "Wine <red>", Money(599, "EUR"), "standard", Decimal(19), True, age_restricted=True)
    offers = [
        NForM(promotion_id="crate", name="3 for 2 & more", skus=("cola",), take=3, pay=2),
        MemberPrice(promotion_id="club", name="Club price", skus=("wine",), price=Money(499, "EUR")),
    ]
    items = (ItemCount("cola", 3), ItemCount("wine", 1))
    return make_receipt(
        ReceiptInput("visit-1", "t", 0, items, is_member=True), PriceBook.of("EUR", [cola, wine], offers)
    )


def test_text_shows_deposits_discounts_and_savings() -> None:
    rows = render_text(evening_receipt()).splitlines()
    assert rows[2].strip() == "January 1, 1970, 12:00:00\u202fAM UTC"
    assert rows[4:-3] == [
        "Cola                                   €4.47",
        "  3 × €1.49",
        "Deposit Cola                           €0.75",
        "  3 × €0.25",
        "Wine <red>                             €5.99",
        "  age-restricted",
        "Club price (members)                  -€1.00",
        "3 for 2 & more                        -€1.49",
        "─" * 44,
        "Total                                  €8.72",
        "  incl. 19 % tax on €6.70              €1.27",
        "You saved                              €2.49",
    ]
    assert rows[-3] == "  as a member                          €1.00"
    assert max(map(len, rows)) <= 44


def test_html_shows_deposits_discounts_and_savings() -> None:
    page = render_html(evening_receipt())
    for row in (
        "<tr class='product'><td>Cola<small>3 × €1.49</small></td><td>€4.47</td></tr>",
        "<tr class='deposit'><td>Deposit Cola<small>3 × €0.25</small></td><td>€0.75</td></tr>",
        "<tr class='product'><td>Wine &lt;red&gt;<small>age-restricted</small></td><td>€5.99</td></tr>",
        "<tr class='promotion'><td>3 for 2 &amp; more</td><td>-€1.49</td></tr>",
        "<tr class='promotion'><td>Club price (members)</td><td>-€1.00</td></tr>",
        "<tr class='saved'><td>You saved</td><td>€2.49</td></tr>",
        "<tr class='saved'><td>  as a member</td><td>€1.00</td></tr>",
    ):
        assert row in page


def test_nothing_is_said_of_savings_where_there_are_none() -> None:
    price = Price("cola", "Cola", Money(149, "EUR"), "standard", Decimal(19), True)
    receipt = make_receipt(ReceiptInput("visit-1", "t", 0, (ItemCount("cola", 1),)), PriceBook.of("EUR", [price]))
    assert "saved" not in render_text(receipt)
    assert "You saved" not in render_html(receipt)


def test_a_receipt_says_whom_a_payment_waits_for() -> None:
    receipt = evening_receipt()
    card = Charge(
        key="visit-1:1",
        visit_id="visit-1",
        number=1,
        receipt_digest=receipt.digest,
        token="card",
        amount=receipt.total,
        paid=Money.zero("EUR"),
        state=ChargeState.NEEDS_SHOPPER,
        created_at_ns=0,
    )
    assert "payment waits for your confirmation" in render_html(receipt, card)
    assert "to be paid at the till" in render_text(receipt, replace(card, token=CASH))
    assert "à payer à la caisse" in render_html(receipt, replace(card, token=CASH), locale="fr")
    assert "not charged" in render_html(receipt)
