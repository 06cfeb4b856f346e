from __future__ import annotations

import csv
import json
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import create_engine, text
from starlette.testclient import TestClient
from typer.testing import CliRunner

from billing.access import Access, Scope
from billing.errors import NotKnown
from billing.gateway import SandboxGateway
from billing.money import Money
from billing.pricebook import Price, PriceBook
from billing.service import BillingService
from billing.store import BillingStore
from billing.types import ItemCount, OpenVisit, ReceiptInput, RefundReason, RefundRequest
from store_layout.errors import InputError
from tests.dashboard.people_rig import quick_hashes
from tillfree.commands.billing import billing_app
from tillfree.errors import ExitCode, NotAsExpected
from tillfree.main import main
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
    assert told("migrate", str(empty)) == "brought from nothing to 0002\n"


@pytest.mark.parametrize("command", ["reconcile", "export"])
def test_a_folder_without_books(command: str, tmp_path: Path) -> None:
    more = ["-o", str(tmp_path)] if command == "export" else []
    with pytest.raises(InputError, match=r"there are no books here|the sandbox's list is not here"):
        told(command, str(tmp_path / "nothing"), *more)
    with pytest.raises(InputError, match="there is no such database"):
        told("migrate", str(tmp_path / "nothing.sqlite"))


SECRET = "correct horse battery"


def added(database: Path, name: str, *scopes: str) -> str:
    return told("keys", "add", str(database), name, *(word for scope in scopes for word in ("--scope", scope))).strip()


def test_keys_are_shown_once_listed_and_revoked(tmp_path: Path) -> None:
    database = tmp_path / "billing.sqlite"
    key = added(database, "gate-1", "gate")
    with closing(BillingStore(database)) as store:
        assert Access(store).who(key, 0).scopes == {Scope.GATE}
    added(database, "till-1", "pos", "operator")
    listed = told("keys", "list", str(database))
    assert "gate-1" in listed
    assert "operator, pos" in listed
    assert key not in listed
    assert told("keys", "revoke", str(database), "gate-1") == "revoked gate-1\n"
    with closing(BillingStore(database)) as store, pytest.raises(NotKnown, match="revoked"):
        Access(store).who(key, 0)


def test_operators_sign_in(tmp_path: Path) -> None:
    database = tmp_path / "billing.sqlite"
    arguments = ["operators", "add", str(database), "anna", "--scope", "operator"]
    result = CliRunner().invoke(billing_app, arguments, input=f"{SECRET}\n{SECRET}\n", catch_exceptions=False)
    assert result.exit_code == 0
    assert SECRET not in result.output
    assert result.output.endswith("anna can sign in\n")
    with closing(BillingStore(database)) as store:
        token, _ = Access(store).sign_in("anna", SECRET, 0)
        assert Access(store).who(token, 1).name == "anna"
    listed = told("operators", "list", str(database))
    assert "anna" in listed
    assert SECRET not in listed
    given = CliRunner().invoke(billing_app, ["operators", "password", str(database), "anna"], input=f"{SECRET}2\n" * 2)
    assert given.output.endswith("anna has another password\n")
    assert told("operators", "disable", str(database), "anna") == "anna can sign in no more\n"
    assert told("operators", "enable", str(database), "anna") == "anna can sign in\n"
    with closing(BillingStore(database)) as store:
        assert Access(store).sign_in("anna", f"{SECRET}2", 0)


def test_the_last_who_can_add_people_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = tmp_path / "billing.sqlite"
    with closing(BillingStore(database)) as store, quick_hashes():
        access = Access(store)
        access.add_operator("anna", SECRET, frozenset({Scope.ADMIN}), 0)
        access.add_operator("ben", SECRET, frozenset({Scope.OPERATOR}), 0)
        assert main(["billing", "operators", "disable", str(database), "anna"]) == ExitCode.BAD_INPUT
        error = capsys.readouterr().err
        assert "'anna' is the last who can add people. Mend: give another person scope admin first" in error
        assert error.count("\n") == 1
        access.add_operator("carla", SECRET, frozenset({Scope.ADMIN}), 0)
        assert main(["billing", "operators", "disable", str(database), "anna"]) == 0
        assert [each.login for each in access.operators() if each.disabled_at_ns is not None] == ["anna"]


def test_what_keys_and_operators_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is one clear line and the exit code of bad input."""
    database = str(tmp_path / "billing.sqlite")
    added(Path(database), "gate-1", "gate")
    cases = {
        ("keys", "add", database, "gate-1", "--scope", "gate"): "there is a key named 'gate-1'",
        ("keys", "add", database, "gate 1", "--scope", "gate"): "is no name",
        ("keys", "revoke", database, "gate-2"): "there is no key named 'gate-2'",
        ("keys", "list", str(tmp_path / "none.sqlite")): "there are no books here",
        ("operators", "disable", database, "anna"): "there is no operator named 'anna'",
        ("operators", "add", database, "anna", "--scope", "pos", "--password", "short"): "10 to 200 characters",
    }
    for arguments, said in cases.items():
        assert main(["billing", *arguments]) == ExitCode.BAD_INPUT, arguments
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert main(["billing", "keys", "add", database, "x"]) == ExitCode.BAD_INPUT  # without a scope
    assert main(["billing", "keys", "add", database, "x", "--scope", "king"]) == ExitCode.BAD_INPUT


def test_databases_that_cannot_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = str(tmp_path / "none" / "billing.sqlite")
    assert main(["billing", "keys", "add", nowhere, "gate-1", "--scope", "gate"]) == ExitCode.OUT_OF_REACH
    assert "cannot be opened" in capsys.readouterr().err
    server = f"postgresql://till:hush@/none?host={tmp_path}"
    assert main(["billing", "keys", "list", server]) == ExitCode.OUT_OF_REACH
    assert "hush" not in capsys.readouterr().err
    old = tmp_path / "old.sqlite"
    engine = create_engine(f"sqlite:///{old}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('0001')"))
    engine.dispose()
    assert main(["billing", "keys", "list", str(old)]) == ExitCode.BAD_INPUT
    assert "tillfree billing migrate" in capsys.readouterr().err


def test_serve_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STRIPE_API_KEY", raising=False)
    database, prices = str(tmp_path / "billing.sqlite"), tmp_path / "prices.yaml"
    prices.write_text(PRICES, encoding="utf-8")
    cases = {
        (database,): "there are no prices",
        (database, "--prices", str(tmp_path / "none.yaml")): "none.yaml",
        (database, "--prices", str(prices), "--gateway", "piggy"): "there is no gateway 'piggy'",
        (database, "--prices", str(prices), "--gateway", "stripe"): "STRIPE_API_KEY",
        (str(tmp_path / "no" / "b.sqlite"), "--prices", str(prices)): "cannot be opened",
    }
    for arguments, said in cases.items():
        assert main(["billing", "serve", *arguments]) in (ExitCode.BAD_INPUT, ExitCode.OUT_OF_REACH), arguments
        assert said in capsys.readouterr().err
    assert main(["billing", "serve", database, "--prices", str(prices), "--port", "0"]) == ExitCode.BAD_INPUT


def test_serve_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole command but the socket: its app answers, tends to what is open, and closes the database."""
    database, prices = tmp_path / "billing.sqlite", tmp_path / "prices.yaml"
    prices.write_text(PRICES, encoding="utf-8")
    key = added(database, "all", *Scope)
    asked: list[tuple[str, int]] = []

    def serve(app: FastAPI, host: str, port: int) -> None:
        asked.append((host, port))
        with TestClient(app, headers={"Authorization": f"Bearer {key}"}) as client:
            assert client.get("/readyz").json()["status"] == "ok"
            opened = client.post(
                "/v1/visits", json={"visit_id": "v1", "token": "card"}, headers={"Idempotency-Key": "k"}
            )
            assert opened.status_code == 201

    monkeypatch.setattr("tillfree.commands.billing.serve", serve)
    said = told("serve", str(database), "--prices", str(prices), "--port", "8301")
    assert "http://127.0.0.1:8301/docs" in said
    assert asked == [("127.0.0.1", 8301)]
    assert (tmp_path / "billing.sqlite.sandbox.jsonl").is_file()


PRICES = """\
version: 1
currency: EUR
tax_classes:
  standard: {rate_percent: 19}
products:
  cola:
    name: Cola
    tax_class: standard
    prices: [{price_minor: 149}]
"""
