"""The books as tables for accounting: receipts by line, and the ledger as a journal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from billing.ledger import Posting
from billing.money import Money, decimals
from billing.types import Receipt


def receipts_csv(receipts: Iterable[Receipt]) -> str:
    """Return a row for each line of each receipt; amounts in units of the currency, times in UTC."""
    head = (
        "visit",
        "issued_at",
        "sku",
        "name",
        "quantity",
        "unit_price",
        "amount",
        "discount",
        "currency",
        "tax_class",
        "kind",
        "digest",
    )
    rows = (
        (
            receipt.visit_id,
            _iso(receipt.issued_at_ns),
            line.sku,
            line.name,
            line.quantity,
            _plain(line.unit_price),
            _plain(line.amount),
            _plain(line.discount),
            receipt.currency,
            line.tax_class or "",
            line.kind.value,
            receipt.digest,
        )
        for receipt in receipts
        for line in receipt.lines
    )
    return _table(head, rows)


def journal_csv(postings: Iterable[Posting]) -> str:
    """Return a row for each entry, as bookkeeping programs take them: a debit or a credit, never both."""
    head = ("posting", "at", "visit", "account", "debit", "credit", "currency")
    rows = (
        (
            posting.posting_id,
            _iso(posting.at_ns),
            posting.visit_id,
            entry.account,
            _plain(entry.amount) if entry.amount.minor >= 0 else "",
            _plain(-entry.amount) if entry.amount.minor < 0 else "",
            entry.amount.currency,
        )
        for posting in postings
        for entry in posting.entries
    )
    return _table(head, rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return RFC 4180's CSV. A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([_harmless(each) for each in row] for row in rows)
    return out.getvalue()


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "@", "\t", "\r") else value


def _plain(amount: Money) -> str:
    """Return an amount for programs: a point, no thousands, no currency."""
    return str(Decimal(amount.minor).scaleb(-decimals(amount.currency)))


def _iso(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // 10**9, UTC).isoformat()
