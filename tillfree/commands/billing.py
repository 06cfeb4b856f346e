"""``tillfree billing``: look after the books that a run, or a store, has kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from billing.export import journal_csv, receipts_csv
from billing.gateway import SandboxGateway
from billing.migrations import HEAD
from billing.money import Money, format_money
from billing.reconcile import Difference, differences
from billing.store import BillingStore, migrate
from store_layout.errors import InputError
from tillfree.errors import NotAsExpected
from tillfree.replay import BILLING_FILE, SANDBOX_FILE

billing_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Look after receipts, payments and the ledger."
)

Run = Annotated[Path, typer.Argument(help="The folder that a replay left.", show_default=False)]


@billing_app.command("reconcile")
def reconcile_run(run: Run) -> None:
    """Hold a run's payments against the gateway's own list, and say what to do about each difference."""
    console = Console()
    books = _books(run)
    journal = run / SANDBOX_FILE
    if not journal.exists():
        raise InputError("the gateway's list is not here", file=journal, mend="name the folder of a whole run")
    with books.transaction() as opened:
        payments, balances = opened.all_payments(), opened.balances()
    found = differences(payments, SandboxGateway(journal=journal).listing())
    for (account, currency), minor in balances.items():
        console.print(f"{account:24} {format_money(Money(minor, currency)):>18}", highlight=False)
    if found:
        console.print(_table(found))
        raise NotAsExpected(f"{len(found)} of {len(payments)} payments differ from the gateway's list")
    console.print(f"[green]The books agree with the gateway's list:[/] {len(payments)} requests.")


@billing_app.command("export")
def export_run(
    run: Run,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for receipts.csv and journal.csv.")],
) -> None:
    """Write receipts by line, and the ledger as a journal that bookkeeping programs take in, as CSV."""
    with _books(run).transaction() as books:
        receipts, postings = books.all_receipts(), books.postings()
    if out.exists() and not out.is_dir():
        raise InputError("is a file", file=out, mend="name a folder with -o")
    out.mkdir(parents=True, exist_ok=True)
    for name, text in (("receipts.csv", receipts_csv(receipts)), ("journal.csv", journal_csv(postings))):
        (out / name).write_text(text, encoding="utf-8", newline="")
        typer.echo(f"wrote {out / name}")


@billing_app.command("migrate")
def migrate_database(
    database: Annotated[str, typer.Argument(help="SQLite's file, or postgresql://user@host/name.", show_default=False)],
) -> None:
    """Bring a database to the schema of this version. Make a copy of it first."""
    is_url = "://" in database
    if not is_url and not Path(database).is_file():
        raise InputError("there is no such database", file=database, mend="name SQLite's file, or PostgreSQL's URL")
    before = migrate(database if is_url else Path(database))
    typer.echo("is up to date already" if before == HEAD else f"brought from {before or 'nothing'} to {HEAD}")


def _books(run: Path) -> BillingStore:
    """Open the books in a run's folder. Raises InputError where there are none."""
    path = run / BILLING_FILE
    if not path.is_file():
        raise InputError("there are no books here", file=path, mend="name a folder that `tillfree replay -o` left")
    return BillingStore(path)


def _table(found: tuple[Difference, ...]) -> Table:
    table = Table("request", "difference", "what to do")
    for each in found:
        table.add_row(each.key, each.problem, each.mend)
    return table
