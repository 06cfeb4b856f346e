from __future__ import annotations

import io
import re
from decimal import Decimal

import pytest
from pypdf import PdfReader

from billing.money import Money
from billing.pdf import render_pdf
from billing.pricebook import Deposit, Price, PriceBook
from billing.promotions import MemberPrice, NForM
from billing.receipt import make_receipt
from billing.types import Charge, ChargeState, ItemCount, Receipt, ReceiptInput

AT_NS = 1_772_442_000_000_000_000


def long_receipt(count: int = 3) -> Receipt:
    """Return a receipt with a deposit, two promotions, a name that does not fit on a line, and ``count`` more lines."""
    cola = Price("cola", "Cola", Money(149, "EUR"), "standard", Decimal(19), True, deposit=Deposit(Money(25, "EUR")))
    name = "Crémant d’Alsace brut, vieilles vignes, Grande Réserve du Château de la Très Longue Étiquette, 0.75 l"
    wine = Price("wine", name, Money(1_599, "EUR"), "standard", Decimal(19), True, age_restricted=True)
    rest = [Price(f"p{k:02}", f"Product {k}", Money(100 + k, "EUR"), "reduced", Decimal(7), True) for k in range(count)]
    offers = [
        NForM(promotion_id="crate", name="3 for 2", skus=("cola",), take=3, pay=2),
        MemberPrice(promotion_id="club", name="Club price", skus=("wine",), price=Money(1_499, "EUR")),
    ]
    items = (ItemCount("cola", 3), ItemCount("wine", 1), *(ItemCount(price.sku, 1) for price in rest))
    given = ReceiptInput("visit-1", "card-1", AT_NS, items, is_member=True)
    return make_receipt(given, PriceBook.of("EUR", [cola, wine, *rest], offers))


def charge_of(receipt: Receipt, state: ChargeState = ChargeState.CAPTURED) -> Charge:
    paid = receipt.total if state is ChargeState.CAPTURED else Money.zero("EUR")
    return Charge(
        "visit-1:1", "visit-1", 1, receipt.digest, "card-1", receipt.total, paid, state, AT_NS, AT_NS, "sandbox-000001"
    )


def words_of(pdf: bytes) -> str:
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages))


def test_all_of_a_receipt_can_be_read_back() -> None:
    receipt = long_receipt()
    words = words_of(render_pdf(receipt, charge_of(receipt), "Corner shop"))
    for line in receipt.lines:
        assert line.name in words
        assert f"€{line.amount.minor / 100:.2f}" in words
    for text in ("Corner shop", "visit-1", "March 2, 2026", "3 × €1.49", "age-restricted", "Club price (members)",
                 "-€1.49", "incl. 19 % tax", "incl. 7 % tax", "You saved", "paid", "sandbox-000001"):  # fmt: skip
        assert text in words
    assert f"Total €{receipt.total.minor / 100:.2f}" in words
    assert receipt.digest in words.replace(" ", "")


def test_in_french() -> None:
    receipt = long_receipt()
    words = words_of(render_pdf(receipt, charge_of(receipt, ChargeState.DECLINED), locale="fr"))
    for text in (
        "Ticket de caisse",
        "2 mars 2026",
        "Consigne Cola",
        "paiement refusé",
        "Vous avez économisé",
        "4,47 €",
    ):
        assert text in words
    assert "Deposit" not in words


def test_the_same_receipt_is_the_same_file() -> None:
    receipt = long_receipt()
    assert render_pdf(receipt, charge_of(receipt)) == render_pdf(receipt, charge_of(receipt))
    assert render_pdf(receipt) != render_pdf(receipt, charge_of(receipt))


@pytest.mark.parametrize(("count", "pages"), [(0, 1), (20, 1), (30, 2), (120, 3)])
def test_pages_are_as_tall_as_they_need_and_can_be_printed(count: int, pages: int) -> None:
    receipt = long_receipt(count)
    reader = PdfReader(io.BytesIO(render_pdf(receipt, charge_of(receipt))))
    assert len(reader.pages) == pages
    for number, page in enumerate(reader.pages, 1):
        assert float(page.mediabox.width) == pytest.approx(80 * 72 / 25.4, abs=0.1)
        assert float(page.mediabox.height) <= 260 * 72 / 25.4 + 0.1
        assert (f"Page {number} of {pages}" in words_of_page(page.extract_text())) == (pages > 1)


def words_of_page(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_an_empty_receipt() -> None:
    receipt = make_receipt(ReceiptInput("visit-2", "card-1", AT_NS, ()), PriceBook.of("EUR", []))
    words = words_of(render_pdf(receipt, charge_of(receipt, ChargeState.VOID)))
    assert "nothing taken" in words
    assert "nothing to pay" in words
