from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from billing.gateway import SandboxGateway
from billing.money import Money
from billing.pricebook import Price, PriceBook
from billing.service import BillingService
from billing.store import BillingStore
from billing.types import ItemCount, OpenVisit, ReceiptInput, RefundReason, RefundRequest
from store_layout.errors import InputError
from tillfree.commands.billing import billing_app
from tillfree.errors import NotAsExpected
from tillfree.replay import BILLING_FILE, SANDBOX_FILE


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a folder with the books of one visit: two colas bought, one given back."""
    price = Price("cola", "=Cola", Money(149, "EUR"), "standard", Decimal("19"), True)
    store = BillingStore(tmp_path / BILLING_FILE)
    gateway = SandboxGateway(journal=tmp_path / SANDBOX_FILE)
    service = BillingService(PriceBook.of("EUR", [price]), store, gateway)
    service.open_visit(OpenVisit("visit-1", "card-1", 1_699_999_000 * 10**9))
    service.finalise(ReceiptInput("visit-1", "card-1", 1_700_000_000 * 10**9, (ItemCount("cola", 2),)))
    asked = RefundRequest("r-1", "visit-1", RefundReason.RETURNED, 1_700_000_100 * 10**9, (ItemCount("cola", 1),))
    service.refund(asked)
    store.close()
    return tmp_path


def told(*arguments: str) -> str:
    result = CliRunner().invoke(billing_app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_books_that_agree(run: Path) -> None:
    assert "agree with the gateway's list: 3 requests" in told("reconcile", str(run))


def test_a_request_that_only_the_gateway_has(run: Path) -> None:
    line = json.loads((run / SANDBOX_FILE).read_text(encoding="utf-8").splitlines()[0])
    for part in line.values():
        part["key"] = "stranger"
    with (run / SANDBOX_FILE).open("a", encoding="utf-8") as journal:
        journal.write(json.dumps(line) + "\n")
    with pytest.raises(NotAsExpected, match="1 of 3"):
        told("reconcile", str(run))


def test_export_adds_up(run: Path, tmp_path: Path) -> None:
    told("export", str(run), "-o", str(tmp_path / "csv"))
    with (tmp_path / "csv" / "journal.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["currency"] for row in rows} == {"EUR"}
    debits, credits_ = (sum(Decimal(row[side]) for row in rows if row[side]) for side in ("debit", "credit"))
    assert debits == credits_ == Decimal("8.94")
    with (tmp_path / "csv" / "receipts.csv").open(encoding="utf-8", newline="") as file:
        (line,) = csv.DictReader(file)
    assert (line["name"], line["quantity"], line["amount"]) == ("'=Cola", "2", "2.98")
    assert line["issued_at"] == "2023-11-14T22:13:20+00:00"


def test_migrate_says_what_it_did(run: Path) -> None:
    assert told("migrate", str(run / BILLING_FILE)) == "is up to date already\n"
    empty = run / "empty.sqlite"
    engine = create_engine(f"sqlite:///{empty}")
    with engine.connect() as connection:
        connection.execute(text("VACUUM"))
    engine.dispose()
    empty.touch()
    assert told("migrate", str(empty)) == "brought from nothing to 0001\n"


@pytest.mark.parametrize("command", ["reconcile", "export"])
def test_a_folder_without_books(command: str, tmp_path: Path) -> None:
    more = ["-o", str(tmp_path)] if command == "export" else []
    with pytest.raises(InputError, match="there are no books here"):
        told(command, str(tmp_path / "nothing"), *more)
    with pytest.raises(InputError, match="there is no such database"):
        told("migrate", str(tmp_path / "nothing.sqlite"))
