"""Receipts to look at: plain text for a terminal, an HTML fragment for a report."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from billing.money import Money, format_money
from billing.types import AppliedPromotion, Charge, ChargeState, Receipt, ReceiptLine, TaxLine

_WIDTH = 44
"""Characters of a text receipt: what an 80 mm receipt printer has."""

_STATES = {
    ChargeState.UNKNOWN: "payment pending",
    ChargeState.CAPTURED: "paid",
    ChargeState.DECLINED: "payment declined",
    ChargeState.NEEDS_SHOPPER: "payment waits for your confirmation",
    ChargeState.VOID: "nothing to pay",
    ChargeState.WAIVED: "too little to charge: nothing to pay",
}


def render_text(receipt: Receipt, charge: Charge | None = None, title: str = "Receipt") -> str:
    """Return a receipt as lines of text, ending in a newline."""
    rule = "─" * _WIDTH
    rows = [title.center(_WIDTH).rstrip(), receipt.visit_id.center(_WIDTH).rstrip(), rule]
    for line in receipt.lines:
        rows.append(_row(line.name, format_money(line.amount)))
        rows += [f"  {note}" for note in _notes(line)]
    rows += ["(nothing taken)".center(_WIDTH).rstrip()] if not receipt.lines else []
    rows += [_row(_promotion_name(each), format_money(-each.discount)) for each in receipt.promotions]
    rows += [rule, _row("Total", format_money(receipt.total))]
    rows += [_row(f"  {_tax_name(tax)}", format_money(tax.tax)) for tax in receipt.taxes]
    rows += [_row(name, format_money(amount)) for name, amount in _savings(receipt)]
    rows += [rule, _row(_state(charge), charge.gateway_reference or "")] if charge is not None else [rule]
    rows.append(f"{receipt.digest[:16]}".center(_WIDTH).rstrip())
    return "\n".join(rows) + "\n"


def render_html(receipt: Receipt, charge: Charge | None = None, title: str = "Receipt") -> str:
    """Return a receipt as one ``<section class="receipt">`` with its own small style; all text is escaped."""
    lines = "".join(
        f"<tr class='{line.kind.value}'><td>{escape(line.name)}{_small(line)}</td>"
        f"<td>{escape(format_money(line.amount))}</td></tr>"
        for line in receipt.lines
    )
    lines += "".join(_html_row("promotion", _promotion_name(each), -each.discount) for each in receipt.promotions)
    taxes = "".join(_html_row("tax", _tax_name(tax), tax.tax) for tax in receipt.taxes)
    taxes += "".join(_html_row("saved", name, amount) for name, amount in _savings(receipt))
    state = "none" if charge is None else charge.state.value
    reference = "" if charge is None or not charge.gateway_reference else f" · {escape(charge.gateway_reference)}"
    return (
        f"<section class='receipt'>{_STYLE}<h3>{escape(title)}</h3><p class='visit'>{escape(receipt.visit_id)}</p>"
        f"<table><tbody>{lines or _EMPTY}</tbody><tfoot><tr class='total'><td>Total</td>"
        f"<td>{escape(format_money(receipt.total))}</td></tr>{taxes}</tfoot></table>"
        f"<p class='state {state}'>{escape(_state(charge))}{reference}</p>"
        f"<p class='digest' title='{escape(receipt.digest)}'>{escape(receipt.digest[:16])}</p></section>"
    )


_EMPTY = "<tr><td colspan='2' class='empty'>nothing taken</td></tr>"

_STYLE = (
    "<style>.receipt{font:14px/1.45 ui-monospace,Menlo,Consolas,monospace;width:20em;padding:1.2em 1.4em;"
    "background:#fffef9;color:#222;border:1px solid #ddd6c4;border-radius:6px;box-shadow:0 2px 8px #0001}"
    ".receipt h3{margin:0;text-align:center;font-size:1.15em}.receipt .visit,.receipt .digest{margin:.1em 0 .8em;"
    "text-align:center;color:#766f60;font-size:.85em}.receipt table{width:100%;border-collapse:collapse}"
    ".receipt td{padding:.15em 0;vertical-align:top}.receipt td:last-child{text-align:right;white-space:nowrap;"
    "padding-left:1em}.receipt tfoot tr.total td{border-top:1px dashed #a89f8a;padding-top:.5em;font-weight:700}"
    ".receipt small{display:block;color:#766f60}.receipt tr.tax td{color:#766f60;font-size:.85em}"
    ".receipt tr.promotion td{color:#1d5b25}.receipt tr.saved td{color:#1d5b25;font-size:.85em}"
    ".receipt tr.deposit td{color:#766f60}"
    ".receipt td.empty{text-align:center;color:#766f60}.receipt .state{margin:.9em 0 .4em;text-align:center;"
    "border-radius:4px;padding:.25em;background:#eee}.receipt .captured{background:#dff3e0;color:#1d5b25}"
    ".receipt .declined{background:#fbe1dd;color:#8a2215}.receipt .unknown,.receipt .needs_shopper{background:#fdf1d0;color:#6f5200}"
    ".receipt .digest{margin-bottom:0}</style>"
)


def _row(left: str, right: str) -> str:
    room = _WIDTH - len(right) - 1
    shown = left if len(left) <= room else left[: room - 1] + "…"
    return f"{shown:<{room}} {right}".rstrip()


def _html_row(kind: str, name: str, amount: Money) -> str:
    return f"<tr class='{kind}'><td>{escape(name)}</td><td>{escape(format_money(amount))}</td></tr>"


def _notes(line: ReceiptLine) -> Iterator[str]:
    """Yield what stands in small below a line."""
    if line.quantity != 1:
        yield f"{line.quantity} × {format_money(line.unit_price)}"
    if line.age_restricted:
        yield "age-restricted"


def _small(line: ReceiptLine) -> str:
    return "".join(f"<small>{escape(note)}</small>" for note in _notes(line))


def _promotion_name(applied: AppliedPromotion) -> str:
    return f"{applied.name} (members)" if applied.members_only else applied.name


def _savings(receipt: Receipt) -> Iterator[tuple[str, Money]]:
    """Yield what promotions took off altogether, and how much of it the shopper got as a member."""
    zero = Money.zero(receipt.currency)
    saved = sum((each.discount for each in receipt.promotions), zero)
    as_member = sum((each.discount for each in receipt.promotions if each.members_only), zero)
    if saved.minor:
        yield "You saved", saved
    if as_member.minor:
        yield "  as a member", as_member


def _tax_name(tax: TaxLine) -> str:
    word = "incl." if tax.inclusive else "plus"
    rate = f"{tax.rate_percent.normalize():f}"
    return f"{word} {rate} % tax on {format_money(tax.net)}"


def _state(charge: Charge | None) -> str:
    return "not charged" if charge is None else _STATES[charge.state]
