"""Receipts to look at: plain text for a terminal, an HTML fragment for a report."""

from __future__ import annotations

import datetime as dt
from html import escape
from textwrap import wrap

from billing.receipt_view import ReceiptView, Row, view_of
from billing.types import Charge, Receipt

_WIDTH = 44
"""Characters of a text receipt: what an 80 mm receipt printer has."""


def render_text(
    receipt: Receipt,
    charge: Charge | None = None,
    title: str | None = None,
    locale: str = "en",
    zone: dt.tzinfo = dt.UTC,
) -> str:
    """Return a receipt as lines of text, ending in a newline. Raises TextError for a locale without texts."""
    view = view_of(receipt, charge, title, locale, zone)
    rule = "─" * _WIDTH
    rows = [_centred(view.title), _centred(view.visit_id), _centred(view.issued), rule]
    for row in view.items:
        rows.append(_row(row.name, row.amount))
        rows += [f"  {note}" for note in row.notes]
    rows += [] if view.items else [_centred(f"({view.empty})")]
    rows += [rule, _row(view.total.name, view.total.amount)]
    for row in view.taxes:
        rows += _whole(f"  {row.name}", row.amount)
    rows += [_row(_indented(row), row.amount) for row in view.savings]
    rows += [rule] if view.state is None else [rule, *_whole(view.charged, view.reference or "")]
    rows.append(_centred(view.digest[:16]))
    return "\n".join(rows) + "\n"


def render_html(
    receipt: Receipt,
    charge: Charge | None = None,
    title: str | None = None,
    locale: str = "en",
    zone: dt.tzinfo = dt.UTC,
) -> str:
    """Return a receipt as one ``<section class="receipt">`` with its own small style; all text is escaped.

    Raises TextError for a locale without texts.
    """
    view = view_of(receipt, charge, title, locale, zone)
    lines = "".join(_html_row(row) for row in view.items) or _empty(view)
    below = "".join(_html_row(row) for row in (view.total, *view.taxes, *view.savings))
    state = "none" if view.state is None else view.state.value
    reference = f" · {escape(view.reference)}" if view.reference else ""
    issued = f"<time datetime='{view.issued_at.isoformat()}'>{escape(view.issued)}</time>"
    return (
        f"<section class='receipt' lang='{view.locale}'>{_STYLE}<h3>{escape(view.title)}</h3>"
        f"<p class='visit'>{escape(view.visit_id)}<br>{issued}</p>"
        f"<table><tbody>{lines}</tbody><tfoot>{below}</tfoot></table>"
        f"<p class='state {state}'>{escape(view.charged)}{reference}</p>"
        f"<p class='digest' title='{escape(view.digest)}'>{escape(view.digest[:16])}</p></section>"
    )


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


def _centred(text: str) -> str:
    return text.center(_WIDTH).rstrip()


def _row(left: str, right: str) -> str:
    room = _WIDTH - len(right) - 1
    shown = left if len(left) <= room else left[: room - 1] + "…"
    return f"{shown:<{room}} {right}".rstrip()


def _whole(left: str, right: str) -> list[str]:
    """Return one row, or several where one would cut ``left`` short."""
    if len(left) + 1 + len(right) <= _WIDTH:
        return [_row(left, right)]
    return [*wrap(left, _WIDTH), *([right.rjust(_WIDTH)] if right else [])]


def _indented(row: Row) -> str:
    return f"  {row.name}" if row.part else row.name


def _html_row(row: Row) -> str:
    notes = "".join(f"<small>{escape(note)}</small>" for note in row.notes)
    name = f"{escape(_indented(row))}{notes}"
    return f"<tr class='{row.kind}'><td>{name}</td><td>{escape(row.amount)}</td></tr>"


def _empty(view: ReceiptView) -> str:
    return f"<tr><td colspan='2' class='empty'>{escape(view.empty)}</td></tr>"
