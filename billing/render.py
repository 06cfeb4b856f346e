"""Receipts to look at: plain text for a terminal, an HTML fragment for a report."""

from __future__ import annotations

from html import escape

from billing.money import Money, format_money
from billing.types import Charge, ChargeState, Receipt, TaxLine

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
        if line.quantity != 1:
            rows.append(f"  {line.quantity} × {format_money(line.unit_price)}")
    rows += ["(nothing taken)".center(_WIDTH).rstrip()] if not receipt.lines else []
    rows += [rule, _row("Total", format_money(receipt.total))]
    rows += [_row(f"  {_tax_name(tax)}", format_money(tax.tax)) for tax in receipt.taxes]
    rows += [rule, _row(_state(charge), charge.gateway_reference or "")] if charge is not None else [rule]
    rows.append(f"{receipt.digest[:16]}".center(_WIDTH).rstrip())
    return "\n".join(rows) + "\n"


def render_html(receipt: Receipt, charge: Charge | None = None, title: str = "Receipt") -> str:
    """Return a receipt as one ``<section class="receipt">`` with its own small style; all text is escaped."""
    lines = "".join(
        f"<tr><td>{escape(line.name)}{_times(line.quantity, line.unit_price)}</td>"
        f"<td>{escape(format_money(line.amount))}</td></tr>"
        for line in receipt.lines
    )
    taxes = "".join(
        f"<tr class='tax'><td>{escape(_tax_name(tax))}</td><td>{escape(format_money(tax.tax))}</td></tr>"
        for tax in receipt.taxes
    )
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
    ".receipt td.empty{text-align:center;color:#766f60}.receipt .state{margin:.9em 0 .4em;text-align:center;"
    "border-radius:4px;padding:.25em;background:#eee}.receipt .captured{background:#dff3e0;color:#1d5b25}"
    ".receipt .declined{background:#fbe1dd;color:#8a2215}.receipt .unknown,.receipt .needs_shopper{background:#fdf1d0;color:#6f5200}"
    ".receipt .digest{margin-bottom:0}</style>"
)


def _row(left: str, right: str) -> str:
    room = _WIDTH - len(right) - 1
    shown = left if len(left) <= room else left[: room - 1] + "…"
    return f"{shown:<{room}} {right}".rstrip()


def _times(quantity: int, unit_price: Money) -> str:
    return "" if quantity == 1 else f"<small>{quantity} × {escape(format_money(unit_price))}</small>"


def _tax_name(tax: TaxLine) -> str:
    word = "incl." if tax.inclusive else "plus"
    rate = f"{tax.rate_percent.normalize():f}"
    return f"{word} {rate} % tax on {format_money(tax.net)}"


def _state(charge: Charge | None) -> str:
    return "not charged" if charge is None else _STATES[charge.state]
