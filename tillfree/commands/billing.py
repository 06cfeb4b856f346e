"""``tillfree billing``: look after the books that a run, or a store, has kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from billing.access import Access, Scope
from billing.disputing import labelled_examples
from billing.errors import AccessDenied, BillingError, DatabaseUnavailable, LastManager
from billing.export import journal_csv, receipts_csv
from billing.http.times import rfc3339
from billing.keyring import open_keyring
from billing.migrations import HEAD
from billing.money import Money, format_money
from billing.people import People
from billing.pricebook import PriceBook
from billing.pricefile import read_price_file
from billing.reconcile import Difference, differences
from billing.store import BillingStore, migrate
from store_layout.errors import InputError
from store_layout.files import load_store
from tillfree.errors import NotAsExpected, OutOfReach
from tillfree.prices import price_book
from tillfree.replay import BILLING_FILE, SANDBOX_FILE
from tillfree.serving import (
    database_of,
    make_app,
    make_gateway,
    make_news,
    make_outbox,
    make_page,
    sandbox_journal,
    secrets_file,
    serve,
)
from tillfree.settings import load_settings
from tillfree.system import system_clock

billing_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Look after receipts, payments and the ledger."
)

keys_app = typer.Typer(no_args_is_help=True, help="Keys of machines: gates, vision nodes, tills.")
operators_app = typer.Typer(no_args_is_help=True, help="People who sign in.")
billing_app.add_typer(keys_app, name="keys")
billing_app.add_typer(operators_app, name="operators")

Database = Annotated[str, typer.Argument(help="SQLite's file, or postgresql://user@host/name.", show_default=False)]
KeyName = Annotated[str, typer.Argument(help="What to call it, such as gate-1.", show_default=False)]
Scopes = Annotated[list[Scope], typer.Option(help="What it may do; may be given several times.", show_default=False)]
Login = Annotated[str, typer.Argument(help="The name to sign in with.", show_default=False)]
Password = Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)]
BooksName = Annotated[
    str,
    typer.Argument(
        metavar="BOOKS",
        help="A folder that a replay left, SQLite's file, or postgresql://user@host/name.",
        show_default=False,
    ),
]


@billing_app.command("reconcile")
def reconcile_books(
    books: BooksName,
    gateway: Annotated[str, typer.Option(help="sandbox, or stripe (key in STRIPE_API_KEY).")] = "sandbox",
) -> None:
    """Hold payments against the gateway's own list, and say what to do about each difference."""
    console = Console()
    where, journal = _where(books)
    if gateway == "sandbox" and (journal is None or not journal.exists()):
        raise InputError("the sandbox's list is not here", file=journal or books, mend="name a whole run, or --gateway")
    with closing(_existing(where)) as store, store.reading() as opened:
        payments, balances = opened.all_payments(), opened.balances()
    found = differences(payments, make_gateway(gateway, journal)[0].listing())
    for (account, currency), minor in balances.items():
        console.print(f"{account:24} {format_money(Money(minor, currency)):>18}", highlight=False)
    if found:
        console.print(_table(found))
        raise NotAsExpected(f"{len(found)} of {len(payments)} payments differ from the gateway's list")
    console.print(f"[green]The books agree with the gateway's list:[/] {len(payments)} requests.")


@billing_app.command("export")
def export_books(
    books: BooksName,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for receipts.csv, journal.csv and examples.jsonl.")],
) -> None:
    """Write receipts by line and the ledger as a journal that bookkeeping programs take in, as CSV.

    Disputes that operators decided go to examples.jsonl, a labelled example a line.
    """
    with closing(_existing(_where(books)[0])) as store:
        with store.reading() as opened:
            receipts, postings = opened.all_receipts(), opened.postings()
        examples = "".join(f"{line}\n" for line in labelled_examples(store))
    if out.exists() and not out.is_dir():
        raise InputError("is a file", file=out, mend="name a folder with -o")
    out.mkdir(parents=True, exist_ok=True)
    files = {
        "receipts.csv": receipts_csv(receipts),
        "journal.csv": journal_csv(postings),
        "examples.jsonl": examples,
    }
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8", newline="")
        typer.echo(f"wrote {out / name}")


@billing_app.command("migrate")
def migrate_database(
    database: Database,
) -> None:
    """Bring a database to the schema of this version. Make a copy of it first."""
    where = database_of(database)
    if isinstance(where, Path) and not where.is_file():
        raise InputError("there is no such database", file=where, mend="name SQLite's file, or PostgreSQL's URL")
    before = migrate(where)
    typer.echo("is up to date already" if before == HEAD else f"brought from {before or 'nothing'} to {HEAD}")


@billing_app.command("serve")
def serve_billing(
    database: Database,
    prices: Annotated[Path | None, typer.Option(help="A price file.", show_default=False)] = None,
    layout: Annotated[Path | None, typer.Option(help="A store's layout, for its prices.", show_default=False)] = None,
    settings: Annotated[Path | None, typer.Option(help="A settings file; its billing and page parts count.")] = None,
    gateway: Annotated[str, typer.Option(help="sandbox, or stripe (key in STRIPE_API_KEY).")] = "sandbox",
    journal: Annotated[
        Path | None,
        typer.Option(
            "--sandbox-journal", help="Where the sandbox keeps its books.", show_default="beside SQLite's file"
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; put a TLS proxy in front of any other.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 8300,
    url: Annotated[
        str | None,
        typer.Option(help="Where shoppers reach the page, such as https://shop.example.", show_default=False),
    ] = None,
    secrets: Annotated[
        Path | None,
        typer.Option(help="The store's secrets; made if missing. Beside SQLite's file by default.", show_default=False),
    ] = None,
) -> None:
    """Serve billing over HTTP: the shopper's page at /, the API at /docs. `tillfree billing keys add` makes keys."""
    book = _prices(prices, layout)
    told = load_settings(settings)
    where = database_of(database)
    made, desk = make_gateway(gateway, journal or sandbox_journal(where))
    store = _opened(where)
    keyring = open_keyring(secrets_file(where, secrets))
    page = make_page(store, desk, keyring, told.page, url or f"http://{host}:{port}")
    console = Console(stderr=True)
    app = make_app(
        book,
        store,
        made,
        told.billing,
        news=make_news(gateway),
        page=page,
        outbox=make_outbox(store, told.outbox, told.mail, told.page.zone),
        tell=lambda said: console.print(f"[yellow]{said}[/]"),
    )
    typer.echo(f"Shoppers' page: {page.url}/, API: http://{host}:{port}/docs. Ctrl-C ends it.")
    serve(app, host, port)


@keys_app.command("add")
def add_key(database: Database, name: KeyName, scope: Scopes) -> None:
    """Make a key for a machine and show it, this once."""
    with closing(_opened(database_of(database))) as store, _clearly():
        typer.echo(Access(store).add_client(name, frozenset(scope), system_clock()))


@keys_app.command("list")
def list_keys(database: Database) -> None:
    """List keys by name and scope; the keys themselves are not kept."""
    with closing(_existing(database_of(database))) as store:
        found = Access(store).clients()
    rows = [(each.name, each.scopes, each.created_at_ns, each.revoked_at_ns) for each in found]
    Console().print(_who(("name", "scopes", "made", "revoked"), rows))


@keys_app.command("revoke")
def revoke_key(database: Database, name: KeyName) -> None:
    """Let a key be worth nothing from now on."""
    with closing(_existing(database_of(database))) as store, _clearly():
        Access(store).revoke_client(name, system_clock())
    typer.echo(f"revoked {name}")


@operators_app.command("add")
def add_operator(database: Database, login: Login, scope: Scopes, password: Password) -> None:
    """Let a person sign in; asks for a password of ten characters or more."""
    with closing(_opened(database_of(database))) as store, _clearly():
        Access(store).add_operator(login, password, frozenset(scope), system_clock())
    typer.echo(f"{login} can sign in")


@operators_app.command("list")
def list_operators(database: Database) -> None:
    """List who may sign in, and who no more."""
    with closing(_existing(database_of(database))) as store:
        found = Access(store).operators()
    rows = [(each.login, each.scopes, each.created_at_ns, each.disabled_at_ns) for each in found]
    Console().print(_who(("login", "scopes", "added", "disabled"), rows))


@operators_app.command("password")
def change_password(database: Database, login: Login, password: Password) -> None:
    """Give a person another password; asks for it. Whoever is signed in as them is signed out."""
    with closing(_existing(database_of(database))) as store, _clearly():
        Access(store).change_password(login, password)
    typer.echo(f"{login} has another password")


@operators_app.command("disable")
def disable_operator(database: Database, login: Login) -> None:
    """Let a person sign in no more, unless nobody could add people then; `enable` takes it back. What they did stays in the audit log."""
    with closing(_existing(database_of(database))) as store, _clearly():
        People(Access(store)).deactivate(login, system_clock())
    typer.echo(f"{login} can sign in no more")


@operators_app.command("enable")
def enable_operator(database: Database, login: Login) -> None:
    """Let a person sign in again."""
    with closing(_existing(database_of(database))) as store, _clearly():
        People(Access(store)).activate(login)
    typer.echo(f"{login} can sign in")


def _opened(where: Path | str) -> BillingStore:
    """Open a database, or set it up. Raises OutOfReach where it does not answer, InputError for another version's."""
    try:
        return BillingStore(where)
    except DatabaseUnavailable as error:
        raise OutOfReach(str(error)) from error
    except BillingError as error:
        raise InputError(str(error), field=str(where), mend="run `tillfree billing migrate` on a copy of it") from error


@contextmanager
def _clearly() -> Iterator[None]:
    """Turn what keys and operators cannot be into an error that the command line shows. Raises InputError."""
    try:
        yield
    except LastManager as error:
        mend = "give another person scope admin first: `tillfree billing operators add DATABASE LOGIN --scope admin`"
        raise InputError(str(error), mend=mend) from error
    except AccessDenied as error:
        raise InputError(str(error)) from error


def _existing(where: Path | str) -> BillingStore:
    """Open books that are there. Raises InputError where there are none."""
    if isinstance(where, Path) and not where.is_file():
        mend = "name SQLite's file, PostgreSQL's URL, or a folder that `tillfree replay -o` left"
        raise InputError("there are no books here", file=where, mend=mend)
    return _opened(where)


def _prices(prices: Path | None, layout: Path | None) -> PriceBook:
    """Return the prices to serve. Raises InputError unless there is a price file or a layout."""
    if layout is not None:
        return price_book(load_store(layout), prices)
    if prices is None:
        raise InputError("there are no prices", field="--prices", mend="give a price file, or --layout STORE.yaml")
    return read_price_file(prices)


def _where(books: str) -> tuple[Path | str, Path | None]:
    """Return where books lie, and the sandbox's journal beside them."""
    where = database_of(books)
    if isinstance(where, Path) and where.is_dir():
        return where / BILLING_FILE, where / SANDBOX_FILE
    return where, sandbox_journal(where)


_SECONDS = len("2026-11-22T22:47:33")


def _who(heads: tuple[str, ...], rows: Iterable[tuple[str, frozenset[Scope], int, int | None]]) -> Table:
    """Return who may do what, since when, and until when."""
    table = Table(*heads)
    for name, scopes, begin_ns, end_ns in rows:
        begun, ended = ("" if at_ns is None else f"{rfc3339(at_ns)[:_SECONDS]}Z" for at_ns in (begin_ns, end_ns))
        table.add_row(name, ", ".join(sorted(scopes)), begun, ended)
    return table


def _table(found: tuple[Difference, ...]) -> Table:
    table = Table("request", "difference", "what to do")
    for each in found:
        table.add_row(each.key, each.problem, each.mend)
    return table
